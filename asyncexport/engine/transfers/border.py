"""The border to a sink, which may be anybody's code.

Whatever a sink raises that is not one of our errors ends its own export as a :class:`SinkError`, with the original as
its cause, and leaves the other exports alone; want of descriptors is a :class:`TooManyOpenFiles`, and a call that does
not come back is watched (:mod:`asyncexport.engine.transfers.watchdog`). What passes through the block from inside comes
out unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from functools import partial
from types import TracebackType
from typing import Any, TypeAlias, TypeVar

from asyncexport.batch import Batch
from asyncexport.engine.transfers.watchdog import Watchdog
from asyncexport.errors import AsyncexportError, SinkError
from asyncexport.models import Evidence, Job, Receipt, TransferOrder
from asyncexport.ports import Clock, KeepsManifests, KeepsParts, Listener, Sink, SinkWriter, WantsRows
from asyncexport.sansio.redact import EXCERPT, printable, scrub
from asyncexport.sansio.scarcity import no_descriptor

T = TypeVar("T")


class GuardedSink:
    """A sink, for one transfer or one question, whose every failure is one of ours.

    ``seconds`` bounds each call of it: of :meth:`find`, :meth:`settle` and :meth:`keep`, and of a transaction inside
    :meth:`watched`.
    """

    def __init__(self, sink: Sink, *, clock: Clock, seconds: float, listener: Listener) -> None:
        self._sink = sink
        self._new_watchdog = partial(Watchdog, type(sink).__name__, clock=clock, seconds=seconds, listener=listener)
        self._watchdog = self._new_watchdog()

    @property
    def wants_rows(self) -> bool:
        """Whether the sink asks batches for their rows, not for their text."""
        with _border(self._sink):
            return isinstance(self._sink, WantsRows) and bool(self._sink.wants_rows)

    async def watched(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Do work that opens the sink; a call that does not come back ends it as a :class:`SinkError`."""
        return await self._watchdog.run(work)

    def open(self, order: TransferOrder) -> AbstractAsyncContextManager[SinkWriter]:
        """Open the sink's own block, guarded."""
        with _border(self._sink):
            return _GuardedBlock(self._sink, self._sink.open(order), self._watchdog)

    async def find(self, order: TransferOrder) -> Receipt | None:
        """Ask the sink, guarded."""
        return await self._asked("say what it holds", lambda: self._sink.find(order))

    async def settle(self, job: Job, parts: int) -> None:
        """Let a sink that keeps parts apart remove those beyond the first so many."""
        sink = self._sink
        if isinstance(sink, KeepsParts):
            await self._asked("remove what is left over", lambda: sink.settle(job, parts))

    async def keep(self, name: str, manifest: bytes) -> str:
        """Let the sink store a run's manifest; return where. Raises :class:`SinkError` if it keeps none."""
        sink = self._sink
        if not isinstance(sink, KeepsManifests):
            raise SinkError(f"{type(sink).__name__} keeps no manifests")
        return await self._asked("store the manifest", lambda: sink.keep(name, manifest))

    async def _asked(self, doing: str, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        watchdog = self._new_watchdog()

        async def ask() -> T:
            with _border(self._sink), watchdog.calling(doing):
                return await call()

        return await watchdog.run(ask)


Guard: TypeAlias = Callable[[Sink], GuardedSink]
"""Puts the border around a sink."""


class _GuardedBlock:
    def __init__(self, sink: Sink, block: AbstractAsyncContextManager[SinkWriter], watchdog: Watchdog) -> None:
        self._sink = sink
        self._block = block
        self._watchdog = watchdog

    async def __aenter__(self) -> SinkWriter:
        with _border(self._sink), self._watchdog.calling("begin"):
            return _GuardedWriter(self._sink, await self._block.__aenter__(), self._watchdog)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the sink's block. What passes through goes on, even if the sink would swallow it."""
        doing = "commit the rows" if error is None else "give up what it had begun"
        with _border(self._sink, passing=error), self._watchdog.calling(doing):
            await self._block.__aexit__(kind, error, trace)


class _GuardedWriter:
    def __init__(self, sink: Sink, writer: SinkWriter, watchdog: Watchdog) -> None:
        self._sink = sink
        self._writer = writer
        self._watchdog = watchdog

    async def write(self, batch: Batch) -> None:
        try:
            await self._watchdog.doing("take the rows", self._handed_on(batch))
        except AsyncexportError:
            raise
        except Exception as error:
            raise _ours(self._sink, error) from error

    async def _handed_on(self, batch: Batch) -> None:
        await self._writer.write(batch)  # which may be any awaitable

    def seal(self, evidence: Evidence) -> None:
        with _border(self._sink):
            self._writer.seal(evidence)

    @property
    def receipt(self) -> Receipt:
        with _border(self._sink):
            return self._writer.receipt


@contextmanager
def _border(sink: Sink, passing: BaseException | None = None) -> Iterator[None]:
    try:
        yield
    except AsyncexportError:
        raise
    except Exception as error:
        if error is passing:
            raise
        raise _ours(sink, error) from error


def _ours(sink: Sink, error: Exception) -> AsyncexportError:
    if (scarcity := no_descriptor(error, type(sink).__name__)) is not None:
        return scarcity
    said = printable(scrub(str(error), EXCERPT))
    return SinkError(f"{type(sink).__name__} raised {type(error).__name__}: {said}")
