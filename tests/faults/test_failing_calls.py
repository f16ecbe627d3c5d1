"""Every system call of the command that changes files, failed once: one typed error, nothing partial, done by the next.

Each point of a night meets EIO, ENOSPC, EACCES and EDQUOT, whether it is the sink's, the journal's, the lock's or the
manifest's. The run ends with exit status 74 and every job has an outcome; or with 0 and everything is there, where the
call did not matter (the process id in the lock). Nothing but a ``.part`` that could not be removed is left, and the
next run completes without asking for what was noted (S1 to S4). CI takes a sample, ``make crash`` all.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from asyncexport.emulator.server import EmulatorServer
from tests.faults.traced import STORAGE, Ended, Night, Point, points_of, scene

STRIDE = int(os.environ.get("CRASH_STRIDE", "29"))
ERRORS = ("EIO", "ENOSPC", "EACCES", "EDQUOT")
TYPED = {"SinkError", "DiskFull", "StateError"}


@pytest.mark.strace
@pytest.mark.emulator(profiles=1, accounts=1, rows=1000)
@pytest.mark.timeout("3600")  # with CRASH_STRIDE=1 it is some thousand runs
async def test_any_call_that_fails_costs_this_run_only(
    emulator: EmulatorServer, tmp_path: Path, figure: Callable[[str], None]
) -> None:
    """For every point and error: the run says so, loses nothing, leaves nothing, and the next one completes."""
    findings = []
    async with scene(emulator, tmp_path, "campaigns", "targets") as stage:
        points = await points_of(stage.night("undisturbed"))
        cases = [(point, error) for point in points for error in ERRORS]
        for number, (point, error) in enumerate(cases[::STRIDE]):
            night = stage.night(number)
            ended = await night.run(tamper=point.fail(error))
            judge(night, ended, point)
            await night.resume()
            findings += [f"{error} at {point}: {finding}" for finding in night.findings]
    figure(f"{len(cases[::STRIDE])} of {len(cases)} calls and errors tried, {len(findings)} findings")
    assert findings == []


def judge(night: Night, ended: Ended, point: Point) -> None:
    """Note what a run with one failed call did not keep."""
    found = night.look()
    if ended.status not in {0, STORAGE} or (ended.status == 0 and found != night.wanted):
        night.findings.append(f"exit status {ended.status} with {len(found)} files: {ended.err}")
    if ended.status == STORAGE and not ended.err and not ended.events:
        night.findings.append("nothing was said")
    told = [event for event in ended.events if event["event"] in {"exported", "failed"}]
    if ended.events and ended.events[-1]["event"] == "summary" and len(told) != len(night.wanted):
        night.findings.append(f"{len(told)} outcomes for {len(night.wanted)} jobs")
    if untyped := {event["error"] for event in told if "error" in event} - TYPED:
        night.findings.append(f"untyped: {untyped}")
    if not point.call.startswith("unlink") and (left := night.parts()):
        night.findings.append(f"left behind: {left}")
