"""Sinks without a disk, for tests, notebooks and measurements: :class:`Memory` keeps the rows, :class:`Null` does not.

Contract: transactional like any sink; nothing is seen before the commit, a failed export leaves what was there. The
store is shared by everybody who holds the same ``Memory``, within one process: a pickled copy has its own.
"""

from __future__ import annotations

import hashlib
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

from asyncexport.batch import Batch
from asyncexport.models import Evidence, Filters, Job, Receipt, TransferOrder
from asyncexport.sansio.splitting import leading_whole
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
    """A :class:`~asyncexport.ports.Sink` that keeps everything in a dictionary; also keeps manifests."""

    store: _Store = field(default_factory=dict, repr=False)
    manifests: dict[str, bytes] = field(default_factory=dict, repr=False)

    def open(self, order: TransferOrder) -> AbstractAsyncContextManager[MemoryWriter]:
        """Begin the transaction for one export."""
        return transaction(MemoryWriter(order, self.store))

    async def find(self, order: TransferOrder) -> Receipt | None:
        """Return what is committed for this order's job and part, or for all the parts that the job was split into."""
        stored = self.store.get(order.whole.key, {}).get(order.part)
        if stored is not None and stored.filters == order.job.filters:
            return stored.receipt
        parts = [] if order.is_part else self._parts(order.job)
        count = leading_whole(order.job.filters, order.job.entity, [part.filters for part in parts])
        return Receipt.of_parts([part.receipt for part in parts[:count]]) if count else None

    async def settle(self, job: Job, parts: int) -> None:
        """Remove what an earlier run left of the job beyond its first ``parts`` parts."""
        _drop_beyond(self.store, job, parts)

    async def keep(self, name: str, manifest: bytes) -> str:
        """Store a run's manifest; return where."""
        self.manifests[check_label(name, what="manifest name")] = manifest
        return f"memory:_runs/{name}.json"

    def text(self, job: Job) -> bytes:
        """Return the rows of a job, all its parts in order, one a line; empty if nothing is committed."""
        return b"".join(part.text for part in self._parts(job))

    def rows(self, job: Job) -> list[dict[str, Any]]:
        """Return the rows of a job, parsed (:meth:`asyncexport.batch.Batch.rows`)."""
        text = self.text(job)
        return Batch(text, text.count(b"\n")).rows() if text else []

    def _parts(self, job: Job) -> list[Stored]:
        return [stored for _, stored in sorted(self.store.get(job.key, {}).items(), key=lambda item: item[0])]


def _drop_beyond(store: _Store, job: Job, parts: int) -> None:
    store[job.key] = {part: stored for part, stored in store.get(job.key, {}).items() if part < parts}


class MemoryWriter(Writer):
    """Collects the text, stores it on commit."""

    def __init__(self, order: TransferOrder, store: _Store) -> None:
        super().__init__(order)
        self._store_in = store
        self._text = bytearray()

    async def _begin(self) -> None:
        self._text.clear()

    async def _store(self, batch: Batch) -> None:
        self._text += batch.text

    async def _commit(self, evidence: Evidence) -> Receipt:
        text = bytes(self._text)
        digest = hashlib.sha256(text).hexdigest()
        receipt = self._receipt_of(evidence, size=len(text), sha256=digest, location=_location("memory", self._order))
        whole, part = self._order.whole, self._order.part
        self._store_in.setdefault(whole.key, {})[part] = Stored(self._order.job.filters, text, receipt)
        if not self._order.is_part:
            _drop_beyond(self._store_in, whole, 1)
        return receipt

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
        return self._receipt_of(evidence, size=self._size, sha256=digest, location=_location("null", self._order))

    def _discard(self) -> None:
        pass


def _location(scheme: str, order: TransferOrder) -> str:
    job = order.job
    return f"{scheme}:{job.entity.value}/{job.snapshot}/{job.profile.profile_id}/part-{order.part}"
