"""Rows of the journal: their texts as SQLite takes them, and the types that a row is held to.

Every text fits, also one that is not Unicode: it is bound as bytes, which the statements cast to text, and read back by
:func:`as_text`. SQLite keeps any type in any column, so a row is held to its types wherever it comes from.
"""

from __future__ import annotations

from typing import Any

KEY = ("snapshot", "account", "region", "profile_id", "entity", "filters")
_BEYOND = 1 << 63
_TEXTS = {*KEY, "state", "export_id", "location", "error", "split", "whole"}

Row = dict[str, Any]


def typed(row: Row) -> Row:
    """Hold a row to the types of the schema, which SQLite itself does not; raises :class:`ValueError`."""
    for name, value in row.items():
        if name in _TEXTS:
            if not isinstance(value, str):
                raise ValueError(f"{name} is no text")
        elif value is not None and not (isinstance(value, int | float) and abs(value) < _BEYOND):
            raise ValueError(f"{name} is no finite number of 64 bits")
    return row


def encoded(row: Row) -> Row:
    """Return a row as SQLite takes it, whatever its texts hold; the statements cast them back to text."""
    return {name: as_bytes(value) if isinstance(value, str) else value for name, value in row.items()}


def as_bytes(text: str) -> bytes:
    """Return a text as it is bound."""
    return text.encode("utf-8", "surrogatepass")


def as_text(stored: bytes) -> str:
    """Return a text as it was bound."""
    return stored.decode("utf-8", "surrogatepass")
