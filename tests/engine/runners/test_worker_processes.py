"""Transfers in real worker processes, over real sockets: what is committed, and what dies with whom."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from asyncexport import Entity, Exported, Exporter, Job
from asyncexport.emulator.server import EmulatorServer
from asyncexport.engine.runners import Pool
from asyncexport.models import Receipt, TransferOrder
from asyncexport.ports import SinkWriter
from asyncexport.sansio import placing
from asyncexport.sinks import JsonLines, Memory
from tests.engine.pulling import BRISK, QUICK, planned, pulled
from tests.engine.support import Events, true_text


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every export be worth a journey, and every second one a process."""
    monkeypatch.setattr(placing, "WORTH_A_JOURNEY", 0)
    monkeypatch.setattr(placing, "WORTH_A_START", 1)


@dataclass
class Night:
    """An exporter with worker processes, and what it tells."""

    server: EmulatorServer
    folder: Path
    exporter: Exporter
    events: Events

    @property
    def sink(self) -> JsonLines:
        """Where rows go."""
        return JsonLines(self.folder, compression="none")

    @property
    def pool(self) -> Pool:
        """The exporter's processes."""
        assert self.exporter._pool is not None
        return self.exporter._pool

    def stored(self, jobs: list[Job]) -> dict[Job, bytes]:
        """Read what is committed."""
        names = {job: f"entity={job.entity.value}/snapshot=night/profile_id={job.profile.profile_id}" for job in jobs}
        files = {job: self.folder / name / "part-0.jsonl" for job, name in names.items()}
        return {job: file.read_bytes() for job, file in files.items() if file.exists()}

    def truth(self, jobs: list[Job]) -> dict[Job, bytes]:
        """What the server has."""
        return {job: true_text(self.server, job) for job in jobs}

    @property
    def remains(self) -> list[Path]:
        """What no run may leave."""
        return list(self.folder.rglob("*.part"))


@asynccontextmanager
async def night(server: EmulatorServer, folder: Path, *, workers: int = 1) -> AsyncIterator[Night]:
    """Enter an exporter; afterwards no process of it is left."""
    events = Events()
    accounts = server.accounts()
    exporter = Exporter(accounts, workers=workers, schedule=QUICK, backoff=BRISK, listener=events)
    async with exporter:
        night = Night(server, folder, exporter, events)
        yield night
        pids = night.pool.pids
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


ROUGH = """
    download entity=targets nth=1: broken-after-50%
    download entity=ads nth=1: expire-url
    download entity=adGroups nth=1: slow-down
    download entity=campaigns nth=2: flip-bit-200
"""


@pytest.mark.usefixtures("large")
@pytest.mark.emulator(profiles=3, rows=3000, weather=ROUGH)
async def test_rough_weather_changes_no_row(emulator: EmulatorServer, tmp_path: Path) -> None:
    """What breaks in a worker is resumed, renewed and begun again there, and told here."""
    async with night(emulator, tmp_path, workers=2) as it:
        jobs = await planned(it.exporter)
        outcomes = await pulled(it.exporter, jobs, it.sink)
        assert [outcome for outcome in outcomes if not isinstance(outcome, Exported)] == []
        assert it.stored(jobs) == it.truth(jobs)
        assert it.remains == []
        assert 1 <= len(it.pool.pids) <= 2
    assert [str(fault) for fault in emulator.state.weather.unmet()] == []
    for name, least in (("url.renewed", 1), ("transfer.restarted", 1), ("transfer.resumed", 2)):
        assert len(it.events.of(name)) >= least
    assert len(it.events.of("transfer.started")) == 12


