"""What is done at a set moment, whoever is there to do it."""

from __future__ import annotations

import asyncio

from anyio.lowlevel import checkpoint

from asyncexport.engine.jobs.reminders import Reminders
from asyncexport.testing import FakeClock


class Bells:
    """Reminders, and the moments at which they called."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.reminders = Reminders(self.clock)
        self.rung: list[float] = []

    def ring_at(self, *moments: float) -> None:
        """Ask to be called."""
        for moment in moments:
            self.reminders.set(moment, lambda: self.rung.append(self.clock.now()))

    async def sleep(self, seconds: float, rings: int = 1) -> None:
        """Let time pass while so many ring."""
        ringing = [asyncio.create_task(self.reminders.ring()) for _ in range(rings)]
        await self.clock.sleep(seconds)
        await checkpoint()
        for each in ringing:
            each.cancel()
        await asyncio.wait(ringing)


async def test_each_is_called_at_its_moment() -> None:
    """In the order of the moments, not of the asking."""
    bells = Bells()
    bells.ring_at(5.0, 1.0, 3.0)
    await bells.sleep(4.0)
    assert bells.rung == [1.0, 3.0]
    assert repr(bells.reminders) == "<Reminders of 1 moments>"


async def test_a_moment_before_the_one_that_is_slept_for() -> None:
    """Whoever sleeps is woken to sleep for less."""
    bells = Bells()
    bells.ring_at(100.0)
    bells.reminders.set(2.0, lambda: bells.ring_at(50.0, 3.0))
    await bells.sleep(10.0)
    assert bells.rung == [3.0]


async def test_a_moment_that_comes_when_there_was_none() -> None:
    """Whoever waits without an end is woken."""
    bells = Bells()

    async def ask() -> None:
        await bells.clock.sleep(1.0)
        bells.ring_at(2.0)

    asking = asyncio.create_task(ask())
    await bells.sleep(5.0)
    await asking
    assert bells.rung == [2.0]


async def test_several_who_ring() -> None:
    """Each moment is called once."""
    bells = Bells()
    bells.ring_at(1.0, 2.0)
    await bells.sleep(5.0, rings=3)
    assert bells.rung == [1.0, 2.0]


async def test_a_moment_while_nobody_rings() -> None:
    """It is called as soon as somebody does."""
    bells = Bells()
    bells.ring_at(1.0)
    await bells.clock.sleep(7.0)
    await bells.sleep(1.0)
    assert bells.rung == [7.0]
