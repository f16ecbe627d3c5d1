"""A run that is killed or interrupted, and the same command again, over real processes and sockets.

Moments are chosen by what the emulator's books and the journal say, never by time: the first exports are ready at once,
all others only when a test opens the gate, so that a run comes to rest with every slot full.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from asyncexport.adapters.journal import read
from asyncexport.emulator.server import EmulatorServer
from asyncexport.pytest_plugin import emulated
from tests.test_end_to_end import Desk, Ended

PROFILES, QUICK = 4, 3
JOBS, SLOTS = 4 * PROFILES, 4 * 2
RUN = ("run", "--json", "--snapshot", "night")


class Gate:
    """A law: the first exports are ready at once, the others when the gate is opened; ``told`` of each request."""

    def __init__(self) -> None:
        self.quick = QUICK
        self.asked = 0
        self.told: Callable[[int], None] = lambda _asked: None

    def seconds(self, seed: int, subject: str, turn: int) -> float:  # noqa: ARG002
        """Draw one time."""
        self.asked += 1
        self.told(self.asked)
        return 0.0 if self.asked <= self.quick else 1e6

    def open(self, server: EmulatorServer) -> None:
        """Let everything that was asked for, and all that will be, be ready."""
        self.quick = 1_000_000
        for line in server.state.exports._lines.values():
            line.due = [(0.0, number, record) for _, number, record in line.due]
            for _, _, record in line.due:
                record.due_at = 0.0


class Night(Desk):
    """A configured folder, the gate, and what both sides' books say."""

    def __init__(self, server: EmulatorServer, folder: Path, gate: Gate) -> None:
        super().__init__(server, folder)
        self.gate = gate
        self.config.write_text(f"{self.config.read_text()}\n[limits]\nin_progress = 2\n")

    async def started_and_at_rest(self, grace: str = "3600") -> asyncio.subprocess.Process:
        """Start a run; return it when the quick exports are committed and every slot waits for the gate."""
        process = await self.start(*RUN, "--grace", grace)
        rest = {"committed": QUICK, "requested": SLOTS}
        while self.states() != rest:
            assert process.returncode is None, await process.communicate()
            await asyncio.sleep(0.01)
        assert len(self.server.state.journal) == QUICK + SLOTS
        return process

    async def killed_at_rest(self) -> None:
        """Start a run, and kill it when it rests."""
        process = await self.started_and_at_rest()
        process.kill()
        await process.communicate()

    def states(self) -> Counter[str]:
        """Count the journal's jobs by state."""
        return Counter(row["state"] for row in read(self.folder / "state"))

    def asked_again(self) -> set[tuple[str, str]]:
        """Return the profiles and entities that the server was asked for more than once."""
        asked = Counter((each.key.profile_id, each.key.entity.value) for each in self.server.state.journal.values())
        return {what for what, times in asked.items() if times > 1}

    async def status(self) -> tuple[int, dict[str, int], dict[str, Any]]:
        """Return the exit status of ``status``, the label's numbers, and the totals."""
        ended = await self.run("status", "--json")
        label = next(event for event in ended.events if event["event"] == "label")
        counts = {name: label[name] for name in ("committed", "requested", "intended", "failed", "collectable")}
        return ended.status, counts, ended.events[-1]

    async def completed(self, *more: str) -> Ended:
        """Open the gate and run the same command; everything is committed as the server has it."""
        self.gate.open(self.server)
        ended = await self.run(*RUN, *more)
        assert ended.status == 0, ended.err
        assert self.stored() == self.truth()
        assert list((self.folder / "exports").rglob("*.part")) == []
        assert self.states() == {"committed": JOBS}
        return ended

    def manifest(self) -> dict[str, Any]:
        """Return the newest manifest."""
        newest = max((self.folder / "exports" / "_runs").iterdir())
        document: dict[str, Any] = json.loads(newest.read_bytes())
        return document


@pytest_asyncio.fixture
async def night(tmp_path: Path) -> AsyncIterator[Night]:
    """Serve 4 profiles of one account: 16 exports through 8 slots."""
    gate = Gate()
    async with EmulatorServer(emulated(profiles=PROFILES, accounts=1, generation=gate)) as server:
        yield Night(server, tmp_path, gate)


