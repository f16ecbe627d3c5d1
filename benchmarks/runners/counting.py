"""A sink that counts the bytes of the rows' text and does nothing else, wherever it is."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import ClassVar

from asyncexport.batch import Batch
from asyncexport.models import Evidence, Receipt, TransferOrder
from asyncexport.sinks.base import Writer, transaction


@dataclass(frozen=True, slots=True)
class Counting:
    """A :class:`~asyncexport.ports.Sink` for measurements. ``bytes`` of its receipts are those of the text."""

    travels: ClassVar[bool] = True

    def open(self, order: TransferOrder) -> AbstractAsyncContextManager[Writer]:
        """Begin."""
        return transaction(_Counter(order))

    async def find(self, order: TransferOrder) -> Receipt | None:  # noqa: ARG002 - the port's signature
        """Return None: nothing is stored."""
        return None


class _Counter(Writer):
    def __init__(self, order: TransferOrder) -> None:
        super().__init__(order)
        self._size = 0

    async def _begin(self) -> None:
        pass

    async def _store(self, batch: Batch) -> None:
        self._size += len(batch.text)

    async def _commit(self, evidence: Evidence) -> Receipt:
        return self._receipt_of(evidence, size=self._size, sha256="", location="")

    def _discard(self) -> None:
        pass
