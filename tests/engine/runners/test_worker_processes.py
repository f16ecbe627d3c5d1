"""Transfers in real other processes, over real sockets: what is committed, and what dies with whom."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest

from asyncexport import Entity, Exported
from asyncexport.emulator.server import EmulatorServer
from asyncexport.models import Receipt, TransferOrder
from asyncexport.ports import SinkWriter
from asyncexport.sinks import JsonLines, Memory
from tests.engine.pulling import planned, pulled
from tests.engine.runners.nights import Night, a_cluster, all_are_large, in_processes, on_dask
from tests.engine.support import true_text

Enter = Callable[..., AbstractAsyncContextManager[Night]]


@pytest.fixture
def large() -> Iterator[None]:
    """Let every export be worth a journey."""
    with all_are_large():
        yield


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """Have a Dask cluster."""
    with a_cluster() as address:
        yield address


@pytest.fixture(params=["processes", "dask"])
def night(request: pytest.FixtureRequest) -> Enter:
    """Return each way to have transfers elsewhere."""
    if request.param == "processes":
        return in_processes
    return partial(on_dask, dask=request.getfixturevalue("cluster"))


ROUGH = """
    download entity=targets nth=1: broken-after-50%
    download entity=ads nth=1: expire-url
    download entity=adGroups nth=1: slow-down
    download entity=campaigns nth=2: flip-bit-200
"""


@pytest.mark.usefixtures("large")
@pytest.mark.emulator(profiles=3, rows=3000, weather=ROUGH)
async def test_rough_weather_changes_no_row(night: Enter, emulator: EmulatorServer, tmp_path: Path) -> None:
    """What breaks in a worker is resumed, renewed and begun again there, and told here."""
    async with night(emulator, tmp_path, workers=2) as it:
        jobs = await planned(it.exporter)
        outcomes = await pulled(it.exporter, jobs, it.sink)
        assert [outcome for outcome in outcomes if not isinstance(outcome, Exported)] == []
        assert it.stored(jobs) == it.truth(jobs)
        assert it.remains == []
        assert not it.has_stayed
    assert [str(fault) for fault in emulator.state.weather.unmet()] == []
    for name, least in (("url.renewed", 1), ("transfer.restarted", 1), ("transfer.resumed", 2)):
        assert len(it.events.of(name)) >= least
    assert len(it.events.of("transfer.started")) == 12


@pytest.mark.usefixtures("large")
@pytest.mark.emulator(profiles=1, accounts=1, weather="download entity=ads nth=1: stall-20-after-50%")
async def test_a_worker_killed_in_a_transfer_costs_a_transfer_and_no_row(
    night: Enter, emulator: EmulatorServer, tmp_path: Path
) -> None:
    """Another process begins again at byte 0; nothing is lost, doubled or left over."""
    async with night(emulator, tmp_path) as it:
        jobs = await planned(it.exporter, [Entity.ADS])
        pulling = asyncio.create_task(pulled(it.exporter, jobs, it.sink))
        while not it.under_way:  # noqa: ASYNC110  another process's progress has no event to wait for
            await asyncio.sleep(0.005)
        os.kill(await it.victim(), signal.SIGKILL)
        [outcome] = await pulling
        assert isinstance(outcome, Exported)
        assert it.stored(jobs) == it.truth(jobs)
        assert it.remains == []
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
    night: Enter, emulator: EmulatorServer, tmp_path: Path
) -> None:
    """What it committed is found, whole, and not committed again."""
    (rehearsed := tmp_path / "rehearsed").mkdir()
    async with night(emulator, tmp_path / "out") as it:
        jobs = await planned(it.exporter, [Entity.ADS])
        [outcome] = await pulled(it.exporter, jobs, Fatal(it.sink, rehearsed))
        assert isinstance(outcome, Exported)
        assert it.stored(jobs) == it.truth(jobs)
    assert [file.read_text() for file in rehearsed.iterdir()] == ["committed\n"]
    assert [outcome.receipt.export_id] == [file.name for file in rehearsed.iterdir()]
    assert it.events.of("transfer.restarted") == []


@pytest.mark.usefixtures("large")
@pytest.mark.emulator(profiles=1, accounts=1, weather="download times=9: stall-20-after-50%")
async def test_a_run_that_is_left_leaves_nothing(night: Enter, emulator: EmulatorServer, tmp_path: Path) -> None:
    """Transfers in a worker roll back before the block has been left; nothing of them comes later."""
    async with night(emulator, tmp_path) as it:
        jobs = await planned(it.exporter)
        async with it.exporter.run(jobs, sink=it.sink):
            while len(it.under_way) < 4:  # noqa: ASYNC110  another process's progress has no event to wait for
                await asyncio.sleep(0.005)
        assert it.remains == []
        assert it.stored(jobs) == {}


@pytest.mark.emulator(profiles=1, accounts=1)
async def test_a_small_night_starts_no_process(night: Enter, emulator: EmulatorServer, tmp_path: Path) -> None:
    """Small exports are cheaper in the loop than a start."""
    async with night(emulator, tmp_path, workers=2) as it:
        jobs = await planned(it.exporter)
        await pulled(it.exporter, jobs, it.sink)
        assert it.stored(jobs) == it.truth(jobs)
        assert it.has_stayed


@pytest.mark.usefixtures("large")
async def test_a_sink_that_does_not_travel_stays_in_the_loop(
    night: Enter, emulator: EmulatorServer, tmp_path: Path
) -> None:
    """What it keeps would be kept in another process; only who asked for a cluster is told."""
    async with night(emulator, tmp_path) as it:
        [job, *_] = await planned(it.exporter)
        sink = Memory()
        await pulled(it.exporter, [job], sink)
        assert sink.text(job) == true_text(emulator, job)
        assert it.has_stayed
        assert it.events.of("oddity.noticed") == it.told_of_staying
