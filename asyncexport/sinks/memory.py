"""Sinks without a disk, for tests, notebooks and measurements: :class:`Memory` keeps the rows, :class:`Null` does not.

Contract: transactional like any sink; nothing is seen before the commit, a failed export leaves what was there. A part
that asks for rows which stand already waits out of sight until :meth:`Memory.settle` finds the new parts whole, as in
the file sinks (:mod:`asyncexport.sinks.files.staging`). The store is shared by everybody who holds the same ``Memory``,
within one process: a pickled copy has its own.
"""

from __future__ import annotations

import hashlib
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

from asyncexport.batch import Batch
from asyncexport.errors import SinkError
from asyncexport.models import Evidence, Filters, Job, Receipt, TransferOrder
from asyncexport.sansio.scheduling.splitting import leading_whole, share_rows
from asyncexport.sinks.base import Writer, transaction
from asyncexport.sinks.labels import check_label

_Store: TypeAlias = "dict[tuple[str, ...], dict[int, Stored]]"
"""What is committed, by job and part."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What was committed for one part of one job: which rows, their text, one a line, and the receipt."""

    filters: Filters
    text: bytes
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Memory:
    """A :class:`~asyncexport.ports.Sink` that keeps everything in a dictionary; also keeps manifests.

    ``store`` holds what readers see, ``waiting`` new parts that may not be seen before all of them are there.
    """

    store: _Store = field(default_factory=dict, repr=False)
    manifests: dict[str, bytes] = field(default_factory=dict, repr=False)
    waiting: _Store = field(default_factory=dict, repr=False)

    def open(self, order: TransferOrder) -> AbstractAsyncContextManager[MemoryWriter]:
        """Begin the transaction for one export."""
        return transaction(MemoryWriter(order, self))

    async def find(self, order: TransferOrder) -> Receipt | None:
        """Return what is committed for this order's job and part, or for all the parts that the job was split into.

        New parts that still wait go where what stands is the answer.
        """
        if order.is_part:
            return _answer(self.waiting, order) or self._standing(order)
        receipt = _answer(self.store, order) or self._in_parts(order.job)
        if receipt is not None:
            self.waiting.pop(order.job.key, None)
        return receipt

    async def settle(self, job: Job, parts: int) -> None:
        """Give new parts the place of what an earlier run left of the job, and remove what is beyond them.

        Raises :class:`SinkError` if what would then stand is not the job: another run has removed some.
        """
        new = self.waiting.get(job.key, {})
        together = {part: stored for part, stored in (self.store.get(job.key, {}) | new).items() if part < parts}
        if new and _count_whole(job, _in_order(together)) != parts:
            raise SinkError(f"parts of {job} have gone while others were pulled; run again")
        self.store[job.key] = together
        self.waiting.pop(job.key, None)

    async def keep(self, name: str, manifest: bytes) -> str:
        """Store a run's manifest; return where."""
        self.manifests[check_label(name, what="manifest name")] = manifest
        return f"memory:_runs/{name}.json"

    def text(self, job: Job) -> bytes:
        """Return the rows of a job, all its parts in order, one a line; empty if nothing is committed."""
        return b"".join(part.text for part in _in_order(self.store.get(job.key, {})))

    def rows(self, job: Job) -> list[dict[str, Any]]:
        """Return the rows of a job, parsed (:meth:`asyncexport.batch.Batch.rows`)."""
        text = self.text(job)
        return Batch(text, text.count(b"\n")).rows() if text else []

    def _standing(self, order: TransferOrder) -> Receipt | None:
        receipt = _answer(self.store, order)
        if receipt is not None:
            self.waiting.get(order.whole.key, {}).pop(order.part, None)
        return receipt

    def _in_parts(self, job: Job) -> Receipt | None:
        parts = _in_order(self.store.get(job.key, {}))
        count = _count_whole(job, parts)
        return Receipt.of_parts([part.receipt for part in parts[:count]]) if count else None


def _answer(store: _Store, order: TransferOrder) -> Receipt | None:
    stored = store.get(order.whole.key, {}).get(order.part)
    return stored.receipt if stored is not None and stored.filters == order.job.filters else None


def _in_order(parts: dict[int, Stored]) -> list[Stored]:
    return [parts[number] for number in sorted(parts)]


def _count_whole(job: Job, parts: list[Stored]) -> int | None:
    return leading_whole(job.filters, job.entity, [part.filters for part in parts])


class MemoryWriter(Writer):
    """Collects the text, stores it on commit."""

    def __init__(self, order: TransferOrder, sink: Memory) -> None:
        super().__init__(order)
        self._sink = sink
        self._text = bytearray()

    async def _begin(self) -> None:
        self._text.clear()

    async def _store(self, batch: Batch) -> None:
        self._text += batch.text

    async def _commit(self, evidence: Evidence) -> Receipt:
        text = bytes(self._text)
        digest = hashlib.sha256(text).hexdigest()
        receipt = self._receipt_of(evidence, size=len(text), sha256=digest, location=location_of("memory", self._order))
        self._put(Stored(self._order.job.filters, text, receipt))
        return receipt

    def _put(self, stored: Stored) -> None:
        key, part = self._order.whole.key, self._order.part
        if not self._order.is_part:
            self._sink.store[key] = {part: stored}
            self._sink.waiting.pop(key, None)
        elif self._must_wait(self._sink.store.get(key, {})):
            self._sink.waiting.setdefault(key, {})[part] = stored
        else:
            self._sink.store.setdefault(key, {})[part] = stored
            self._sink.waiting.get(key, {}).pop(part, None)

    def _must_wait(self, standing: dict[int, Stored]) -> bool:
        job = self._order.job
        shares = (share_rows(stored.filters, job.filters, job.entity) for stored in standing.values())
        return self._order.part in standing or any(shares)

    def _discard(self) -> None:
        self._text.clear()


@dataclass(frozen=True, slots=True)
class Null:
    """A :class:`~asyncexport.ports.Sink` that counts and hashes the rows and stores nothing."""

    travels: ClassVar[bool] = True

    def open(self, order: TransferOrder) -> AbstractAsyncContextManager[NullWriter]:
        """Begin the transaction for one export."""
        return transaction(NullWriter(order))

    async def find(self, order: TransferOrder) -> Receipt | None:  # noqa: ARG002 - the port's signature
        """Return None: nothing is ever stored."""
        return None


class NullWriter(Writer):
    """Counts and hashes."""

    def __init__(self, order: TransferOrder) -> None:
        super().__init__(order)
        self._size = 0
        self._sha256 = hashlib.sha256()

    async def _begin(self) -> None:
        pass

    async def _store(self, batch: Batch) -> None:
        self._size += len(batch.text)
        self._sha256.update(batch.text)

    async def _commit(self, evidence: Evidence) -> Receipt:
        digest = self._sha256.hexdigest()
        return self._receipt_of(evidence, size=self._size, sha256=digest, location=location_of("null", self._order))

    def _discard(self) -> None:
        pass


def location_of(scheme: str, order: TransferOrder) -> str:
    """Return what stands for a place in the receipt of a sink that has none."""
    job = order.job
    return f"{scheme}:{job.entity.value}/{job.snapshot}/{job.profile.profile_id}/part-{order.part}"
