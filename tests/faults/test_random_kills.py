"""The command killed at random moments, again and again, over twenty profiles in rough weather, until it is done.

A seed draws at which of its requests each run is killed, and how many milliseconds after; the server counts them, so
the moments do not hang on the speed of the machine, but what the run's threads have on the disk then does. After each
kill whatever has its final name is whole; the last run completes; no export whose id was noted is asked for again, and
nothing that was committed is fetched again (C1 to C5, under load). ``KILLS=200`` makes more histories than CI does.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from asyncexport.emulator.server import EmulatorServer
from tests.faults.traced import KILLED, Night, scene

PROFILES = 20
ENTITIES = ("campaigns", "ads")
LEAST = 2 * PROFILES * len(ENTITIES)
"""So many requests every first run makes, however fast the machine: each export is asked for and looked at."""

HISTORIES = int(os.environ.get("KILLS", "5"))
ROUGH = """
    token nth=1: return-503
    request every=13: return-429 no-retry-after
    poll every=17: return-503
    download every=11: broken-after-50%
    download every=29: flip-bit-200
    download every=31: expire-url
"""


@pytest.mark.emulator(profiles=PROFILES, rows=1000, weather=ROUGH)
@pytest.mark.timeout("3600")  # KILLS=200 is some six hundred runs
async def test_however_often_it_is_killed_it_completes(
    emulator: EmulatorServer, tmp_path: Path, figure: Callable[[str], None]
) -> None:
    """For every seed: one to three kills, then a last run, and nothing of the promises is broken."""
    findings, killed = [], 0
    async with scene(emulator, tmp_path, *ENTITIES) as stage:
        a_run = stage.books.requests.total()
        for seed in range(HISTORIES):
            rng, night = Random(f"kills/{seed}"), stage.night(seed)
            for kill in range(rng.randint(1, 3)):
                after = rng.randint(1, a_run if kill else LEAST)
                killed += await killed_somewhere(night, after=after, late=rng.choice((0, 0.003, 0.03)))
                night.look()
            await night.resume()
            findings += [f"history {seed}: {finding}" for finding in night.findings]
    figure(f"{killed} kills in {HISTORIES} histories, {len(findings)} findings")
    assert findings == []
    assert killed >= HISTORIES // 2


async def killed_somewhere(night: Night, *, after: int, late: float) -> bool:
    """Run, and be killed ``late`` seconds after so many requests, if there are so many."""
    pid = await night.warm.start(night.desk.folder, *night.argv)
    timer: list[asyncio.TimerHandle] = []

    def kill() -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def spring() -> None:
        timer.append(asyncio.get_running_loop().call_later(late, kill))

    night.books.requests.arm(after, spring)
    ended = await night.warm.end()
    night.books.requests.disarm()
    for each in timer:
        each.cancel()
    return ended.status == KILLED
