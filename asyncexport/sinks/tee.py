"""Several sinks at once from one download.

Contract: each batch goes to every sink before the next one is taken; a sink that fails before the commit fails the
export for all of them, and nothing is committed anywhere. Then the sinks commit one after the other, in the order in
which they were given. If one fails at that, those after it discard, those before it have committed, and the error says
so (:attr:`SinkError.committed`): no two stores can commit as one. The next run makes that good, for an export counts as
found only when every sink has it, from the same export of the API; and a sink that has the very export that is being
moved is not written a second time.

Plan: a stack of the sinks' blocks, the first sink's innermost. Leaving it cleanly commits from the inside; the first
failure is what all the blocks outside of it are left by, so they discard.

Worst case: the slowest sink sets the pace, and every sink's memory is held at once. With a sink that never finds
anything (:class:`Callback`, :class:`Null`) beside them the others are written anew by every run.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from types import TracebackType

from asyncexport.batch import Batch
from asyncexport.errors import AsyncexportError, ConfigError, SinkError
from asyncexport.models import Evidence, Job, Receipt, TransferOrder
from asyncexport.ports import HasPlace, KeepsManifests, KeepsParts, Sink, SinkWriter, Travels, WantsRows
from asyncexport.sansio.redact import EXCERPT, printable, scrub
from asyncexport.sinks.files.tree import Tree


@dataclass(frozen=True, slots=True, init=False)
class Tee:
    """A :class:`~asyncexport.ports.Sink` that stores every export in all of ``sinks``, first to last.

    Its receipts are the first sink's, with a note of where else the rows are. The first of the sinks that keeps
    manifests keeps them. Raises :class:`ConfigError` without any sink, and for two sinks of files in one folder, where
    each would take the other's file for an older one of its own.
    """

    sinks: tuple[Sink, ...]

    def __init__(self, *sinks: Sink) -> None:
        if not sinks:
            raise ConfigError("Tee needs at least one sink")
        _refuse_shared_folders(_trees(sinks))
        object.__setattr__(self, "sinks", sinks)

    @property
    def travels(self) -> bool:
        """Whether transfers may run in worker processes: where they may for every sink."""
        return all(isinstance(sink, Travels) and sink.travels for sink in self.sinks)

    @property
    def wants_rows(self) -> bool:
        """Whether rows are built at once: where every sink asks for them and none for their text."""
        return all(isinstance(sink, WantsRows) and sink.wants_rows for sink in self.sinks)

    @asynccontextmanager
    async def marked(self, mark: str) -> AsyncIterator[None]:
        """Have a mark in the place of each sink that has one, for the length of the block."""
        async with AsyncExitStack() as stack:
            for sink in self.sinks:
                if isinstance(sink, HasPlace):
                    await stack.enter_async_context(sink.marked(mark))
            yield

    async def sees(self, mark: str) -> None:
        """Raise :class:`SinkError` unless every mark is there."""
        for sink in self.sinks:
            if isinstance(sink, HasPlace):
                await sink.sees(mark)

    @asynccontextmanager
    async def open(self, order: TransferOrder) -> AsyncIterator[TeeWriter]:
        """Begin the transactions for one export. Raises what the sinks do."""
        branches = [_Branch(sink) for sink in self.sinks]
        try:
            async with AsyncExitStack() as stack:
                for branch in reversed(branches):
                    await branch.enter(order)
                    stack.push_async_exit(branch.leave)
                yield TeeWriter(branches)
        except Exception as error:
            stand = tuple(branch.committed.stands_at for branch in branches if branch.committed is not None)
            if not stand or not any(branch.has_failed for branch in branches) or _says_nothing_of_rows(error):
                raise
            raise _told_apart(error, stand) from error

    async def find(self, order: TransferOrder) -> Receipt | None:
        """Return the first sink's receipt if every sink has what answers the order, from the same export."""
        receipts = []
        for sink in self.sinks:
            receipt = await sink.find(order)
            if receipt is None:
                return None
            receipts.append(receipt)
        return _combined(receipts) if len({_exports(receipt) for receipt in receipts}) == 1 else None

    async def settle(self, job: Job, parts: int) -> None:
        """Let each sink that keeps parts apart have only the first so many."""
        for sink in self.sinks:
            if isinstance(sink, KeepsParts):
                await sink.settle(job, parts)

    async def keep(self, name: str, manifest: bytes) -> str:
        """Let the first sink that can store a run's manifest; return where. Raises :class:`SinkError` if none can."""
        for sink in self.sinks:
            if isinstance(sink, KeepsManifests):
                return await sink.keep(name, manifest)
        raise SinkError("none of the sinks keeps manifests")


