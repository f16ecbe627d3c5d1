"""Which worker a transfer goes to, what follows when workers die, and what runs in the loop after all."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import pytest

from asyncexport.adapters.clock import SystemClock
from asyncexport.engine.runners import Pool, Workers, starting, workers
from asyncexport.engine.runners.messages import Setup
from asyncexport.engine.runners.process import Worker
from asyncexport.engine.transfers.border import GuardedSink
from asyncexport.errors import ConfigError, WorkerDied
from asyncexport.events import OddityNoticed, TransferRestarted
from asyncexport.models import Receipt, SignedUrl, TransferOrder
from asyncexport.ports import Sink
from asyncexport.sansio.pacing.backoff import Backoff
from asyncexport.sansio.scheduling.placing import WORTH_A_START
from asyncexport.testing import Opening
from tests.engine.runners.support import NearWorker, Standing, Stopping
from tests.engine.support import JOB, Events, order, whole

LARGE = replace(order(), file_size=WORTH_A_START)
SMALL = order()


class Here:
    """The loop's own runner: counts what came to it."""

    def __init__(self) -> None:
        self.orders: list[TransferOrder] = []

    async def run(self, order: TransferOrder, sink: Sink) -> Receipt:
        """Give a receipt of its own."""
        del sink
        self.orders.append(order)
        return Receipt(order.export_id, 0, 0, "", "here")


class Bench:
    """Workers over a pool whose workers are near; each plays the next of ``scripts``."""

    def __init__(self, *scripts: list[Opening], workers: int = 1) -> None:
        Standing.shelves.clear()
        self.started: list[NearWorker] = []
        self.scripts = list(scripts)
        self.here = Here()
        self.events = Events()
        self.pool = Pool(workers, self._start)
        self.runner = Workers(
            self.pool,
            self.here,
            guard=partial(GuardedSink, clock=SystemClock(), seconds=600.0, listener=self.events),
            listener=self.events,
            renew=self._renew,
            store_is_busy=lambda: None,
        )

    def born(self, kind: type[NearWorker]) -> Worker:
        """Start one of a kind."""
        self.started.append(kind(*self.scripts.pop(0)))
        return self.started[-1]

    def _start(self) -> Worker:
        return self.born(NearWorker)

    def killing(self, *before: Callable[[], Awaitable[object]]) -> Opening:
        """Return a download in which the worker dies."""

        async def die() -> None:
            self.started[-1].kill()

        return Stopping(*before, die)

    async def _renew(self, _: TransferOrder) -> SignedUrl:
        raise AssertionError("nobody wanted a URL")

    async def run(self, name: str = "a", order: TransferOrder = LARGE) -> Receipt:
        """Move an export."""
        return await self.runner.run(order, Standing(name))

    async def __aenter__(self) -> Bench:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.pool.aclose()
        await asyncio.gather(*(worker.serving for worker in self.started if worker.serving), return_exceptions=True)


async def test_large_exports_go_to_workers_and_small_ones_stay() -> None:
    """Also while a worker is there."""
    async with Bench([whole()]) as bench:
        assert (await bench.run()).location == "shelf"
        assert (await bench.run(order=SMALL)).location == "here"
        assert len(bench.started) == 1
        assert repr(bench.runner).startswith("<Workers <Pool [<Worker 0 at work, 0 errands, 0 bytes>]>")


async def test_a_second_worker_is_started_while_the_first_has_much_to_do() -> None:
    """And no third one where there may be two; each then has its share."""
    async with Bench([whole(), whole()], [whole()], workers=2) as bench:
        receipts = await asyncio.gather(*(bench.run(name) for name in "abc"))
        assert {receipt.location for receipt in receipts} == {"shelf"}
        assert sorted(len(worker.transport.opened) for worker in bench.started) == [1, 2]
        assert [worker.load for worker in bench.started] == [0, 0]


async def test_a_transfer_whose_worker_died_runs_in_another() -> None:
    """Nothing of the first is committed; the listener is told why it began again."""
    bench = Bench()
    bench.scripts = [[bench.killing()], [whole()]]
    async with bench:
        assert (await bench.run()).rows == 50
    assert Standing("a").shelf.opened == 2
    assert bench.events.of("transfer.restarted") == [TransferRestarted(JOB, "WorkerDied")]


