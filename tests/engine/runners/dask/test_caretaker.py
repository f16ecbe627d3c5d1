"""What a cluster keeps of an exporter that has gone, however it went: nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from distributed import LocalCluster, Worker

from asyncexport.engine.runners.dask.cluster import Cluster
from asyncexport.engine.runners.dask.office import Office
from asyncexport.engine.runners.dask.words import FromOffice
from asyncexport.errors import ClusterLost
from tests.engine.runners.dask.support import TERMS


@dataclass
class Desk:
    """Who waits for somebody to sit down."""

    seated: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, message: FromOffice) -> None:
        """Somebody has."""
        del message
        self.seated.set()

    def count(self, workers: int) -> None:
        """Do nothing about it."""

    def lose(self, error: ClusterLost) -> None:
        """Do nothing about it."""


@pytest.fixture
async def dask() -> AsyncIterator[LocalCluster]:
    """Have a cluster in this process, with one worker."""
    async with LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        processes=False,
        asynchronous=True,
        dashboard_address=None,
        protocol="tcp://",
        host="127.0.0.1",
    ) as cluster:
        yield cluster


def worker_of(dask: LocalCluster) -> Worker:
    """Return the one worker."""
    [worker] = dask.workers.values()
    assert isinstance(worker, Worker)
    return worker


def remains(dask: LocalCluster) -> list[str]:
    """Return what there is of exporters: caretakers, and offices of this worker and of those to come."""
    scheduler = dask.scheduler
    assert scheduler is not None
    kept = [*scheduler.plugins, *scheduler.worker_plugins, *worker_of(dask).plugins]
    return [name for name in kept if name.startswith("asyncexport-")]


async def test_an_exporter_that_is_cut_off_leaves_nothing_on_the_cluster(dask: LocalCluster) -> None:
    """No office, no thread and nobody in a seat; another exporter's are left alone."""
    staying = Cluster(dask.scheduler_address, TERMS, Desk())
    await staying.open()
    desk = Desk()
    gone = Cluster(dask.scheduler_address, TERMS, desk)
    await gone.open()
    assert sorted(remains(dask)) == sorted([staying.name, gone.name] * 3)
    seat = gone.seat(0)
    await desk.seated.wait()
    office = worker_of(dask).plugins[gone.name]
    assert isinstance(office, Office)
    assert office._room is not None
    gone._stream.comm.abort()
    async with asyncio.timeout(20):
        while office._room._thread.is_alive():  # noqa: ASYNC110  another thread's progress has no event to wait for
            await asyncio.sleep(0.001)
    assert remains(dask) == [staying.name] * 3
    seat.release()
    await gone.aclose()
    await staying.aclose()
    assert remains(dask) == []
