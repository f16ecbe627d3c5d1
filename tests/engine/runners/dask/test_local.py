"""A Dask cluster of this machine's own: it comes and goes with its exporter."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from asyncexport import Exporter
from asyncexport.emulator.server import EmulatorServer
from asyncexport.engine.runners.dask import local
from asyncexport.engine.runners.dask.local import LocalCluster
from asyncexport.engine.runners.dask.seats import Seats
from asyncexport.errors import ClusterLost
from tests.engine.pulling import BRISK, QUICK, planned, pulled
from tests.engine.runners.dask.support import TERMS
from tests.engine.runners.nights import OnDask, all_are_large
from tests.engine.support import Events


def secret() -> str | None:
    """Return what a worker has for a secret."""
    return os.environ.get("A_SECRET")


async def test_without_an_address_the_exporter_has_a_cluster_of_its_own(
    emulator: EmulatorServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its processes have the environment that they were given, and end with the exporter."""
    monkeypatch.setenv("A_SECRET", "x")
    environment = {"PATH": os.environ["PATH"]}
    exporter = Exporter(
        emulator.accounts(),
        runner="dask",
        workers=1,
        worker_environment=environment,
        schedule=QUICK,
        backoff=BRISK,
    )
    with all_are_large():
        async with exporter:
            night = OnDask(emulator, tmp_path, exporter, Events())
            jobs = (await planned(exporter))[:2]
            await pulled(exporter, jobs, night.sink)
            assert night.stored(jobs) == night.truth(jobs)
            assert not night.has_stayed
            cluster = night.seats.cluster
            assert repr(cluster) == "<Cluster of this machine open>"
            assert list((await cluster.asked(secret)).values()) == [None]
            pids = (await cluster.asked(os.getpid)).values()
    assert len(pids) == 1
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.parametrize(
    ("boot", "seconds", "reason"),
    [("import sys; sys.exit(3)", 60.0, "its process ended"), ("input()", 0.01, "it was not there after 0.01 s")],
)
async def test_a_cluster_that_does_not_come_is_told(
    boot: str, seconds: float, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it stays."""
    monkeypatch.setattr(local, "_BOOT", boot)
    monkeypatch.setattr(local, "START_SECONDS", seconds)
    with pytest.raises(ClusterLost, match=f"cannot be started on this machine: {reason}"):
        await Seats(LocalCluster(1, 1), TERMS, Events()).open()


async def test_an_interpreter_that_cannot_be_started_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the system's reason; there is nothing to end then."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(ClusterLost, match="cannot be started on this machine: No such file"):
        await Seats(LocalCluster(1, 1), TERMS, Events()).open()


async def test_a_cluster_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exporter is not held by it."""
    monkeypatch.setattr(local, "_BOOT", "import time; print('tcp://x:1', flush=True); time.sleep(60)")
    monkeypatch.setattr(local, "CLOSE_SECONDS", 0.01)
    cluster = LocalCluster(1, 1)
    assert await cluster.start() == "tcp://x:1"
    await cluster.aclose()
    assert cluster._process is not None
    assert cluster._process.returncode == -signal.SIGKILL