async def test_a_transfer_under_which_three_workers_died_fails() -> None:
    """With an error of its own, which a later run may get over; the pool goes on."""
    bench = Bench()
    bench.scripts = [[bench.killing()], [bench.killing()], [bench.killing()], [whole()]]
    async with bench:
        with pytest.raises(WorkerDied, match="given up after 3 worker processes died"):
            await bench.run()
        assert Standing("a").shelf.committed is None
        assert (await bench.run("b")).rows == 50


@pytest.mark.parametrize(("found", "opened"), [("export-1", 1), ("an older one", 2)])
async def test_what_a_worker_committed_before_it_died_is_found(found: str, opened: int) -> None:
    """It is not moved again, unless what the sink holds is another export's."""
    asked: list[TransferOrder] = []

    async def find(order: TransferOrder) -> Receipt:
        asked.append(order)
        return Receipt(found, 50, 1, "", "found")

    bench = Bench()
    bench.scripts = [[bench.killing()], [whole()]]
    async with bench:
        Standing("a").shelf.find = find  # type: ignore[method-assign]
        receipt = await bench.run()
    assert (receipt.location, asked) == ("found" if opened == 1 else "shelf", [LARGE])
    assert Standing("a").shelf.opened == opened
    assert len(bench.events.of("transfer.restarted")) == opened - 1


async def test_a_closed_pool_starts_no_worker() -> None:
    """Neither for a transfer that lost its worker by that nor for one that comes later; nobody would end it."""
    hanging = Stopping()
    async with Bench([hanging]) as bench:
        moving = asyncio.create_task(bench.run())
        await hanging.begun.wait()
        await bench.pool.aclose()
        for late in (moving, bench.run()):
            with pytest.raises(ConfigError, match="outside its 'async with' block"):
                await late
        assert len(bench.started) == 1


async def test_closing_a_pool_ends_lone_workers_too() -> None:
    """They are in no list of those that take transfers."""
    async with Bench([]) as bench, bench.pool.alone() as worker:
        assert worker is not None
        assert bench.pool.pids == []
        await bench.pool.aclose()
        assert not worker.is_open


async def test_a_deadly_transfer_takes_others_down_twice_at_most() -> None:
    """Its third try is in a process of its own, and so is that of its victims, as many at a time as there may be."""
    bench = Bench()
    first, second = asyncio.Barrier(2), asyncio.Barrier(2)

    def script(both: asyncio.Barrier) -> list[Opening]:
        return [bench.killing(both.wait), Stopping(both.wait)]

    bench.scripts = [script(first), script(second), [bench.killing()], [whole()]]
    async with bench:
        outcomes = await asyncio.gather(bench.run("a"), bench.run("b"), return_exceptions=True)
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Receipt", "WorkerDied"]
        assert len(bench.started) == 4
        assert bench.pool.pids == []


