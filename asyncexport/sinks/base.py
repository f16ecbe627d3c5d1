"""What every sink's writer has in common: the transaction around it.

Contract (:class:`asyncexport.ports.Sink`): leaving the block cleanly after ``seal()`` commits, everything else
discards: an exception, a cancellation, a missing seal, a ``write()`` that failed and was swallowed. A sink fills in
four steps, ``_begin``, ``_store``, ``_commit`` and ``_discard``; the last never waits, so that it cannot be cancelled.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from asyncexport.batch import Batch
from asyncexport.errors import SinkError
from asyncexport.models import Evidence, Receipt, TransferOrder


class Writer(ABC):
    """An open transaction for one export: a :class:`asyncexport.ports.SinkWriter`."""

    def __init__(self, order: TransferOrder) -> None:
        self._order = order
        self._rows = 0
        self._torn = False
        self._evidence: Evidence | None = None
        self._receipt: Receipt | None = None

    def __repr__(self) -> str:
        state = "committed" if self._receipt else "sealed" if self._evidence else "open"
        return f"<{type(self).__name__} {self._order.job} part {self._order.part} {state}, {self._rows} rows>"

    @property
    def receipt(self) -> Receipt:
        """What was committed. Raises :class:`SinkError` before the block has been left cleanly."""
        if self._receipt is None:
            raise SinkError(f"{self._order.job}: there is no receipt before the commit")
        return self._receipt

    async def write(self, batch: Batch) -> None:
        """Take some rows. Raises :class:`SinkError`; then nothing can be committed any more."""
        if self._evidence is not None:
            raise SinkError(f"{self._order.job}: rows were written after seal()")
        self._torn, torn_before = True, self._torn
        await self._store(batch)
        self._torn = torn_before
        self._rows += batch.count

    def seal(self, evidence: Evidence) -> None:
        """State that every row has been written and how that is known."""
        self._evidence = evidence

    async def begin(self) -> None:
        """Open the resources."""
        await self._begin()

    async def finish(self) -> None:
        """Commit what was sealed. Raises :class:`SinkError` for what was not."""
        if self._evidence is None:
            raise SinkError(
                f"{self._order.job}: the rows were never sealed, so they may not be all; nothing is committed"
            )
        if self._torn:
            raise SinkError(f"{self._order.job}: a write failed, so rows are missing; nothing is committed")
        self._receipt = await self._commit(self._evidence)

    def discard(self) -> None:
        """Give everything up that is not committed. Never waits, may be called at any point, raises nothing."""
        self._discard()

    def _receipt_of(self, evidence: Evidence, *, size: int, sha256: str, location: str) -> Receipt:
        return Receipt(
            export_id=self._order.export_id,
            rows=self._rows,
            bytes=size,
            sha256=sha256,
            location=location,
            source_bytes=evidence.source_bytes,
            integrity=evidence.integrity,
            notes=evidence.notes,
            generated_at=self._order.generated_at,
        )

    @abstractmethod
    async def _begin(self) -> None: ...

    @abstractmethod
    async def _store(self, batch: Batch) -> None: ...

    @abstractmethod
    async def _commit(self, evidence: Evidence) -> Receipt: ...

    @abstractmethod
    def _discard(self) -> None: ...


W = TypeVar("W", bound=Writer)


@asynccontextmanager
async def transaction(writer: W) -> AsyncIterator[W]:
    """Run ``writer`` as a transaction: what a sink's ``open()`` returns."""
    try:
        await writer.begin()
        yield writer
        await writer.finish()
    except BaseException:
        writer.discard()
        raise
