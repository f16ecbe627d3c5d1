"""A run that is killed in the middle of a split job, and the same command again, over processes and sockets."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from asyncexport.adapters.journal import read
from asyncexport.emulator.server import EmulatorServer
from asyncexport.models import Entity
from asyncexport.pytest_plugin import emulated
from tests.test_end_to_end import Desk
from tests.test_resume import Gate

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

RUN = ("run", "--json", "--snapshot", "night", "--entity", "ads")
QUICK = 4
"""The whole job, which times out, and its three parts, one of which times out again."""

ASKED = QUICK + 3


def states(folder: Path) -> Counter[str]:
    """Count the journal's jobs and parts by state."""
    return Counter(row["state"] for row in read(folder / "state", parts=True))


def part_files(folder: Path) -> list[Path]:
    return sorted((folder / "exports").rglob("part-*.jsonl.zst"))


async def killed_at_rest(desk: Desk) -> None:
    """Start a run; kill it when two parts are committed and three are being made."""
    process = await desk.start(*RUN)
    while states(desk.folder) != {"split": 1, "committed": 2, "requested": 3}:
        assert process.returncode is None, await process.communicate()
        await asyncio.sleep(0.01)
    process.kill()
    await process.communicate()


async def test_a_run_killed_in_the_middle_of_a_split(tmp_path: Path) -> None:
    """What is committed is skipped, what is being made is collected, nothing is asked for twice, and it is one job."""
    gate = Gate()
    gate.quick = QUICK
    state = emulated(profiles=1, accounts=1, rows=3000, times_out_above=200, generation=gate)
    async with EmulatorServer(state) as server:
        desk = Desk(server, tmp_path)
        await killed_at_rest(desk)
        assert [path.name for path in part_files(tmp_path)] == ["part-1.jsonl.zst", "part-2.jsonl.zst"]

        between = await desk.run("status", "--json")
        gate.open(server)
        ended = await desk.run(*RUN)
        after = await desk.run("status", "--json")
        again = await desk.run(*RUN)

        assert ended.status == 0, ended.err
        assert len(server.state.journal) == ASKED
        ((_, truth),) = [(key, text) for key, text in desk.truth().items() if key[1] == Entity.ADS.value]
    assert_found(tmp_path, truth)
    exported, summary = ended.events
    assert (exported["event"], exported["rows"], len(exported["parts"])) == ("exported", truth.count(b"\n"), 5)
    assert (summary["exported"], summary["failed"], summary["skipped"]) == (1, 0, 0)
    assert [event["skipped"] for event in again.events if event["event"] == "summary"] == [1]
    assert states(tmp_path) == {"committed": 6}
    assert (between.status, after.status) == (1, 0)


def assert_found(folder: Path, truth: bytes) -> None:
    """Hold that the parts are numbered without a gap, that their rows are the server's, and the manifest lists them."""
    files = part_files(folder)
    assert [path.name for path in files] == [f"part-{number}.jsonl.zst" for number in range(5)]
    found = Counter(line for path in files for line in zstd.decompress(path.read_bytes()).splitlines())
    assert found == Counter(truth.splitlines())
    manifest: dict[str, Any] = json.loads(next((folder / "exports" / "_runs").iterdir()).read_bytes())
    (job,) = manifest["jobs"]
    assert [Path(part["path"]).name for part in job["parts"]] == [path.name for path in files]


async def test_the_next_night_begins_in_parts(tmp_path: Path) -> None:
    """The journal in the state folder remembers the split: under the next label nothing times out."""
    async with EmulatorServer(emulated(profiles=1, accounts=1, rows=3000, times_out_above=200)) as server:
        desk = Desk(server, tmp_path)
        await desk.run(*RUN)
        assert len(server.state.journal) == ASKED
        ended = await desk.run("run", "--json", "--snapshot", "tomorrow", "--entity", "ads")

        assert ended.status == 0, ended.err
        tonight = list(server.state.journal.values())[ASKED:]
        assert [record.failure for record in tonight] == [""] * 5
    assert ended.events[0]["rows"] == sum(
        len(zstd.decompress(path.read_bytes()).splitlines())
        for path in (path for path in part_files(tmp_path) if "snapshot=tomorrow" in str(path))
    )
