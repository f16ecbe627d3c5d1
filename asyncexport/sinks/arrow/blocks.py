"""Rows held until there are enough of them for a table: the text of many batches at once.

Contract: a block is full at some :data:`BLOCK` bytes of text or at :data:`ROWS` rows, whichever comes first; one batch
that is larger is a block of its own.
"""

from __future__ import annotations

from typing import Final

from asyncexport.batch import Batch

BLOCK: Final = 2 * 1024 * 1024
ROWS: Final = 100_000


class Block:
    """What is held."""

    def __init__(self) -> None:
        self._texts: list[bytes] = []
        self._size = 0
        self._rows = 0

    def add(self, batch: Batch) -> bool:
        """Hold a batch too; return whether the block is full."""
        text = batch.text
        self._texts.append(text)
        self._size += len(text)
        self._rows += batch.count
        return self._size >= BLOCK or self._rows >= ROWS

    def take(self) -> tuple[bytes, int]:
        """Return the text and the number of its rows, and hold nothing any more."""
        text, rows = b"".join(self._texts), self._rows
        self.clear()
        return text, rows

    def clear(self) -> None:
        """Hold nothing any more."""
        self._texts, self._size, self._rows = [], 0, 0

    def __bool__(self) -> bool:
        return bool(self._texts)

    def __repr__(self) -> str:
        return f"<Block of {self._rows} rows, {self._size} bytes>"
