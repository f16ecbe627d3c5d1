"""Ends of patience."""

from __future__ import annotations

import asyncio

import anyio

from asyncexport.adapters.alarm import alarm
from asyncexport.testing import FakeClock


async def ringing_at(seconds: float, *more: float) -> float:
    """Return when a block that lasts for ever is left, if it is asked again as often as there are ``more`` seconds."""
    clock, left = FakeClock(), list(more)
    with anyio.CancelScope() as scope:
        async with alarm(clock, seconds, scope, lambda: left.pop(0) if left else 0.0):
            await asyncio.Event().wait()
    assert scope.cancelled_caught
    return clock.now()


async def test_a_block_that_does_not_end() -> None:
    """It is cancelled when the time is over."""
    assert await ringing_at(5.0) == 5.0


async def test_a_time_that_grew_meanwhile() -> None:
    """When it is over it is asked whether there is more of it, as often as there is."""
    assert await ringing_at(5.0, 3.0, 2.0, 0.0, 100.0) == 10.0
    assert await ringing_at(5.0, -1.0) == 5.0


async def test_a_block_that_ends_in_time() -> None:
    """Nothing rings, and no task is left."""
    clock, before = FakeClock(), asyncio.all_tasks()
    with anyio.CancelScope() as scope:
        async with alarm(clock, 5.0, scope):
            await clock.sleep(1.0)
    assert (clock.now(), scope.cancelled_caught) == (1.0, False)
    assert asyncio.all_tasks() == before
