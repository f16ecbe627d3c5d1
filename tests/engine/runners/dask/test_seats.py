"""Seats on a Dask cluster: what becomes of a transfer whose worker, seat or cluster is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import pytest
from distributed import CancelledError, KilledWorker

from asyncexport.adapters.clock import SystemClock
from asyncexport.engine.runners import Workers, carrying
from asyncexport.engine.runners.dask import seats as places
from asyncexport.engine.runners.dask.cluster import LOOK_SECONDS
from asyncexport.engine.runners.dask.seat import TELLINGS
from asyncexport.engine.runners.dask.seats import Seats
from asyncexport.engine.runners.messages import Begin, StoreIsBusy
from asyncexport.engine.transfers.border import GuardedSink
from asyncexport.errors import AsyncexportError, ClusterLost, ConfigError, WorkerDied
from asyncexport.events import TransferRestarted
from asyncexport.models import Receipt, SignedUrl, TransferOrder
from asyncexport.ports import Sink
from asyncexport.sansio.scheduling.placing import WORTH_A_SEAT
from asyncexport.testing import FakeTransport, Opening
from tests.engine.runners.dask.support import NearCluster, seats
from tests.engine.runners.support import Standing, Stopping
from tests.engine.support import JOB, Events, order, whole


class Here:
    """The loop's own runner."""

    async def run(self, order: TransferOrder, sink: Sink) -> Receipt:
        """Give a receipt of its own."""
        del sink
        return Receipt(order.export_id, 0, 0, "", "here")


@dataclass
class Bench:
    """A runner over seats near by."""

    seats: Seats
    cluster: NearCluster
    transport: FakeTransport
    runner: Workers
    events: Events

    async def run(self, name: str = "a") -> Receipt:
        """Move an export."""
        return await self.runner.run(order(), Standing(name))

    def begin(self, name: str = "a") -> asyncio.Task[Receipt]:
        """Begin to move one."""
        return asyncio.create_task(self.run(name))


@asynccontextmanager
async def bench(*downloads: Opening) -> AsyncIterator[Bench]:
    """Have a runner over seats."""
    Standing.shelves.clear()
    events = Events()

    async def never(_: TransferOrder) -> SignedUrl:
        raise AssertionError("nobody wanted a URL")

    async with seats(*downloads) as (there, cluster, transport):
        runner = Workers(
            there,
            Here(),
            guard=partial(GuardedSink, clock=SystemClock(), seconds=600.0, listener=events),
            listener=events,
            renew=never,
            store_is_busy=lambda: None,
        )
        yield Bench(there, cluster, transport, runner, events)


async def test_a_seat_is_given_back() -> None:
    """Dask is told that nobody wants the task any more."""
    async with bench(whole()) as it:
        assert (await it.run()).rows == 50
        assert it.cluster.tasks == []
        assert repr(it.seats).startswith("<Seats [] in <")


async def test_what_is_small_takes_no_seat() -> None:
    """It is cheaper in the loop than a task is to have run."""
    async with bench() as it:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(places, "WORTH_A_SEAT", WORTH_A_SEAT)
            assert (await it.run()).location == "here"


async def test_a_transfer_whose_dask_worker_died_takes_another_seat() -> None:
    """The task that Dask runs again gets no errand: only the exporter begins one."""
    dying = Stopping()
    async with bench(dying, whole()) as it:
        moving = it.begin()
        await dying.begun.wait()
        it.cluster.kill()
        assert (await moving).rows == 50
        assert [message.number for message in it.cluster.told if isinstance(message, Begin)] == [0, 1]
        assert it.events.of("transfer.restarted") == [TransferRestarted(JOB, "WorkerDied")]


async def test_what_a_dask_worker_committed_before_it_died_is_found() -> None:
    """It is not moved again."""

    async def find(order: TransferOrder) -> Receipt:
        return Receipt(order.export_id, 50, 1, "", "found")

    dying = Stopping()
    async with bench(dying) as it:
        Standing("a").shelf.find = find  # type: ignore[method-assign]
        moving = it.begin()
        await dying.begun.wait()
        it.cluster.kill()
        assert (await moving).location == "found"


async def test_a_transfer_under_which_three_dask_workers_died_fails() -> None:
    """As it does in worker processes."""
    dying = [Stopping() for _ in range(3)]
    async with bench(*dying) as it:
        moving = it.begin()
        for each in dying:
            await each.begun.wait()
            it.cluster.kill()
        with pytest.raises(WorkerDied, match="3 worker processes died"):
            await moving


async def test_third_tries_take_their_seats_one_after_the_other() -> None:
    """What kills workers takes each of the others down twice at most."""
    async with bench() as it, it.seats.alone() as first:
        second = it.seats.alone()
        waiting = asyncio.create_task(second.__aenter__())
        await asyncio.sleep(0)
        assert first is not None
        assert len(it.cluster.tasks) == 1
        waiting.cancel()


async def test_a_task_that_dask_gives_up_for_its_dead_workers_counts_as_one_death() -> None:
    """Also before anybody sat there: others may have been the cause, and the next seat is better."""
    dying = Stopping()
    async with bench(dying, whole()) as it:
        moving = it.begin()
        await dying.begun.wait()
        it.cluster.tasks[0].fail(KilledWorker("task", None, 0))  # type: ignore[arg-type]
        assert (await moving).rows == 50
        assert it.events.of("transfer.restarted") == [TransferRestarted(JOB, "WorkerDied")]


