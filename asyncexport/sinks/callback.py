"""Rows handed to a function of your own, batch by batch, as they come in.

Contract: the function is awaited for each batch, which is all the backpressure there is; what it raises fails that job
alone, as a :class:`~asyncexport.errors.SinkError`. Rows come *before* it is known that the export is whole, because
nothing is kept here: a download that must begin again hands on its rows again, from one with ``batch.first == 0`` on.
``committed`` is awaited once all rows were handed on and the export is known to be whole; who needs all or nothing
collects until then. If it raises, the job has failed.

Nothing is ever found again: a run hands on every job that it is given, also those of an earlier run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import KW_ONLY, dataclass
from typing import TypeAlias

from asyncexport.batch import Batch
from asyncexport.models import Evidence, Receipt, TransferOrder
from asyncexport.sinks.base import Writer, transaction
from asyncexport.sinks.memory import location_of

Take: TypeAlias = Callable[[TransferOrder, Batch], Awaitable[object]]
Committed: TypeAlias = Callable[[TransferOrder, Receipt], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Callback:
    """A :class:`~asyncexport.ports.Sink` that awaits ``take(order, batch)`` for every batch of every export.

    ``order.job`` says whose rows they are; of a job in parts it is one part, and ``order.whole`` the job. Batches of
    one export come in order and one at a time, those of several exports between each other. ``committed(order,
    receipt)`` is awaited when an export is whole. Transfers run in the caller's process, in its event loop.

    With ``wants_rows`` exports are decoded to rows at once (:class:`asyncexport.ports.WantsRows`): for a ``take`` that
    asks each batch for its rows and not for its text. Then nobody looks at the text: ``bytes`` of the receipt is 0, and
    its ``sha256`` is empty.
    """

    take: Take
    _: KW_ONLY
    committed: Committed | None = None
    wants_rows: bool = False

    def open(self, order: TransferOrder) -> AbstractAsyncContextManager[CallbackWriter]:
        """Begin to hand on one export."""
        return transaction(CallbackWriter(order, self))

    async def find(self, order: TransferOrder) -> Receipt | None:  # noqa: ARG002 - the port's signature
        """Return None: nothing is kept."""
        return None


class CallbackWriter(Writer):
    """Hands on, counts and hashes."""

    def __init__(self, order: TransferOrder, sink: Callback) -> None:
        super().__init__(order)
        self._sink = sink
        self._size = 0
        self._sha256 = hashlib.sha256()

    async def _begin(self) -> None:
        pass

    async def _store(self, batch: Batch) -> None:
        if not self._sink.wants_rows:
            self._size += len(batch.text)
            self._sha256.update(batch.text)
        await self._sink.take(self._order, batch)

    async def _commit(self, evidence: Evidence) -> Receipt:
        digest = "" if self._sink.wants_rows else self._sha256.hexdigest()
        location = location_of("callback", self._order)
        receipt = self._receipt_of(evidence, size=self._size, sha256=digest, location=location)
        if self._sink.committed is not None:
            await self._sink.committed(self._order, receipt)
        return receipt

    def _discard(self) -> None:
        pass
