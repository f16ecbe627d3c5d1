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
import logging
import logging.handlers
import os
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial

from asyncexport.adapters.http import AiohttpTransport
from asyncexport.engine.runners.bench import Bench, collect_seldom
from asyncexport.engine.runners.messages import FromWorker, Logged, Ready, Setup, framed, received
from asyncexport.engine.runners.portable import portable_entry
from asyncexport.ports import Transport

LAST_SECONDS = 5.0
"""So long transfers may take to clean up when nobody waits for them any more."""

LOOK_SECONDS = 1.0


def main(descriptor: int) -> None:
    """Serve the exporter at the other end of the socket with this descriptor, then return."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    collect_seldom()
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
                send = partial(_send, writer)
                bench = Bench(transport, send, backoff=setup.backoff, sink_timeout=setup.sink_timeout)
                root.handlers = [_Sending(send)]
                for name, level in setup.levels.items():
                    (root.manager.getLogger(name) if name else root).setLevel(level)
                send(Ready())
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


def _send(writer: asyncio.StreamWriter, message: FromWorker) -> None:
    """Tell the exporter, if it is there."""
    if not writer.is_closing():
        writer.write(framed(message))


class _Sending(logging.handlers.QueueHandler):
    """Sends log entries to the exporter, made complete by its parent class: all from the loop's own thread."""

    def __init__(self, send: Callable[[FromWorker], None]) -> None:
        logging.Handler.__init__(self)
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return portable_entry(super().prepare(record))

    def enqueue(self, record: logging.LogRecord) -> None:
        if threading.get_ident() == self._thread:
            self._send(Logged(record))
            return
        with suppress(RuntimeError):  # the loop is closed, and the exporter gone
            self._loop.call_soon_threadsafe(self._send, Logged(record))
