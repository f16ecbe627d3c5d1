"""Real time."""

from __future__ import annotations

import asyncio
import time

import pytest

from asyncexport.adapters.clock import SystemClock
from asyncexport.ports import Clock


def test_now() -> None:
    """Now is the monotonic clock, which no change of the wall clock moves."""
    clock: Clock = SystemClock()
    before = time.monotonic()

    assert before <= clock.now() <= time.monotonic()


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e-6])
async def test_a_short_wait(seconds: float) -> None:
    """Waiting for nothing, or for less, lets other tasks run."""
    order: list[str] = []
    other = asyncio.ensure_future(asyncio.to_thread(order.append, "other"))

    while not order:
        await SystemClock().sleep(seconds)
    await other

    assert order == ["other"]


async def test_a_call_after_a_while() -> None:
    """What was asked for is called from the loop, in the order of the moments; what was taken back is not."""
    clock, done = SystemClock(), asyncio.Event()
    called: list[str] = []

    def last() -> None:
        called.append("last")
        done.set()

    clock.call_later(0.0, lambda: called.append("first"))
    clock.call_later(0.0, lambda: called.append("taken back"))()
    clock.call_later(1e-3, last)
    assert called == []
    await done.wait()

    assert called == ["first", "last"]
