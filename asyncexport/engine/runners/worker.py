"""A worker process: runs transfers in a loop of its own for the exporter that started it.

Contract: it does what :mod:`asyncexport.engine.runners.messages` asks, with the same :class:`InProcess` runner that the
exporter's own loop has, and ends when the exporter closes the connection or is gone: within :data:`LAST_SECONDS`,
whatever its transfers do, and normally at once, with nothing half written left. A process that the exporter forked has
its end of the connection too, and may outlive it: so it is looked for every :data:`LOOK_SECONDS` as well. It ignores
SIGINT and SIGTERM, which a terminal or a supervisor sends to everybody: the exporter decides what is still to be done.

What it logs goes to the exporter. Its standard output is nobody's; its standard error is the exporter's, for the last
words of an interpreter that dies. The garbage collector looks seldom: what a transfer makes has no cycles, and the
modules never go.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import logging.handlers
import os
import random
import signal
import socket
import threading
import traceback
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial

from asyncexport.adapters.clock import SystemClock
from asyncexport.adapters.http import AiohttpTransport
from asyncexport.engine.border import GuardedSink
from asyncexport.engine.runners.in_process import InProcess
from asyncexport.engine.runners.messages import (
    AboutErrand,
    Begin,
    Broke,
    Cancel,
    Cancelled,
    Crashed,
    Errand,
    FromWorker,
    Logged,
    Moved,
    Ready,
    Refused,
    Renewed,
    Setup,
    StoreIsBusy,
    Told,
    ToWorker,
    UrlWanted,
    framed,
    received,
)
from asyncexport.engine.runners.portable import portable_entry, portable_error, portable_receipt
from asyncexport.engine.runners.thinning import Thinned
from asyncexport.engine.turns import Turns
from asyncexport.errors import AsyncexportError, SinkError
from asyncexport.models import Receipt, SignedUrl, TransferOrder
from asyncexport.ports import Listener, Sink, Transport
from asyncexport.sansio.redact import EXCERPT, printable, scrub

LAST_SECONDS = 5.0
"""So long transfers may take to clean up when nobody waits for them any more."""

LOOK_SECONDS = 1.0

_TURN_SECONDS = 0.01
_YOUNG = 50_000


def main(descriptor: int) -> None:
    """Serve the exporter at the other end of the socket with this descriptor, then return."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 20)
    asyncio.run(serve(socket.socket(fileno=descriptor), logging.getLogger(), end_anyway))


def end_anyway() -> None:
    """End the process in :data:`LAST_SECONDS`, even if its loop hangs then, or waits for a task or a thread."""
    ending = threading.Timer(LAST_SECONDS, os._exit, (1,))
    ending.daemon = True
    ending.start()


def _aiohttp(setup: Setup) -> AbstractAsyncContextManager[Transport]:
    return AiohttpTransport(ca_file=setup.ca_file)


async def serve(
    connection: socket.socket,
    root: logging.Logger,
    when_left: Callable[[], None],
    transport_for: Callable[[Setup], AbstractAsyncContextManager[Transport]] = _aiohttp,
) -> None:
    """Do what is asked until the other end has gone; then ``when_left`` is called, before anything is given up.

    What comes to the logger ``root`` is sent to the other end.
    """
    reader, writer = await asyncio.open_connection(sock=connection)
    try:
        setup = await received(reader)
        if setup is not None:
            async with transport_for(setup) as transport:
                bench = Bench(setup, transport, writer)
                root.handlers = [_Sending(bench)]
                for name, level in setup.levels.items():
                    (root.manager.getLogger(name) if name else root).setLevel(level)
                bench.send(Ready())
                looking = asyncio.create_task(_left_alone(setup.exporter, writer))
                try:
                    while (message := await received(reader)) is not None:
                        bench.take(message)
                finally:
                    looking.cancel()
                when_left()
                await bench.clear()
    finally:
        writer.close()


async def _left_alone(exporter: int, writer: asyncio.StreamWriter) -> None:
    """Close the connection, which ends the reading from it, once the exporter is not the parent any more."""
    while os.getppid() == exporter:  # noqa: ASYNC110  the kernel tells nobody
        await asyncio.sleep(LOOK_SECONDS)
    writer.close()


