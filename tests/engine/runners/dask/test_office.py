"""An office in a Dask worker: who sits there, and what becomes of them when Dask gives them up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from asyncexport.engine.runners.dask import office as offices
from asyncexport.engine.runners.dask.office import Office, hear, sit
from asyncexport.engine.runners.dask.words import Packed, Terms
from asyncexport.engine.runners.messages import Begin, Cancel, Errand
from asyncexport.errors import ConfigError
from asyncexport.testing import FakeTransport
from tests.engine.runners.dask.support import TERMS, NearCluster, seats
from tests.engine.runners.support import Standing, Stopping
from tests.engine.support import order

SEATED = Begin(0, Errand(b""))


async def sitting(near: NearCluster, number: int = 0) -> asyncio.Future[None]:
    """Let a task sit in the office, and come back when it does."""
    task = asyncio.ensure_future(asyncio.to_thread(near.office.sit, number, f"key-{number}"))
    while number not in near.office._seats or near.office._room is None:  # noqa: ASYNC110  another thread's progress has no event to wait for
        await asyncio.sleep(0.001)
    return task


@pytest.mark.parametrize("given_up", ["cancelled", "released", "forgotten"])
async def test_a_task_that_dask_gives_up_has_its_transfer_rolled_back(given_up: str) -> None:
    """Its exporter is gone, or wants it no more: nobody would hear of a commit."""
    Standing.shelves.clear()
    hanging = Stopping()
    async with seats(hanging) as (_, near, _):
        task = await sitting(near)
        assert near.office.hear(Begin(0, Errand.of(order(), Standing("a"))))
        await hanging.begun.wait()
        near.office.transition("another", "executing", given_up)
        near.office.transition("key-0", "ready", given_up)
        assert not task.done()
        near.office.transition("key-0", "executing", given_up)
        await task
    assert Standing("a").shelf.committed is None


async def test_a_task_without_an_errand_ends_when_dask_gives_it_up() -> None:
    """An errand that comes later is nobody's."""
    async with seats() as (_, near, _):
        task = await sitting(near)
        near.office.transition("key-0", "executing", "released")
        await task
        assert not near.office.hear(SEATED)


async def test_an_errand_is_begun_once() -> None:
    """It may be told again if the answer was lost; a word about one that was not begun is nobody's."""
    taken: list[object] = []
    async with seats() as (_, near, _):
        await sitting(near)
        assert near.office._room is not None
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(near.office._room, "take", taken.append)
            assert not near.office.hear(Cancel(0))
            for _ in range(2):
                assert near.office.hear(SEATED)
            assert near.office.hear(Cancel(0))
            assert not near.office.hear(Begin(1, Errand(b"")))
        assert taken == [SEATED, Cancel(0)]


async def test_a_worker_that_closes_rolls_back_and_lets_its_tasks_go() -> None:
    """Those with an errand and those without one."""
    Standing.shelves.clear()
    hanging = Stopping()
    async with seats(hanging) as (_, near, _):
        tasks = [await sitting(near, number) for number in range(2)]
        assert near.office.hear(Begin(0, Errand.of(order(), Standing("a"))))
        await hanging.begun.wait()
        await near.office.teardown(cast("Any", None))
        await asyncio.gather(*tasks)
        await near.office.teardown(cast("Any", None))
    assert Standing("a").shelf.committed is None


