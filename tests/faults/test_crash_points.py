"""The command killed at every system call that changes files, then run again: nothing partial, nothing done twice.

Three nights are killed: one in an empty folder, one that replaces (``--again``) what an earlier one has committed, and
one that takes up what a killed one has left. After each kill whatever has its final name is whole; the run after it
completes, asks for no export whose id was noted and fetches nothing that was committed; no ``.part`` is left, and the
journal says that all is committed (C1 to C5). CI takes every sixteenth point, ``make crash`` all of them.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from asyncexport.emulator.server import EmulatorServer
from tests.faults.traced import KILLED, Night, Point, points_of, scene

pytestmark = [pytest.mark.strace, pytest.mark.emulator(profiles=1, accounts=1, rows=1000)]

STRIDE = int(os.environ.get("CRASH_STRIDE", "16"))


async def nothing(night: Night) -> None:
    """Begin in an empty folder."""


async def everything(night: Night) -> None:
    """Begin where an earlier run has committed everything."""
    ended = await night.run()
    assert ended.status == 0, ended.err


async def half(night: Night) -> None:
    """Begin where an earlier run was killed between the two renames of its first commit."""
    ended = await night.run(tamper=Point("renameat", 2).kill)
    assert ended.status == KILLED


@pytest.mark.parametrize(
    ("before", "more"), [(nothing, ()), (everything, ("--again",)), (half, ())], ids=["fresh", "again", "resumed"]
)
@pytest.mark.timeout("1800")  # with CRASH_STRIDE=1 it is some two hundred and fifty runs
async def test_killed_anywhere_the_next_run_completes_and_does_nothing_twice(
    before: Callable[[Night], Awaitable[None]],
    more: tuple[str, ...],
    emulator: EmulatorServer,
    tmp_path: Path,
    figure: Callable[[str], None],
) -> None:
    """For every point: killed right before it, run again, nothing of the promises is broken."""
    findings, killed, tried = [], 0, 0
    async with scene(emulator, tmp_path, "campaigns", "targets") as stage:
        undisturbed = stage.night("undisturbed")
        await before(undisturbed)
        points = await points_of(undisturbed, *more)
        for number, point in enumerate(points[::STRIDE]):
            night = stage.night(number)
            await before(night)
            ended = await night.run(*more, tamper=point.kill)
            tried, killed = tried + 1, killed + (ended.status == KILLED)
            await night.resume()
            findings += [f"killed at {point}: {finding}" for finding in night.findings]
    figure(f"{tried} of {len(points)} points tried, {killed} kills, {len(findings)} findings")
    assert findings == []
    assert killed >= 0.9 * tried, "the runs have other points than the one that was traced"
