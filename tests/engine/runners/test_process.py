"""One worker from the exporter's side: what it carries, and how it ends. The other end runs in the same loop."""

from __future__ import annotations

import asyncio
import logging
import pickle
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from logging.handlers import QueueHandler

import pytest

from asyncexport.engine.runners import carrying as seam
from asyncexport.engine.runners import process
from asyncexport.engine.runners.carrying import NotThere, Partner, WorkerEnded
from asyncexport.engine.runners.messages import (
    Begin,
    Cancel,
    Cancelled,
    Errand,
    FromWorker,
    Renewed,
    StoreIsBusy,
    Told,
    ToWorker,
    UrlWanted,
)
from asyncexport.engine.runners.process import Worker
from asyncexport.engine.runners.worker import _Sending
from asyncexport.errors import AsyncexportError, SinkError
from asyncexport.events import OddityNoticed
from asyncexport.models import Receipt, SignedUrl
from tests.engine.runners.support import SETUP, NearWorker, Standing, Stopping, near
from tests.engine.support import URL, Events, order, whole


async def _never() -> SignedUrl:
    raise AssertionError("nobody wanted a URL")


def partner() -> Partner:
    """Return one that only hears events."""
    return Partner(Events(), _never, lambda: None)


def errand(name: str) -> Errand:
    """Return an order into an empty shelf."""
    Standing.shelves.pop(name, None)
    return Errand.of(order(), Standing(name))


async def carried(worker: Worker, name: str) -> Receipt:
    """Carry one errand."""
    return await worker.carry(errand(name), partner())


async def test_a_worker_takes_errands_before_it_is_at_work() -> None:
    """They wait in the pipe; several run at once, each with its own end."""
    async with near(whole(), whole(), whole()) as worker:
        assert repr(worker) == "<Worker 0 starting, 0 errands, 0 bytes>"
        assert not worker.is_ready
        receipts = await asyncio.gather(*(carried(worker, name) for name in "abc"))
        assert [receipt.rows for receipt in receipts] == [50] * 3
        assert repr(worker) == "<Worker 0 at work, 0 errands, 0 bytes>"
    assert repr(worker) == "<Worker 0 gone, 0 errands, 0 bytes>"


async def test_a_worker_that_dies_ends_its_errands_at_once() -> None:
    """Each of them learns of it, nothing is committed, and the worker takes no more."""
    hanging = Stopping(), Stopping()
    async with near(*hanging) as worker:
        carrying = [asyncio.create_task(carried(worker, name)) for name in "ab"]
        await asyncio.gather(*(each.begun.wait() for each in hanging))
        worker.kill()
        for each in carrying:
            with pytest.raises(WorkerEnded, match="it ended"):
                await each
        assert not worker.is_open
        assert [Standing(name).shelf.committed for name in "ab"] == [None, None]


async def test_a_sink_that_cannot_be_unpickled_is_refused() -> None:
    """Nothing was begun, so that the transfer can run elsewhere."""
    async with near() as worker:
        with pytest.raises(NotThere, match="UnpicklingError"):
            await worker.carry(Errand(b"no pickle"), partner())
        assert worker.is_open


async def test_what_a_worker_logs_is_logged_here(caplog: pytest.LogCaptureFixture) -> None:
    """Under the same name and level, complete, and only what somebody here reads."""
    caplog.set_level(logging.INFO, "somebody")
    logger = logging.Logger("somebody")  # noqa: LOG001  the process's own
    async with near(whole(), whole()) as worker:
        await carried(worker, "a")
        logger.parent = worker.root
        logger.warning("cannot %s", "sing")
        logger.debug("unread")
        worker.root.setLevel(logging.DEBUG)
        logger.info("read")
        logger.debug("unread here")
        await carried(worker, "a")
    assert [(entry.name, entry.levelname, entry.getMessage()) for entry in caplog.records] == [
        ("somebody", "WARNING", "cannot sing"),
        ("somebody", "INFO", "read"),
    ]


async def test_loggers_have_the_levels_there_that_they_have_here() -> None:
    """What is read here of one of them alone is sent from there."""
    worker = NearWorker(whole(), setup=replace(SETUP, levels={"": logging.ERROR, "a.chatty.one": logging.DEBUG}))
    await carried(worker, "a")
    assert (worker.root.level, logging.getLogger("a.chatty.one").level) == (logging.ERROR, logging.DEBUG)
    worker.close()
    await worker.ended()


