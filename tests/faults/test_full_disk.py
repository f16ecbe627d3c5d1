"""A disk that is really full: a small tmpfs, and files that may not grow.

The command runs in a namespace of its own where the output folder is a file system of 1 MiB, so nothing is imitated.
The run ends with exit status 74, every job has its outcome, what is committed is whole, no ``.part`` keeps the space,
and the next run with space completes without asking for what was noted (S1).
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from asyncexport.emulator.server import EmulatorServer
from tests.faults.traced import STORAGE, Ended, scene

ENTITIES = ("campaigns", "adGroups", "targets", "ads")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 1 MiB."""
    folder = tmp_path / "night" / "exports"
    folder.mkdir(parents=True)
    mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder))
    yield folder
    subprocess.run(["umount", str(folder)], check=True)  # noqa: S603, S607


def mount(*options: str) -> None:
    """Mount something."""
    subprocess.run(["mount", *options], check=True)  # noqa: S603, S607


@pytest.mark.mounting
@pytest.mark.emulator(profiles=3, accounts=1, rows=40_000)
async def test_a_full_disk_ends_the_run_and_space_completes_it(
    emulator: EmulatorServer, small_disk: Path, tmp_path: Path
) -> None:
    """1 MiB is enough for some exports: those are committed, the others fail, and nothing is in the way later."""
    async with scene(emulator, tmp_path, *ENTITIES) as stage:
        night = stage.night("night")
        ended = await night.run()
        assert (ended.status, counts(ended)["outcomes"]) == (STORAGE, 12), ended.err
        assert set(errors(ended)) == {"DiskFull"}
        assert 0 < len(night.look()) == counts(ended)["exported"] < 12
        assert night.parts() == []
        mount("-o", "remount,size=64m", str(small_disk))
        await night.resume()
        assert night.findings == []


@pytest.mark.emulator(profiles=3, accounts=1, rows=40_000)
async def test_a_limit_on_files_fails_what_is_larger(emulator: EmulatorServer, tmp_path: Path) -> None:
    """EFBIG (``ulimit -f``) is a full disk to those exports; the journal fits, so the next run collects them."""
    async with scene(emulator, tmp_path, *ENTITIES) as stage:
        night = stage.night("night")
        ended = await night.run(file_limit=256 * 1024)
        assert (ended.status, counts(ended)["outcomes"]) == (STORAGE, 12), ended.err
        assert set(errors(ended)) == {"DiskFull"}
        assert night.parts() == []
        await night.resume()
        assert night.findings == []


def counts(ended: Ended) -> dict[str, int]:
    """Count the outcomes that were told, and those that are good."""
    told = [event["event"] for event in ended.events if event["event"] != "summary"]
    return {"outcomes": len(told), "exported": told.count("exported")}


def errors(ended: Ended) -> list[str]:
    """Return the names of the errors that were told."""
    return [event["error"] for event in ended.events if event["event"] == "failed"]
