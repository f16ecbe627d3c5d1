"""Two runs at once, each with its own state folder, into one output folder: whole files, and typed errors at worst.

The second writer of a part is told that somebody else writes it; whoever commits last has committed the same job, so
nothing is lost either way (C9).
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from asyncexport.emulator.laws import Constant
from asyncexport.emulator.server import EmulatorServer
from tests.test_end_to_end import Desk

TYPED = {"SinkLocked", "SinkRejected"}


def desk(server: EmulatorServer, folder: Path) -> Desk:
    """Return a configured folder."""
    folder.mkdir()
    return Desk(server, folder)


def parts(folder: str) -> list[Path]:
    """Return what is not committed."""
    return list(Path(folder).rglob("*.part"))


@pytest.mark.emulator(profiles=4, accounts=1, rows=2000, generation=Constant(0.05), cap=None)
async def test_two_runs_into_one_folder_leave_whole_files(emulator: EmulatorServer, tmp_path: Path) -> None:
    """Each job is committed by one of them or both; what is there is the server's; the next run has nothing to do."""
    out = str(tmp_path / "shared")
    desks = [desk(emulator, tmp_path / name) for name in ("one", "two")]
    ended = await asyncio.gather(*(each.run("run", "--json", "--snapshot", "night", "--out", out) for each in desks))
    assert {each.status for each in ended} <= {0, 74, 75}, [each.err for each in ended]
    told = [event for each in ended for event in each.events if event["event"] == "failed"]
    assert {event["error"] for event in told} <= TYPED
    assert desks[0].stored(out) == desks[0].truth()
    assert parts(out) == []
    asked = len(emulator.state.journal)
    again = await desks[0].run("run", "--json", "--snapshot", "night", "--out", out)
    assert (again.status, again.events[-1]["skipped"]) == (0, 16)
    assert len(emulator.state.journal) == asked