class Twisted(Exception):
    """What is pickled and cannot be unpickled."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(one + two)


async def test_what_somebody_logs_with_an_entry_ends_no_worker(caplog: pytest.LogCaptureFixture) -> None:
    """It arrives as its text, even if it cannot be unpickled."""
    logger = logging.Logger("somebody")  # noqa: LOG001  the process's own
    async with near(whole(), whole()) as worker:
        await carried(worker, "a")
        logger.parent = worker.root
        logger.warning("trouble", extra={"reason": Twisted("this", "that")})
        await carried(worker, "b")
    assert [vars(entry)["reason"] for entry in caplog.records] == ["thisthat"]


async def test_a_worker_that_sends_what_cannot_be_read_has_ended_and_says_why() -> None:
    """There is no telling what else it meant."""
    hanging = Stopping()
    async with near(hanging) as worker:
        carrying = asyncio.create_task(carried(worker, "a"))
        await hanging.begun.wait()
        [handler] = worker.root.handlers
        assert isinstance(handler, QueueHandler)
        handler.enqueue(logging.makeLogRecord({"reason": Twisted("this", "that")}))
        with pytest.raises(WorkerEnded, match="it sent what cannot be read: TypeError"):
            await carrying


async def test_what_a_thread_logs_is_sent_by_the_loop() -> None:
    """Two threads that write to one connection tear what they write."""
    writers: set[int] = set()
    async with near(whole(), whole()) as worker:
        await carried(worker, "a")
        [handler] = worker.root.handlers
        assert isinstance(handler, _Sending)
        send = handler._send

        def noted(message: FromWorker) -> None:
            writers.add(threading.get_ident())
            send(message)

        handler._send = noted
        await asyncio.to_thread(worker.root.warning, "from a thread")
        await carried(worker, "b")
    assert writers == {threading.get_ident()}


async def test_what_a_thread_logs_after_the_loop_is_lost() -> None:
    """A thread that outlives its worker does not fail by that."""
    async with near(whole()) as worker:
        await carried(worker, "a")
        [handler] = worker.root.handlers
        assert isinstance(handler, _Sending)
        handler._loop = asyncio.new_event_loop()
        handler._loop.close()
        await asyncio.to_thread(handler.enqueue, logging.makeLogRecord({}))


class Unkillable:
    """A process that no signal ends, because the kernel waits for a file system."""

    pid = 7

    def kill(self) -> None:
        """Come to nothing."""

    async def wait(self) -> int:
        """Wait for good."""
        await asyncio.Event().wait()
        return 0


class Stuck(Worker):
    """A worker in such a process, which neither reads nor answers."""

    async def _start(self) -> asyncio.StreamReader:
        ours, self.theirs = socket.socketpair()
        self._process = Unkillable()  # type: ignore[assignment]
        reader, self._writer = await asyncio.open_connection(sock=ours)
        return reader


@pytest.mark.parametrize("how", ["cancelled", "closed", "killed"])
async def test_a_worker_that_no_kill_ends_is_left_behind(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever cancels a transfer, closes or kills it comes back all the same, and it is told."""
    monkeypatch.setattr(seam, "CANCEL_SECONDS", 0.01)
    for name in ("CLOSE_SECONDS", "KILL_SECONDS"):
        monkeypatch.setattr(process, name, 0.01)
    events = Events()
    worker = Stuck(SETUP, listener=events)
    carrying = asyncio.create_task(carried(worker, "stuck"))
    while worker.pid != 7 or not worker._errands:  # noqa: ASYNC110  nobody else wants to know
        await asyncio.sleep(0)
    ends: dict[str, Callable[[], object]]
    ends = {"cancelled": carrying.cancel, "closed": worker.close, "killed": worker.kill}
    ends[how]()
    closing = asyncio.create_task(worker.ended())
    assert await asyncio.wait([carrying, closing], timeout=30) == ({carrying, closing}, set())
    with pytest.raises(asyncio.CancelledError if how == "cancelled" else WorkerEnded):
        await carrying
    worker.theirs.close()
    [told] = events
    assert isinstance(told, OddityNoticed)
    assert told.what.startswith("worker process 7 is left behind and may still hold what it opened: it was killed")