class Bench:
    """The transfers that are under way, by their errands' numbers."""

    def __init__(self, setup: Setup, transport: Transport, writer: asyncio.StreamWriter) -> None:
        self._setup = setup
        self._transport = transport
        self._writer = writer
        self._clock = SystemClock()
        self._turns = Turns(self._clock, _TURN_SECONDS)
        self._running: dict[int, asyncio.Task[Receipt]] = {}
        self._renewals: dict[int, asyncio.Future[SignedUrl]] = {}

    def __repr__(self) -> str:
        return f"<Bench with {len(self._running)} transfers>"

    def send(self, message: FromWorker) -> None:
        """Tell the exporter, if it is there."""
        if not self._writer.is_closing():
            self._writer.write(framed(message))

    def take(self, message: ToWorker) -> None:
        """Do what a message asks for."""
        match message:
            case Begin(number=number, errand=errand):
                self._running[number] = asyncio.create_task(self._carry(number, errand))
                self._running[number].add_done_callback(partial(self._ended, number))
            case Cancel(number=number) if number in self._running:
                self._running[number].cancel()
            case Renewed(number=number, answer=answer):
                self._renewed(number, answer)

    async def clear(self) -> None:
        """Cancel everything and wait until it has ended."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)

    async def _carry(self, number: int, errand: Errand) -> Receipt:
        order, sink = _unpacked(errand)
        listener = Thinned(lambda event: self.send(Told(number, event)), self._clock)
        try:
            return await self._runner(number, listener).run(order, sink)
        finally:
            listener.flush()

    def _runner(self, number: int, listener: Listener) -> InProcess:
        return InProcess(
            transport=self._transport,
            clock=self._clock,
            spread=random.random,
            listener=listener,
            guard=partial(GuardedSink, clock=self._clock, seconds=self._setup.sink_timeout, listener=listener),
            renew=lambda _: self._renew(number),
            store_is_busy=lambda: self.send(StoreIsBusy(number)),
            turns=self._turns,
            backoff=self._setup.backoff,
        )

    async def _renew(self, number: int) -> SignedUrl:
        self._renewals[number] = asyncio.get_running_loop().create_future()
        self.send(UrlWanted(number))
        try:
            return await self._renewals[number]
        finally:
            del self._renewals[number]

    def _renewed(self, number: int, answer: SignedUrl | AsyncexportError) -> None:
        waiting = self._renewals.get(number)
        if waiting is None or waiting.done():
            return
        if isinstance(answer, SignedUrl):
            waiting.set_result(answer)
        else:
            waiting.set_exception(answer)

    def _ended(self, number: int, task: asyncio.Task[Receipt]) -> None:
        del self._running[number]
        try:
            self.send(_end_of(number, task))
        except Exception as error:  # noqa: BLE001  whatever somebody's class raises: the exporter waits for an end
            self.send(Crashed(number, scrub("".join(traceback.format_exception(error)))))


def _unpacked(errand: Errand) -> tuple[TransferOrder, Sink]:
    try:
        return errand.unpacked()
    except Exception as error:
        raise _NotHere(f"{type(error).__name__}: {printable(scrub(str(error), EXCERPT))}") from error


def _end_of(number: int, task: asyncio.Task[Receipt]) -> AboutErrand:
    if task.cancelled():
        return Cancelled(number)
    error = task.exception()
    if error is None:
        return Moved(number, portable_receipt(task.result()))
    if isinstance(error, AsyncexportError):
        return Broke(number, portable_error(error, SinkError))
    if isinstance(error, _NotHere):
        return Refused(number, str(error))
    return Crashed(number, scrub("".join(traceback.format_exception(error))))


class _NotHere(Exception):
    """The sink cannot be used in this process."""


class _Sending(logging.handlers.QueueHandler):
    """Sends log entries to the exporter, made complete by its parent class: all from the loop's own thread."""

    def __init__(self, bench: Bench) -> None:
        logging.Handler.__init__(self)
        self._bench = bench
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return portable_entry(super().prepare(record))

    def enqueue(self, record: logging.LogRecord) -> None:
        if threading.get_ident() == self._thread:
            self._bench.send(Logged(record))
            return
        with suppress(RuntimeError):  # the loop is closed, and the exporter gone
            self._loop.call_soon_threadsafe(self._bench.send, Logged(record))
