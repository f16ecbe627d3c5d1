"""The border to a sink, which may be anybody's code.

Whatever a sink raises that is not one of our errors ends its own export as a :class:`SinkError`, with the original as
its cause, and leaves the other exports alone; want of descriptors is a :class:`TooManyOpenFiles`. What passes through
the block from inside comes out unchanged.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from types import TracebackType

from asyncexport.batch import Batch
from asyncexport.errors import AsyncexportError, SinkError
from asyncexport.models import Evidence, Job, Receipt, TransferOrder
from asyncexport.ports import KeepsParts, Sink, SinkWriter
from asyncexport.sansio.redact import EXCERPT, printable, scrub
from asyncexport.sansio.scarcity import no_descriptor


class GuardedSink:
    """A sink whose every failure is one of ours."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def open(self, order: TransferOrder) -> AbstractAsyncContextManager[SinkWriter]:
        """Open the sink's own block, guarded."""
        with _border(self._sink):
            return _GuardedBlock(self._sink, self._sink.open(order))

    async def find(self, order: TransferOrder) -> Receipt | None:
        """Ask the sink, guarded."""
        with _border(self._sink):
            return await self._sink.find(order)

    async def settle(self, job: Job, parts: int) -> None:
        """Let a sink that keeps parts apart remove those beyond the first so many."""
        if isinstance(self._sink, KeepsParts):
            with _border(self._sink):
                await self._sink.settle(job, parts)


class _GuardedBlock:
    def __init__(self, sink: Sink, block: AbstractAsyncContextManager[SinkWriter]) -> None:
        self._sink = sink
        self._block = block

    async def __aenter__(self) -> SinkWriter:
        with _border(self._sink):
            return _GuardedWriter(self._sink, await self._block.__aenter__())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the sink's block. What passes through goes on, even if the sink would swallow it."""
        with _border(self._sink, passing=error):
            await self._block.__aexit__(kind, error, trace)


class _GuardedWriter:
    def __init__(self, sink: Sink, writer: SinkWriter) -> None:
        self._sink = sink
        self._writer = writer

    async def write(self, batch: Batch) -> None:
        with _border(self._sink):
            await self._writer.write(batch)

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
        if (scarcity := no_descriptor(error, type(sink).__name__)) is not None:
            raise scarcity from error
        said = printable(scrub(str(error), EXCERPT))
        raise SinkError(f"{type(sink).__name__} raised {type(error).__name__}: {said}") from error