async def test_a_worker_whose_loop_has_gone_hears_no_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tasks end all the same."""

    def closed(*_: object) -> None:
        raise RuntimeError("Event loop is closed")

    hanging = Stopping()
    async with seats(hanging) as (_, near, _):
        task = await sitting(near)
        assert near.office.hear(Begin(0, Errand.of(order(), Standing("a"))))
        await hanging.begun.wait()
        monkeypatch.setattr(near.office._worker, "log_event", closed)
        near.office.transition("key-0", "executing", "released")
        await task


async def test_a_task_that_was_given_up_before_it_sat_down_does_not() -> None:
    """Nobody would ever tell it to leave; the same task, wanted again, may."""
    async with seats() as (_, near, _):
        near.office.transition("near-0", "executing", "released")
        await asyncio.wait_for(asyncio.to_thread(near.office.sit, 0, "near-0"), 10)
        assert near.office._unwanted == set()


async def test_a_task_that_was_given_up_when_it_had_just_left_is_not_remembered() -> None:
    """Else each of them would be, for as long as the exporter is there."""
    async with seats() as (_, near, _):
        near.office.transition("near-0", "executing", "released")
        near.office.transition("near-0", "released", "forgotten")
        assert near.office._unwanted == set()


@dataclass
class Gate:
    """What holds up the opening of the loop of an office."""

    reached: threading.Event = field(default_factory=threading.Event)
    open: threading.Event = field(default_factory=threading.Event)

    @asynccontextmanager
    async def opened(self, _: Terms) -> AsyncIterator[FakeTransport]:
        """Wait until it is open."""
        self.reached.set()
        self.open.wait()
        yield FakeTransport()


async def test_dasks_loop_does_not_wait_for_that_of_an_office() -> None:
    """A task that is given up meanwhile leaves as soon as there is one."""
    gate = Gate()
    async with seats() as (_, near, _):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(offices, "opened", gate.opened)
            task = asyncio.ensure_future(asyncio.to_thread(near.office.sit, 0, "near-0"))
            await asyncio.to_thread(gate.reached.wait)
            hearing = asyncio.ensure_future(asyncio.to_thread(near.office.hear, SEATED))
            leaving = asyncio.ensure_future(
                asyncio.to_thread(near.office.transition, "near-0", "executing", "released")
            )
            in_time, _ = await asyncio.wait([hearing, leaving], timeout=10)
            gate.open.set()
            assert in_time == {hearing, leaving}
            assert not hearing.result()
            await task


async def test_an_office_that_closes_while_its_loop_opens_leaves_none() -> None:
    """Nor does one open afterwards."""
    gate = Gate()
    async with seats() as (_, near, _):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(offices, "opened", gate.opened)
            task = asyncio.ensure_future(asyncio.to_thread(near.office.sit, 0, "near-0"))
            await asyncio.to_thread(gate.reached.wait)
            closing = asyncio.ensure_future(near.office.teardown(cast("Any", None)))
            await asyncio.sleep(0)
            gate.open.set()
            await asyncio.gather(closing, task)
            assert near.office._room is not None
            assert not near.office._room._thread.is_alive()
            near.office._room = None
            near.office._open_room()
            assert near.office._room is None


async def test_a_task_that_comes_to_a_closed_office_does_not_sit_down() -> None:
    """Its worker is closing, or its exporter has left."""
    async with seats() as (_, near, _):
        await near.office.teardown(cast("Any", None))
        await asyncio.wait_for(asyncio.to_thread(near.office.sit, 0, "near-0"), 10)


async def test_an_office_nobody_ever_sat_in_closes() -> None:
    """It has no loop then, and nothing to hear."""
    async with seats() as (_, near, _):
        assert not near.office.hear(SEATED)


async def test_what_is_in_the_way_of_a_loop_ends_the_task() -> None:
    """Certificate authorities that are not on that machine, for one; the next task meets it again."""

    def missing(_: Terms) -> Any:
        raise ConfigError("no such file")

    async with seats() as (_, near, _):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(offices, "opened", missing)
            for _ in range(2):
                with pytest.raises(ConfigError, match="no such file"):
                    await asyncio.to_thread(near.office.sit, 0, "key")


@pytest.mark.parametrize("is_ours", [True, False])
def test_the_collector_is_left_alone_in_somebody_elses_worker(
    *, is_ours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one of our own it looks seldom: what a transfer makes has no cycles."""
    calls: list[None] = []
    monkeypatch.setattr(offices, "collect_seldom", lambda: calls.append(None))
    Office("mine", replace(TERMS, is_ours=is_ours)).setup(cast("Any", None))
    assert len(calls) == is_ours


async def test_a_transport_is_opened_for_the_office() -> None:
    """With the authorities to trust that the exporter has."""
    async with offices.opened(TERMS) as transport:
        assert type(transport).__name__ == "AiohttpTransport"


def test_a_task_finds_its_office_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it could not be opened the worker's own log says why."""
    sat: list[tuple[int, object]] = []
    office = Office("mine", TERMS)
    monkeypatch.setattr(office, "sit", lambda number, key: sat.append((number, key)))
    worker = SimpleNamespace(plugins={"mine": office}, address="tcp://x:1", get_current_task=lambda: "key")
    monkeypatch.setattr(offices, "get_worker", lambda: worker)
    sit("mine", 7)
    assert sat == [(7, "key")]
    with pytest.raises(ConfigError, match="worker tcp://x:1 could not be prepared"):
        sit("another", 7)


def test_a_message_finds_its_office_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is none it is nobody's."""
    heard: list[object] = []

    def take(message: object) -> bool:
        heard.append(message)
        return True

    office = Office("mine", TERMS)
    monkeypatch.setattr(office, "hear", take)
    worker = cast("Any", SimpleNamespace(plugins={"mine": office}))
    assert hear("mine", Packed.of(Cancel(3)), dask_worker=worker)
    assert not hear("another", Packed.of(Cancel(3)), dask_worker=worker)
    assert heard == [Cancel(3)]
