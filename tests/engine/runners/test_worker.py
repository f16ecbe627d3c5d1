"""The worker's own side: how it ends when the exporter has gone."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from asyncexport.engine.runners import worker
from asyncexport.engine.runners.messages import Begin, Errand, Ready, Setup, framed
from asyncexport.engine.runners.worker import serve
from asyncexport.ports import Transport
from asyncexport.testing import FakeTransport
from tests.engine.runners.support import SETUP, Standing, Stopping
from tests.engine.support import order


def root() -> logging.Logger:
    """Return a logger for what the process logs."""
    return logging.Logger("worker")  # noqa: LOG001  nobody else is to find it


async def test_an_exporter_that_has_gone_before_its_first_word() -> None:
    """Nothing was begun, and nothing is left."""
    ours, theirs = socket.socketpair()
    ours.close()
    await serve(theirs, root(), lambda: None)


async def test_transfers_that_do_not_end_do_not_keep_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """When nobody is there any more it ends within some seconds, even if a clean-up hangs."""
    ended, closed = threading.Event(), asyncio.Event()
    statuses: list[int] = []

    def leave(status: int) -> None:
        statuses.append(status)
        ended.set()

    monkeypatch.setattr(worker, "LAST_SECONDS", 0.01)
    monkeypatch.setattr(os, "_exit", leave)

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await closed.wait()

    @asynccontextmanager
    async def scripted(_: Setup) -> AsyncIterator[Transport]:
        yield FakeTransport(downloads=[download])

    download = Stopping(hang)
    ours, theirs = socket.socketpair()
    with ours:
        serving = asyncio.create_task(serve(theirs, root(), worker.end_anyway, scripted))
        ours.sendall(framed(SETUP) + framed(Begin(0, Errand.of(order(), Standing("hangs")))))
        await download.begun.wait()
    assert await asyncio.to_thread(ended.wait, 10)
    assert statuses == [1]
    closed.set()
    await serving


async def test_a_worker_ends_when_the_exporter_is_its_parent_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody whom the exporter forked may hold its end of the connection open."""

    @asynccontextmanager
    async def idle(_: Setup) -> AsyncIterator[Transport]:
        yield FakeTransport()

    parents = iter([1, 1, 2])
    monkeypatch.setattr(os, "getppid", lambda: next(parents))
    monkeypatch.setattr(worker, "LOOK_SECONDS", 0.001)
    ours, theirs = socket.socketpair()
    with ours:
        ours.sendall(framed(replace(SETUP, exporter=1)))
        await serve(theirs, root(), lambda: None, idle)
    assert list(parents) == []


async def test_what_is_said_to_an_exporter_that_has_gone_is_lost() -> None:
    """Nobody hears it, and nobody minds."""
    ours, theirs = socket.socketpair()
    with ours:
        _, writer = await asyncio.open_connection(sock=theirs)
        writer.close()
        worker._send(writer, Ready())
        assert await asyncio.to_thread(ours.recv, 1) == b""