def test_a_worker_is_told_of_every_level_that_somebody_has_set(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And of no other: what they inherit here they inherit there."""
    setups: list[Setup] = []
    monkeypatch.setattr(workers, "Worker", lambda setup, *_: setups.append(setup))
    caplog.set_level(logging.INFO, "a.chatty.one")
    starting(ca_file=None, backoff=Backoff(), sink_timeout=600.0)()
    [setup] = setups
    assert (setup.levels[""], setup.levels["a.chatty.one"]) == (logging.root.level, logging.INFO)
    assert "a.chatty" not in setup.levels
    assert setup.exporter == os.getpid()


@pytest.mark.parametrize("most", [1, 2])
async def test_third_tries_do_not_wait_for_each_other(most: int) -> None:
    """As many of them run at once as there may be workers."""
    async with Bench([], [], workers=most) as bench:
        entered: list[Worker | None] = []

        async def enter() -> None:
            async with bench.pool.alone() as worker:
                entered.append(worker)
                await asyncio.Event().wait()

        trying = [asyncio.create_task(enter()) for _ in range(2)]
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(entered) == most
        for each in trying:
            each.cancel()
        await asyncio.wait(trying)


class Stillborn(NearWorker):
    """A worker that ends before it is at work."""

    async def _start(self) -> asyncio.StreamReader:
        raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize("size", [WORTH_A_START, WORTH_A_START // 2])
async def test_what_a_worker_died_under_never_runs_in_the_loop(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Where no other can be started it fails: it might take the exporter down next."""
    bench = Bench()
    bench.scripts = [[whole(), bench.killing()], [], [], []]
    async with bench:
        await bench.run()
        monkeypatch.setitem(Bench._start.__globals__, "NearWorker", Stillborn)
        with pytest.raises(WorkerDied, match="after 1 worker process died under it; none but this one is left for it"):
            await bench.run("b", replace(LARGE, file_size=size))
        assert len(bench.started) == 4
        assert bench.here.orders == []


async def test_a_worker_at_work_is_used_where_no_other_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong with a new one need not be with an old one; and it counts no more once one gets to work."""
    bench = Bench(workers=2)
    hanging = [Stopping(), Stopping()]
    bench.scripts = [[*hanging, whole(), whole()], [], [], [], [whole()], []]
    async with bench:
        moving = [asyncio.create_task(bench.run("a"))]
        await hanging[0].begun.wait()
        monkeypatch.setitem(Bench._start.__globals__, "NearWorker", Stillborn)
        moving.append(asyncio.create_task(bench.run("b")))
        await hanging[1].begun.wait()
        assert [worker.is_open for worker in bench.started] == [True, False, False, False]
        assert (await bench.run("c")).rows == 50
        assert repr(bench.pool).count("Worker") == 1
        assert bench.here.orders == []
        for each in moving:
            each.cancel()
        await asyncio.wait(moving)


async def test_three_failed_starts_count_in_a_row_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was short for a moment in a month says nothing about the next one."""
    bench = Bench()
    bench.scripts = [[], [], [whole()], [], [], [whole()]]
    kinds = iter([Stillborn, Stillborn, NearWorker] * 2)
    monkeypatch.setattr(bench.pool, "_start", lambda: bench.born(next(kinds)))
    async with bench:
        for _ in range(2):
            assert (await bench.run()).rows == 50
            bench.started[-1].kill()
            await bench.started[-1].ended()
    assert bench.here.orders == []


async def test_where_no_process_can_be_started_all_runs_in_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """After three that ended before they were at work; it is told, once by the exporter's listener, with the reason."""
    monkeypatch.setitem(Bench._start.__globals__, "NearWorker", Stillborn)
    async with Bench([], [], []) as bench:
        assert [(await bench.run()).location for _ in range(2)] == ["here", "here"]
        async with bench.pool.alone() as worker:
            assert worker is None
        assert len(bench.started) == 3
    [told, *_] = bench.events
    assert isinstance(told, OddityNoticed)
    assert "did not get to work" in told.what
    assert "cannot be started: Permission denied" in told.what


@dataclass(frozen=True)
class Proud:
    """A sink that says it travels and cannot be pickled."""

    travels: ClassVar[bool] = True

    def __reduce__(self) -> str:
        raise ValueError("I stay")


class Lost(Standing):
    """A sink that cannot be unpickled."""

    def __reduce__(self) -> Any:
        return int, ("no number",)


@pytest.mark.parametrize(
    ("sink", "reason"),
    [
        (Proud(), "Proud cannot be used in a worker process, so its transfers run in this one: ValueError: I stay"),
        (Lost("x"), "Lost cannot be used in a worker process, so its transfers run in this one: ValueError: invalid"),
    ],
    ids=["pickled", "unpickled"],
)
async def test_a_sink_that_cannot_travel_after_all_is_used_here(sink: Any, reason: str) -> None:
    """It is told, since its author meant otherwise."""
    async with Bench([]) as bench:
        assert (await bench.runner.run(LARGE, sink)).location == "here"
    [told] = bench.events
    assert isinstance(told, OddityNoticed)
    assert told.what.startswith(reason)


async def test_a_sink_that_does_not_travel_starts_nothing() -> None:
    """Saying nothing and saying no are the same."""

    class Staying(Standing):
        travels = False

    async with Bench() as bench:
        assert (await bench.runner.run(LARGE, Staying("x"))).location == "here"
        assert (await bench.runner.run(LARGE, bench.here)).location == "here"  # type: ignore[arg-type]
    assert bench.events == []
