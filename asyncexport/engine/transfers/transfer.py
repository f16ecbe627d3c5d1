"""One export's bytes, from its URL to a committed sink.

Download, unpack, split into rows, write, commit: each step holds a piece of at most some 64 KiB, so memory is flat
whatever the size, and awaiting the sink is what slows the socket down. Decoding and writing is work for the loop's
thread, which transfers do in turns (:mod:`asyncexport.engine.transfers.turns`). One *pass* is one transaction of the
sink; within a pass a broken download goes on where it stopped, with the same decoder and the same transaction. When
that is not possible the pass is discarded and another begins at byte 0. What comes after each fault is decided in
:mod:`asyncexport.sansio.transfers.recovery`; here it is only done.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing

from asyncexport.batch import Batch
from asyncexport.engine.transfers.border import GuardedSink
from asyncexport.engine.transfers.turns import Turns
from asyncexport.errors import AsyncexportError, DecodeError, NotAnExport, ServerError, Throttled
from asyncexport.events import TransferProgressed, TransferRestarted, TransferResumed, TransferStarted, UrlRenewed
from asyncexport.models import Evidence, Receipt, SignedUrl, TransferOrder
from asyncexport.ports import Clock, Download, Listener, Response, SinkWriter, Transport
from asyncexport.sansio.decoding.decode import Decoder
from asyncexport.sansio.pacing.backoff import Backoff, Spread, stretched
from asyncexport.sansio.transfers.downloads import FloorRate, Piecewise, is_end, refusal
from asyncexport.sansio.transfers.recovery import Recovery, Step, final

Renew = Callable[[TransferOrder], Awaitable[SignedUrl]]
"""Asks the export for a fresh URL; raises what is in the way of one."""

PATIENCE_SECONDS = 6 * 3600.0
"""After so long a transfer is not taken up again after a fault, even if every connection brought it a little on."""

_ERROR_BODY = 64 * 1024


class Transfer:
    """One order on its way.

    ``backoff`` gives the delays between connections; ``store_is_busy`` is told when the store asks for less; ``turns``
    are those of the loop; ``patience``, in seconds, bounds how long faults are recovered from.
    """

    def __init__(
        self,
        order: TransferOrder,
        sink: GuardedSink,
        *,
        transport: Transport,
        clock: Clock,
        spread: Spread,
        listener: Listener,
        renew: Renew,
        backoff: Backoff,
        store_is_busy: Callable[[], None],
        turns: Turns,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._order = order
        self._sink = sink
        self._transport = transport
        self._clock = clock
        self._spread = spread
        self._listener = listener
        self._renew = renew
        self._backoff = backoff
        self._store_is_busy = store_is_busy
        self._turns = turns
        self._url = order.url
        self._recovery = Recovery()
        self._delay = 0.0
        self._last_moment = clock.now() + patience

    async def run(self) -> Receipt:
        """Move the export. Returns once it is committed; raises one typed error otherwise, leaving nothing behind."""
        return await self._sink.watched(self._move)

    async def _move(self) -> Receipt:
        self._listener(TransferStarted(self._order.job))
        while True:
            state = Piecewise()
            try:
                return await self._pass(state)
            except _StartOver as again:
                reason = again.error
            except (DecodeError, NotAnExport) as error:
                if self._next_step(error, state) is not Step.RESTART:
                    raise
                reason = error.with_traceback(None)  # whose frames hold what the pass has decoded
            self._listener(TransferRestarted(self._order.job, type(reason).__name__))
            await self._clock.sleep(self._delay)

    async def _pass(self, state: Piecewise) -> Receipt:
        decoder = Decoder(objects=self._sink.wants_rows)
        async with self._sink.open(self._order) as writer:
            async with aclosing(self._pieces(state)) as pieces:
                async for piece in pieces:
                    await self._write(writer, decoder.feed(piece))
                    self._listener(TransferProgressed(self._order.job, state.offset, decoder.rows))
            await self._write(writer, decoder.close())
            writer.seal(Evidence(state.offset, decoder.integrity, self._notes(state)))
        return writer.receipt

    async def _write(self, writer: SinkWriter, batches: Iterable[Batch]) -> None:
        async with self._turns.turn() as turn:
            for batch in batches:
                await turn.doing(writer.write(batch))

    async def _pieces(self, state: Piecewise) -> AsyncGenerator[bytes]:
        """Yield the object's bytes in order, over as many connections as it takes."""
        while True:
            try:
                async with aclosing(self._connection(state)) as pieces:
                    async for piece in pieces:
                        yield piece
            except AsyncexportError as error:
                fault = error
            else:
                return
            await self._recover(fault, state)

    async def _connection(self, state: Piecewise) -> AsyncGenerator[bytes]:
        async with self._transport.download(self._url, offset=state.offset, etag=state.etag) as answer:
            if answer.status not in {200, 204, 206}:
                response = Response(answer.status, answer.headers, await self._beginning(answer))
                if is_end(state, response):
                    return
                raise refusal(response.status, response.headers, response.body)
            state.open(answer.status, answer.headers)
            async with aclosing(self._chunks(answer)) as chunks:
                async for chunk in chunks:
                    if piece := state.take(chunk):
                        yield piece
        state.close()

    async def _chunks(self, answer: Download) -> AsyncGenerator[bytes]:
        floor = FloorRate()
        async with aclosing(answer.chunks()) as chunks:
            asked_at = self._clock.now()
            async for chunk in chunks:
                floor.add(len(chunk), self._clock.now() - asked_at)
                yield chunk
                asked_at = self._clock.now()

    async def _beginning(self, answer: Download) -> bytes:
        body = b""
        async with aclosing(self._chunks(answer)) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) >= _ERROR_BODY:
                    break
        return body

    async def _recover(self, fault: AsyncexportError, state: Piecewise) -> None:
        step = self._next_step(fault, state)
        if step is Step.GIVE_UP:
            raise final(fault, self._order.export_id)
        if step is Step.RESTART:
            raise _StartOver(fault)
        if step is Step.RENEW:
            self._url = await self._renew(self._order)
            self._listener(UrlRenewed(self._order.job))
        else:
            await self._clock.sleep(self._delay)
        self._listener(TransferResumed(self._order.job, state.offset, type(fault).__name__))

    def _next_step(self, fault: AsyncexportError, state: Piecewise) -> Step:
        """Ask what comes after a fault, and when; nothing does beyond the patience, however much has come in."""
        step = self._recovery.after(fault, state)
        ceiling = self._backoff.ceiling(max(0, self._recovery.strikes - 1))
        self._delay = stretched(self._spread() * ceiling, fault, self._spread)
        if isinstance(fault, ServerError | Throttled):
            self._store_is_busy()
        return step if self._clock.now() + self._delay < self._last_moment else Step.GIVE_UP

    def _notes(self, state: Piecewise) -> tuple[str, ...]:
        promised = self._order.file_size
        if promised is None or promised == state.offset:
            return ()
        return (f"fileSize promised {promised} bytes, the object has {state.offset}",)


class _StartOver(Exception):
    """Ends a pass whose download cannot go on, so that the next one can begin."""

    def __init__(self, error: AsyncexportError) -> None:
        super().__init__()
        self.error = error