class Telling(NearWorker):
    """A worker that says what it is told to say. ``heard``: what it was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[ToWorker] = []

    def _send(self, message: ToWorker) -> None:
        self.heard.append(message)

    async def says(self, *messages: FromWorker) -> None:
        """Say it, once the errand is there."""
        while not self._errands:  # noqa: ASYNC110  nobody else wants to know
            await asyncio.sleep(0)
        for message in messages:
            self._hear(message)


async def test_a_transfer_that_nobody_cancelled_and_that_is_cancelled_is_its_sinks_fault() -> None:
    """The worker lives, so nothing died under it."""
    worker = Telling()
    carrying = asyncio.create_task(carried(worker, "a"))
    await worker.says(Cancelled(0))
    with pytest.raises(SinkError, match="by nobody but its sink"):
        await carrying
    assert worker.is_open
    worker.close()
    await worker.ended()


async def test_what_happens_while_a_transfer_is_given_up_is_told() -> None:
    """Above all what is left behind; what comes when its end has been told is nobody's."""
    worker, events, oddity = Telling(), Events(), OddityNoticed("left behind")
    carrying = asyncio.create_task(worker.carry(errand("a"), Partner(events, _never, lambda: None)))
    await worker.says()
    carrying.cancel()
    await worker.says(Told(0, oddity), StoreIsBusy(0), Cancelled(0))
    with pytest.raises(asyncio.CancelledError):
        await carrying
    worker._hear(Told(0, oddity))
    assert events == [oddity]
    assert isinstance(worker.heard[-1], Cancel)
    worker.close()
    await worker.ended()


class Derived(AsyncexportError):
    """An error that cannot be built from its arguments."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")


async def test_an_error_in_the_way_of_a_fresh_url_is_sent_as_what_can_be_read() -> None:
    """A worker that cannot read it would end, with all its transfers."""

    async def refused() -> SignedUrl:
        raise Derived("this", "that")

    worker = Telling()
    carrying = asyncio.create_task(worker.carry(errand("a"), Partner(Events(), refused, lambda: None)))
    await worker.says(UrlWanted(0), Cancelled(0))
    with pytest.raises(SinkError):
        await carrying
    [_, renewed] = worker.heard
    assert isinstance(renewed, Renewed)
    assert repr(pickle.loads(pickle.dumps(renewed.answer))) == "AsyncexportError('Derived: this and that')"  # noqa: S301
    worker.close()
    await worker.ended()


class Deaf(NearWorker):
    """A worker that does not hear that an errand is cancelled."""

    def _send(self, message: ToWorker) -> None:
        if not isinstance(message, Cancel):
            super()._send(message)


async def test_a_worker_that_does_not_answer_a_cancellation_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller is not held for ever by a process that hangs."""
    monkeypatch.setattr(seam, "CANCEL_SECONDS", 0.01)
    hanging = Stopping()
    worker = Deaf(hanging)
    carrying = asyncio.create_task(carried(worker, "deaf"))
    await hanging.begun.wait()
    carrying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await carrying
    assert not worker.is_open
    await worker.ended()


async def test_a_cancelled_errand_leaves_the_worker_to_the_others() -> None:
    """Only its own transfer ends, and a late fresh URL for it is nobody's."""
    hanging = Stopping()
    async with near(hanging, whole()) as worker:
        carrying = asyncio.create_task(carried(worker, "a"))
        await hanging.begun.wait()
        carrying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await carrying
        for late in (Cancel(0), Renewed(0, SignedUrl(URL))):
            worker._send(late)
        assert (await carried(worker, "b")).rows == 50


async def test_closing_a_worker_ends_what_it_does() -> None:
    """Its transfers roll back, and whoever waits for them is told."""
    hanging = Stopping()
    async with near(hanging) as worker:
        carrying = asyncio.create_task(carried(worker, "a"))
        await hanging.begun.wait()
    with pytest.raises(WorkerEnded):
        await carrying
    assert Standing("a").shelf.committed is None


async def test_what_is_sent_to_a_worker_that_has_gone_is_lost() -> None:
    """Nobody hears it, and nobody minds."""
    async with near(whole()) as worker:
        await carried(worker, "a")
    worker._send(Begin(7, Errand(b"")))


async def test_an_interpreter_that_cannot_be_started_ends_the_errands(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is told; the worker was never at work."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    worker = Worker(SETUP)
    with pytest.raises(WorkerEnded, match="cannot be started: No such file"):
        await carried(worker, "a")
    assert not worker.is_ready
    worker.close()
    await worker.ended()


async def test_a_worker_that_is_closed_before_it_is_started_is_not() -> None:
    """There is no process then, and nothing to wait for."""
    worker = Worker(SETUP)
    worker.close()
    await worker.ended()
    assert (worker.pid, worker.is_open) == (0, False)
