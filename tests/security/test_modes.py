"""Who may read what a run leaves: nobody but its owner, whatever the umask is."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from asyncexport import Exporter, Failed
from asyncexport.emulator.server import EmulatorServer
from asyncexport.events import Event, TransferProgressed
from asyncexport.sinks import JsonLines
from tests.engine.pulling import BRISK, QUICK, planned, pulled
from tests.test_end_to_end import ROUGH, Desk


@pytest.fixture(params=[0o000, 0o077, 0o022], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """Run the test, and what it starts, under a umask."""
    former = os.umask(request.param)
    yield request.param
    os.umask(former)


def modes(*folders: Path) -> dict[str, str]:
    """Return what is not exactly 0700 for folders and 0600 for files, below and including ``folders``."""
    wrong = {}
    for path in [each for folder in folders for each in (folder, *folder.rglob("*"))]:
        found = path.lstat().st_mode
        expected = 0o700 if stat.S_ISDIR(found) else 0o600
        if stat.S_IMODE(found) != expected:
            wrong[str(path)] = oct(found)
    return wrong


@pytest.mark.emulator(profiles=2, rows=3000, weather=ROUGH)
async def test_everything_a_run_makes(umask: int, emulator: EmulatorServer, tmp_path: Path) -> None:
    """Data, records, ``.part`` files, journal, lock and folders: at every stage, and afterwards."""
    out, state = tmp_path / "made" / "exports", tmp_path / "made" / "state"
    seen: dict[str, str] = {}
    names: set[str] = set()

    def look(event: Event) -> None:
        if isinstance(event, TransferProgressed):
            seen.update(modes(out, state))
            names.update(path.suffix for path in (tmp_path / "made").rglob("*"))

    async with Exporter(emulator.accounts(), schedule=QUICK, backoff=BRISK, listener=look, state_dir=state) as exporter:
        outcomes = await pulled(exporter, await planned(exporter), JsonLines(out))
    assert not [each for each in outcomes if isinstance(each, Failed)]
    assert names >= {".part", ".sqlite3", ".sqlite3-wal"}
    assert seen == {}
    assert modes(tmp_path / "made") == {}
    assert umask in {0o000, 0o077, 0o022}


@pytest.mark.emulator(profiles=1, accounts=1)
async def test_everything_the_command_makes(emulator: EmulatorServer, tmp_path: Path) -> None:
    """The manifest and its folder too, under the most careless umask there is."""
    desk = Desk(emulator, tmp_path)
    former = os.umask(0)
    try:
        done = await desk.run("run", "--json")
    finally:
        os.umask(former)
    assert done.status == 0, done.err
    assert modes(tmp_path / "exports", tmp_path / "state") == {}