@pytest.mark.usefixtures("large")
@pytest.mark.emulator(profiles=1, accounts=1, weather="download entity=ads nth=1: stall-20-after-50%")
async def test_a_worker_killed_in_a_transfer_costs_a_transfer_and_no_row(
    emulator: EmulatorServer, tmp_path: Path
) -> None:
    """Another process begins again at byte 0; nothing is lost, doubled or left over."""
    async with night(emulator, tmp_path) as it:
        jobs = await planned(it.exporter, [Entity.ADS])
        pulling = asyncio.create_task(pulled(it.exporter, jobs, it.sink))
        while not it.remains:  # noqa: ASYNC110  another process's progress has no event to wait for
            await asyncio.sleep(0.005)
        [victim] = it.pool.pids
        os.kill(victim, signal.SIGKILL)
        [outcome] = await pulling
        assert isinstance(outcome, Exported)
        assert it.stored(jobs) == it.truth(jobs)
        assert it.remains == []
        assert victim not in it.pool.pids
    assert [getattr(event, "reason", "") for event in it.events.of("transfer.restarted")] == ["WorkerDied"]


@dataclass(frozen=True)
class Fatal:
    """A sink of files whose process is killed right behind a commit, once for each job: ``rehearsed`` keeps count."""

    files: JsonLines
    rehearsed: Path
    travels: ClassVar[bool] = True

    @asynccontextmanager
    async def open(self, order: TransferOrder) -> AsyncIterator[SinkWriter]:
        """Begin; end with more than the block."""
        async with self.files.open(order) as writer:
            yield writer
        with (self.rehearsed / order.export_id).open("a") as count:
            count.write("committed\n")
        os.kill(os.getpid(), signal.SIGKILL)

    async def find(self, order: TransferOrder) -> Receipt | None:
        """Find."""
        return await self.files.find(order)


@pytest.mark.usefixtures("large")
@pytest.mark.emulator(profiles=1, accounts=1)
async def test_a_worker_killed_between_a_commit_and_its_word_of_it_costs_nothing(
    emulator: EmulatorServer, tmp_path: Path
) -> None:
    """What it committed is found, whole, and not committed again."""
    (rehearsed := tmp_path / "rehearsed").mkdir()
    async with night(emulator, tmp_path / "out") as it:
        jobs = await planned(it.exporter, [Entity.ADS])
        [outcome] = await pulled(it.exporter, jobs, Fatal(it.sink, rehearsed))
        assert isinstance(outcome, Exported)
        assert it.stored(jobs) == it.truth(jobs)
        assert it.pool.pids == []
    assert [file.read_text() for file in rehearsed.iterdir()] == ["committed\n"]
    assert [outcome.receipt.export_id] == [file.name for file in rehearsed.iterdir()]
    assert it.events.of("transfer.restarted") == []


@pytest.mark.usefixtures("large")
@pytest.mark.emulator(profiles=1, accounts=1, weather="download times=9: stall-20-after-50%")
async def test_a_run_that_is_left_leaves_nothing(emulator: EmulatorServer, tmp_path: Path) -> None:
    """Transfers in a worker roll back before the block has been left; the worker is there for the next run."""
    async with night(emulator, tmp_path) as it:
        jobs = await planned(it.exporter)
        async with it.exporter.run(jobs, sink=it.sink):
            while len(it.remains) < 4:  # noqa: ASYNC110  another process's progress has no event to wait for
                await asyncio.sleep(0.005)
            before = it.pool.pids
        assert it.remains == []
        assert it.stored(jobs) == {}
        assert it.pool.pids == before


@pytest.mark.emulator(profiles=1, accounts=1)
async def test_a_small_night_starts_no_process(emulator: EmulatorServer, tmp_path: Path) -> None:
    """Small exports are cheaper in the loop than a start."""
    async with night(emulator, tmp_path, workers=2) as it:
        jobs = await planned(it.exporter)
        await pulled(it.exporter, jobs, it.sink)
        assert it.stored(jobs) == it.truth(jobs)
        assert (it.pool.pids, repr(it.pool)) == ([], "<Pool []>")


@pytest.mark.usefixtures("large")
async def test_a_sink_that_does_not_travel_stays_in_the_loop(emulator: EmulatorServer, tmp_path: Path) -> None:
    """What it keeps would be kept in another process; that is no oddity."""
    async with night(emulator, tmp_path) as it:
        [job, *_] = await planned(it.exporter)
        sink = Memory()
        await pulled(it.exporter, [job], sink)
        assert sink.text(job) == true_text(emulator, job)
        assert it.pool.pids == []
        assert it.events.of("oddity.noticed") == []