async def test_a_killed_run_is_resumed_and_nothing_is_asked_for_twice(night: Night) -> None:
    """Exports under way are collected by the next run; ``status`` tells the truth during, between and after."""
    process = await night.started_and_at_rest()
    under_way = {"committed": QUICK, "requested": SLOTS, "intended": 0, "failed": 0, "collectable": SLOTS}
    status, counts, last = await night.status()
    assert (status, counts, last["missing"], last["run"], last["going_on"]) == (1, under_way, SLOTS, None, True)
    process.kill()
    await process.communicate()
    assert await night.status() == (status, counts, last | {"going_on": False})
    ended = await night.completed()
    summary = ended.events[-1]
    assert [summary[name] for name in ("exported", "skipped", "possibly_orphaned")] == [JOBS - QUICK, QUICK, 0]
    assert night.asked_again() == set()
    assert len(night.server.state.journal) == JOBS
    assert sum(job.get("adopted", False) for job in night.manifest()["jobs"]) == SLOTS
    status, counts, last = await night.status()
    assert (status, counts["committed"], counts["requested"], last["missing"]) == (0, JOBS, 0, 0)


@pytest.mark.parametrize("nth", [1, 11])
async def test_a_run_killed_before_an_answer_repeats_that_request_only(night: Night, nth: int) -> None:
    """Only a POST whose answer was never noted is made again, and it is counted as possibly orphaned."""
    night.gate.quick = JOBS
    process = await night.start(*RUN)
    night.gate.told = lambda asked: process.kill() if asked == nth else None
    await process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert all(night.truth()[key] == text for key, text in night.stored().items())
    unnoted = {(row["profile_id"], row["entity"]) for row in read(night.folder / "state", state="intended")}
    unanswered = [(each.key.profile_id, each.key.entity.value) for each in night.server.state.journal.values()][nth - 1]
    ended = await night.completed()
    assert unanswered in night.asked_again() <= unnoted
    assert ended.events[-1]["possibly_orphaned"] == len(unnoted)


@pytest.mark.parametrize(
    ("numbers", "grace", "status"),
    [
        ((signal.SIGINT, signal.SIGINT), "3600", 130),
        ((signal.SIGTERM,), "0.1", 143),
    ],
)
async def test_a_run_that_is_stopped_says_what_is_under_way_and_is_resumed(
    night: Night, numbers: tuple[signal.Signals, ...], grace: str, status: int
) -> None:
    """Stopped by a second signal or at the end of its grace, a run leaves its exports to the next one."""
    process = await night.started_and_at_rest(grace)
    assert process.stderr is not None
    for number in numbers:
        process.send_signal(number)
        while number.name not in (line := (await process.stderr.readline()).decode()):
            assert line, "the signal was not answered"
    _, err = await process.communicate()
    assert process.returncode == status, err
    assert f"{QUICK} of {JOBS} exports committed, {SLOTS} jobs with exports under way on Amazon's side." in err.decode()
    ended = await night.completed()
    assert [ended.events[-1][name] for name in ("exported", "skipped")] == [JOBS - QUICK, QUICK]
    assert night.asked_again() == set()


async def test_a_run_that_drains_finishes_what_is_under_way_and_is_resumed(night: Night) -> None:
    """After the first signal nothing new is asked for, what is under way is committed, and the rest is left."""
    process = await night.started_and_at_rest()
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    while "starting nothing new" not in (line := (await process.stderr.readline()).decode()):
        assert line, "the signal was not answered"
    night.gate.open(night.server)
    _, err = await process.communicate()
    assert process.returncode == 130, err
    assert f"{QUICK + SLOTS} of {JOBS} exports committed. Run the same command again" in err.decode()
    assert night.states() == {"committed": QUICK + SLOTS}
    assert len(night.server.state.journal) == QUICK + SLOTS
    ended = await night.completed()
    assert [ended.events[-1][name] for name in ("exported", "skipped")] == [JOBS - QUICK - SLOTS, QUICK + SLOTS]
    assert night.asked_again() == set()


async def test_without_its_journal_a_run_asks_again_but_commits_nothing_twice(night: Night) -> None:
    """The journal is an index: what is committed is found by the sink, only what was under way costs a second POST."""
    await night.killed_at_rest()
    files = {path: path.stat() for path in (night.folder / "exports").rglob("part-0.jsonl.zst")}
    assert len(files) == QUICK
    shutil.rmtree(night.folder / "state")
    ended = await night.completed()
    assert [ended.events[-1][name] for name in ("exported", "skipped")] == [JOBS - QUICK, QUICK]
    assert len(night.asked_again()) == SLOTS
    assert len(night.server.state.journal) == JOBS + SLOTS
    assert [path for path, before in files.items() if path.stat().st_ino != before.st_ino] == []
    assert sum(job.get("adopted", False) for job in night.manifest()["jobs"]) == 0
