"""Ends of patience."""

from __future__ import annotations

import asyncio

import anyio
import pytest
from anyio.lowlevel import checkpoint

from asyncexport.adapters.alarm import Alarm
from asyncexport.ports import Clock
from asyncexport.testing import FakeClock


class OnlySlept:
    """A clock that cannot call back."""

    def __init__(self) -> None:
        self._time = FakeClock()
        self.now = self._time.now
        self.sleep = self._time.sleep


@pytest.fixture(params=[FakeClock, OnlySlept])
def clock(request: pytest.FixtureRequest) -> Clock:
    made: Clock = request.param()
    return made


async def ringing_at(clock: Clock, seconds: float, *more: float) -> float:
    """Return when a block that lasts for ever is left, if it is asked again as often as there are ``more`` seconds."""
    left, began = list(more), clock.now()
    with anyio.CancelScope() as scope, Alarm(clock, seconds, scope, lambda: left.pop(0) if left else 0.0):
        await asyncio.Event().wait()
    assert scope.cancelled_caught
    return clock.now() - began


async def test_a_block_that_does_not_end(clock: Clock) -> None:
    """It is cancelled when the time is over."""
    assert await ringing_at(clock, 5.0) == 5.0


async def test_a_time_that_grew_meanwhile(clock: Clock) -> None:
    """When it is over it is asked whether there is more of it, as often as there is."""
    assert await ringing_at(clock, 5.0, 3.0, 2.0, 0.0, 100.0) == 10.0
    assert await ringing_at(clock, 5.0, -1.0) == 5.0


@pytest.mark.parametrize("seconds", [0.0, -1.0])
async def test_a_time_that_is_over(clock: Clock, seconds: float) -> None:
    """The block is cancelled as soon as it waits."""
    assert await ringing_at(clock, seconds) == 0.0


async def test_a_block_that_ends_in_time(clock: Clock) -> None:
    """Nothing rings, and no task is left."""
    before = asyncio.all_tasks()
    with anyio.CancelScope() as scope, Alarm(clock, 5.0, scope):
        await clock.sleep(1.0)
    await checkpoint()
    assert asyncio.all_tasks() == before

    await clock.sleep(10.0)
    assert not scope.cancel_called


async def test_a_block_that_ends_after_its_time_grew(clock: Clock) -> None:
    """Nothing rings either when what was left has been asked for before."""
    with anyio.CancelScope() as scope, Alarm(clock, 5.0, scope, lambda: 100.0):
        await clock.sleep(50.0)

    await clock.sleep(200.0)
    assert not scope.cancel_called


async def test_an_alarm_on_a_clock_that_calls_back() -> None:
    """It costs no task."""
    clock, before = FakeClock(), asyncio.all_tasks()

    with anyio.CancelScope() as scope, Alarm(clock, 5.0, scope):
        await clock.sleep(1.0)
        during = asyncio.all_tasks()

    assert during == before