async def test_an_errand_that_reaches_nobody_is_taken_elsewhere() -> None:
    """Its worker was gone before it began, or Dask had given up its task."""
    async with bench(whole()) as it:
        it.cluster.unheard = 1
        assert (await it.run()).rows == 50
        assert len(it.cluster.told) == 2


@pytest.mark.parametrize("lost", [1, TELLINGS])
async def test_an_errand_is_told_again_when_the_answer_was_lost(lost: int) -> None:
    """It is under way, and would run twice if it was taken elsewhere; that it is only after some tellings."""
    hanging = Stopping()
    async with bench(hanging, whole()) as it:
        it.cluster.unanswered = lost
        moving = it.begin()
        while len(it.cluster.told) <= lost:  # noqa: ASYNC110  another thread's progress has no event to wait for
            await asyncio.sleep(0.001)
        numbers = [message.number for message in it.cluster.told]
        assert numbers == ([0, 0] if lost < TELLINGS else [0] * TELLINGS + [1])
        moving.cancel()
        await asyncio.gather(moving, return_exceptions=True)


@pytest.mark.parametrize(
    ("met", "kind", "text"),
    [
        (CancelledError("x"), ClusterLost, "got no seat on the Dask cluster: Dask has forgotten its task"),
        (ConfigError("the worker has none"), ConfigError, "the worker has none"),
        (RuntimeError("Error during deserialization"), ConfigError, "cannot run our tasks: RuntimeError: Error during"),
    ],
)
async def test_a_task_that_never_sat_ends_its_transfer(met: Exception, kind: type[AsyncexportError], text: str) -> None:
    """With the reason, as an error of ours; trying again would meet it again."""
    async with bench() as it:
        it.cluster.is_full = True
        moving = it.begin()
        await asyncio.sleep(0)
        it.cluster.tasks[0].fail(met)
        with pytest.raises(kind, match=text):
            await moving


async def test_a_task_that_ends_without_a_word_ends_its_transfer() -> None:
    """Nobody waits for an end that does not come."""
    async with bench() as it:
        it.cluster.is_full = True
        moving = it.begin()
        await asyncio.sleep(0)
        it.cluster.tasks[0].succeed()
        with pytest.raises(ClusterLost, match="its task ended without a word"):
            await moving


async def test_the_loss_of_the_cluster_ends_what_runs_there() -> None:
    """At once, with an error that a later run may get over."""
    hanging = Stopping()
    async with bench(hanging) as it:
        moving = it.begin()
        await hanging.begun.wait()
        it.seats.lose(ClusterLost("gone"))
        with pytest.raises(ClusterLost, match="gone") as caught:
            await moving
        assert caught.value.temporary


@pytest.mark.parametrize("when", ["checked", "told"])
async def test_a_cluster_that_is_lost_before_an_errand_was_told_ends_it(
    when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what was met, whoever notices it first."""

    async def lost(*_: object) -> bool:
        raise ClusterLost("gone")

    async with bench() as it:
        if when == "told":
            monkeypatch.setattr(it.cluster, "tell", lost)
        else:
            monkeypatch.setattr(it.seats._reach, "check_at", lost)
        with pytest.raises(ClusterLost, match="gone"):
            await it.run()


async def test_nobody_waits_for_a_seat_where_no_worker_is() -> None:
    """After a minute, which begins anew with each worker that is seen."""
    hanging = Stopping()
    async with bench(hanging) as it:
        moving = it.begin()
        await hanging.begun.wait()
        looks = int(places.LONELY_SECONDS / LOOK_SECONDS)
        for workers in (*[0] * (looks - 1), 1, *[0] * (looks - 1)):
            it.seats.count(workers)
        await asyncio.sleep(0)
        assert not moving.done()
        it.seats.count(0)
        with pytest.raises(ClusterLost, match="has had no worker for 60 s"):
            await moving


async def test_a_transfer_is_cancelled_where_it_runs() -> None:
    """The caller comes back when nothing is left."""
    hanging = Stopping()
    async with bench(hanging) as it:
        moving = it.begin()
        await hanging.begun.wait()
        moving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await moving
        assert [type(message).__name__ for message in it.cluster.told] == ["Begin", "Cancel"]
        assert Standing("a").shelf.committed is None


async def test_a_seat_that_was_not_taken_yet_is_given_up_at_once() -> None:
    """There is nothing to wait for."""
    async with bench() as it:
        it.cluster.is_full = True
        moving = it.begin()
        await asyncio.sleep(0)
        assert repr(it.seats).startswith("<Seats [<Seat 0 waiting>]")
        moving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await moving
        assert it.cluster.told == []


async def test_a_dask_worker_that_does_not_answer_a_cancellation_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller is not held for ever."""
    hanging = Stopping()
    async with bench(hanging) as it:
        monkeypatch.setattr(carrying, "CANCEL_SECONDS", 0.01)
        moving = it.begin()
        await hanging.begun.wait()
        it.cluster.unheard = 1
        moving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await moving


async def test_what_is_said_about_a_seat_that_was_left_is_nobodys() -> None:
    """It may come late."""
    hanging = Stopping()
    async with bench(hanging, whole()) as it:
        moving = it.begin()
        await hanging.begun.wait()
        assert repr(it.seats).startswith("<Seats [<Seat 0 at 0>]")
        moving.cancel()
        await asyncio.gather(moving, return_exceptions=True)
        it.seats.hear(StoreIsBusy(0))
        assert (await it.run("b")).rows == 50
