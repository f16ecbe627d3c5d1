"""Worker processes without a process: the exporter's side and the worker's, joined by a socket pair, in one loop."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import ClassVar

from asyncexport.engine.runners.messages import Setup
from asyncexport.engine.runners.process import Worker
from asyncexport.engine.runners.worker import serve
from asyncexport.models import Receipt, TransferOrder
from asyncexport.ports import SinkWriter, Transport
from asyncexport.sansio.pacing.backoff import Backoff
from asyncexport.testing import FakeDownload, FakeTransport, Opening
from tests.engine.support import FILE, HEAD, Shelf

SETUP = Setup(None, Backoff(first=0.0), 600.0, {"": logging.WARNING}, os.getppid())


@dataclass(frozen=True)
class Standing:
    """A sink that finds its shelf by name, as one would find a folder, also after a journey."""

    name: str

    shelves: ClassVar[dict[str, Shelf]] = {}
    travels: ClassVar[bool] = True

    @property
    def shelf(self) -> Shelf:
        """The shelf of that name."""
        return self.shelves.setdefault(self.name, Shelf())

    def open(self, order: TransferOrder) -> AbstractAsyncContextManager[SinkWriter]:
        """Begin."""
        return self.shelf.open(order)

    async def find(self, order: TransferOrder) -> Receipt | None:
        """Find."""
        return await self.shelf.find(order)


class Signal(asyncio.Event):
    """An event for the loop in which it was made, which any thread may set."""

    def __init__(self) -> None:
        super().__init__()
        self._home = asyncio.get_running_loop()

    def set(self) -> None:
        """Set it, at once if in its own loop."""
        if asyncio.get_running_loop() is self._home:
            super().set()
        else:
            self._home.call_soon_threadsafe(super().set)


class Stopping(FakeDownload):
    """A download that begins, does ``then`` what it is told, and never goes on. ``begun`` is set before that."""

    def __init__(self, *then: Callable[[], Awaitable[object]]) -> None:
        super().__init__(200, HEAD)
        self.begun = Signal()
        self._then = then

    async def chunks(self) -> AsyncGenerator[bytes]:
        """Begin."""
        yield FILE[:20]
        self.begun.set()
        for each in self._then:
            await each()
        await asyncio.Event().wait()


class NearWorker(Worker):
    """A worker whose other end runs in this loop, on scripted downloads. ``root`` is its root logger."""

    def __init__(self, *downloads: Opening, setup: Setup = SETUP) -> None:
        self.transport = FakeTransport(downloads=list(downloads))
        self.root = logging.Logger("worker")  # noqa: LOG001  nobody else is to find it
        self.serving: asyncio.Task[None] | None = None
        super().__init__(setup)

    async def _start(self) -> asyncio.StreamReader:
        ours, theirs = socket.socketpair()
        self.serving = asyncio.create_task(serve(theirs, self.root, lambda: None, self._opened))
        reader, self._writer = await asyncio.open_connection(sock=ours)
        self._writer.writelines(self._unsent)
        self._unsent.clear()
        return reader

    def kill(self) -> None:
        """End it now."""
        if self.serving is not None:
            self.serving.cancel()

    @asynccontextmanager
    async def _opened(self, _: Setup) -> AsyncIterator[Transport]:
        yield self.transport


@asynccontextmanager
async def near(*downloads: Opening) -> AsyncIterator[NearWorker]:
    """Have a near worker for the length of the block."""
    worker = NearWorker(*downloads)
    try:
        yield worker
    finally:
        worker.close()
        await worker.ended()
        if worker.serving is not None:
            await asyncio.wait([worker.serving])