class TeeWriter:
    """The open transactions for one export: a :class:`~asyncexport.ports.SinkWriter`."""

    def __init__(self, branches: Sequence[_Branch]) -> None:
        self._branches = branches

    async def write(self, batch: Batch) -> None:
        """Give some rows to every sink, one after the other."""
        for branch in self._branches:
            if branch.writer is not None:
                await branch.writer.write(batch)

    def seal(self, evidence: Evidence) -> None:
        """Tell every sink that this was all."""
        for branch in self._branches:
            if branch.writer is not None:
                branch.writer.seal(evidence)

    @property
    def receipt(self) -> Receipt:
        """What was committed. Raises :class:`SinkError` before the block has been left cleanly."""
        receipts = [branch.committed for branch in self._branches if branch.committed is not None]
        if len(receipts) < len(self._branches):
            raise SinkError("there is no receipt before every sink has committed")
        return _combined(receipts)

    def __repr__(self) -> str:
        return f"<TeeWriter {self._branches}>"


class _Branch:
    """One sink's share in the transaction. ``writer`` is None where the sink has this export already."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._block: AbstractAsyncContextManager[SinkWriter] | None = None
        self.writer: SinkWriter | None = None
        self.committed: Receipt | None = None
        self.has_failed = False

    def __repr__(self) -> str:
        return f"<{type(self._sink).__name__} {'committed' if self.committed else 'open'}>"

    async def enter(self, order: TransferOrder) -> None:
        held = await self._sink.find(order)
        if held is not None and _exports(held) == (order.export_id,):
            self.committed = held
            return
        self._block = self._sink.open(order)
        self.writer = await self._block.__aenter__()

    async def leave(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Commit, or discard for an ``error``, which goes on to the other sinks even if this one swallows it."""
        if self._block is None or self.writer is None:
            return
        try:
            await self._block.__aexit__(kind, error, trace)
            if error is None:
                self.committed = self.writer.receipt
        except BaseException as failure:
            self.has_failed = self.has_failed or failure is not error
            raise


def _trees(sinks: Sequence[Sink]) -> Iterator[Tree]:
    for sink in sinks:
        if isinstance(sink, Tree):
            yield sink
        elif isinstance(sink, Tee):
            yield from _trees(sink.sinks)


def _refuse_shared_folders(trees: Iterable[Tree]) -> None:
    seen: set[str] = set()
    for tree in trees:
        place = tree.files.identity(tree.home)
        if place in seen:
            raise ConfigError(f"Tee: two sinks of files have the folder {tree.path}; give each one of its own")
        seen.add(place)


def _exports(receipt: Receipt) -> tuple[str, ...]:
    return tuple(part.export_id for part in receipt.parts) or (receipt.export_id,)


def _combined(receipts: Sequence[Receipt]) -> Receipt:
    first, *others = receipts
    return replace(first, notes=(*first.notes, *(f"also in {other.stands_at}" for other in others)))


def _says_nothing_of_rows(error: Exception) -> bool:
    """Whether the error says nothing about the rows: of descriptors there are too few, and it is tried again."""
    return isinstance(error, AsyncexportError) and not isinstance(error, SinkError)


def _told_apart(error: Exception, stand: tuple[str, ...]) -> SinkError:
    """Return the error, of its own kind if it is a sink's, which also says where the rows are committed."""
    kind, said = SinkError, f"{type(error).__name__}: {printable(scrub(str(error), EXCERPT))}"
    if isinstance(error, SinkError):
        kind, said = type(error), str(error)
    return kind(f"{said}; committed all the same: {', '.join(stand)}", committed=stand)
