"""Nights in a row, each remembered by the next, on a clock that jumps."""

from __future__ import annotations

from random import Random

import pytest

from asyncexport import Entity, Exported, Exporter, Job, plan
from asyncexport.emulator.direct import DirectTransport
from asyncexport.emulator.laws import Constant
from asyncexport.emulator.state import AdsState
from asyncexport.emulator.world import World
from asyncexport.sinks import Null
from asyncexport.testing import FakeClock, MemoryJournal


async def night(journal: MemoryJournal, label: str, seconds: float) -> list[Job]:
    """Pull everything while the server takes so many seconds for each export; return the jobs."""
    clock = FakeClock()
    journal.wall = clock.now
    state = AdsState(World.generate(profiles=3, accounts=1, rows=0, seed=1), generation=Constant(seconds), cap=5)
    transport = DirectTransport(state, clock)
    async with Exporter(
        transport.accounts(), transport=transport, clock=clock, random=Random(1).random, journal=journal
    ) as pulling:
        jobs = plan(await pulling.profiles(), entities=[Entity.CAMPAIGNS, Entity.ADS], snapshot=label)
        async with pulling.run(jobs, sink=Null()) as outcomes:
            assert all([isinstance(outcome, Exported) async for outcome in outcomes])
    return jobs


async def test_what_a_night_took_is_expected_of_the_next() -> None:
    """By the server's own clock; and what changes from night to night is followed by half each night."""
    journal = MemoryJournal()
    await night(journal, "first", 20.0)
    jobs = await night(journal, "second", 80.0)
    habits = await journal.habits(jobs)
    assert [habits[job.subject].seconds for job in jobs] == pytest.approx([40.0] * 6, rel=0.01)
    assert {habit.nights for habit in habits.values()} == {2}
    assert {journal.state_of(job) for job in jobs} == {"committed"}
