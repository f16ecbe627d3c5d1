"""The connection to a Dask cluster: what is refused before a run, and what the loss of the cluster looks like."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from asyncexport import Entity, Failed
from asyncexport._version import __version__
from asyncexport.emulator.server import EmulatorServer
from asyncexport.engine.runners.dask import cluster as clusters
from asyncexport.engine.runners.dask.cluster import Cluster, _check_versions
from asyncexport.engine.runners.dask.local import LocalCluster
from asyncexport.engine.runners.dask.seats import Seats
from asyncexport.engine.runners.messages import Cancel
from asyncexport.errors import ClusterLost, ConfigError
from tests.engine.pulling import planned, pulled
from tests.engine.runners.dask.support import TERMS
from tests.engine.runners.nights import a_cluster, all_are_large, on_dask
from tests.engine.support import Events


async def refusal(where: str | LocalCluster) -> str:
    """Return what is said when a cluster is opened that cannot be used."""
    seats = Seats(where, TERMS, Events())
    with pytest.raises((ClusterLost, ConfigError)) as caught:
        await seats.open()
    assert repr(seats) == f"<Seats [] in {seats.cluster!r}>"
    return f"{type(caught.value).__name__}: {caught.value}"


async def test_a_scheduler_that_does_not_answer_is_told_before_anything_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run would have nowhere to put what it asks for."""
    monkeypatch.setattr(clusters, "CONNECT_SECONDS", 0.2)
    said = await refusal("tcp://127.0.0.1:1")
    assert said.startswith("ClusterLost: the Dask scheduler at tcp://127.0.0.1:1 cannot be reached: ")


@pytest.mark.parametrize("address", ["nonsense://x:1", "tcp://127.0.0.1:port"])
async def test_what_is_no_address_is_a_mistake_in_the_configuration(address: str) -> None:
    """Nobody has to wait for it."""
    assert (await refusal(address)).startswith(f"ConfigError: dask = '{address}' is no address of a Dask scheduler: ")


class Answers:
    """A client of Dask's on a cluster where each answers what it is told to; there are workers from the start or never.

    It notes which tasks nobody wants any more.
    """

    def __init__(self, scheduler: object, **workers: object) -> None:
        self._scheduler = scheduler
        self._workers = workers
        self.released = 0

    async def run_on_scheduler(self, ask: object) -> object:
        """Answer for the scheduler."""
        del ask
        if isinstance(self._scheduler, Exception):
            raise self._scheduler
        return self._scheduler

    async def run(self, ask: object, *, on_error: str) -> dict[str, object]:
        """Answer for the workers."""
        assert callable(ask)
        assert on_error == "return"
        return self._workers

    async def nthreads(self) -> dict[str, int]:
        """Count the workers."""
        return dict.fromkeys(self._workers, 1)

    def submit(self, work: object, *, pure: bool) -> Any:
        """Take a task."""
        assert callable(work)
        assert not pure

        def release() -> None:
            self.released += 1

        return SimpleNamespace(release=release)

    async def wait_for_workers(self, number: int, *, timeout: float) -> None:
        """Wait in vain."""
        assert (number, timeout) == (1, clusters.WORKER_SECONDS)
        raise TimeoutError


MISSING = ModuleNotFoundError("No module named 'asyncexport'")


@pytest.mark.parametrize(
    ("answers", "kind", "said"),
    [
        (
            Answers(MISSING, a=__version__),
            ConfigError,
            f"the Dask scheduler at s cannot import asyncexport {__version__}",
        ),
        (Answers(__version__, a=__version__, b=MISSING), ConfigError, "the Dask worker at b cannot import asyncexport"),
        (Answers(__version__, a=AttributeError("_version")), ConfigError, "the Dask worker at a cannot import"),
        (
            Answers(__version__, a="0.1"),
            ConfigError,
            f"worker at a has asyncexport 0.1; {__version__}, as here, has to be",
        ),
        (Answers(__version__, a=OSError("gone")), ConfigError, "the Dask worker at a OSError: gone"),
        (Answers(__version__), ClusterLost, "the Dask cluster at s has no worker, and got none in 60 s"),
    ],
    ids=["scheduler", "worker", "older", "other", "broken", "none"],
)
async def test_a_cluster_where_no_transfer_could_run_is_refused(
    answers: Answers, kind: type[Exception], said: str
) -> None:
    """With who it is, and what is to be done there."""
    with pytest.raises(kind) as caught:
        await _check_versions(cast("Any", answers), "s")
    assert said in str(caught.value)
    assert answers.released == (kind is ClusterLost)


async def test_a_cluster_is_used_between_its_opening_and_its_end() -> None:
    """What comes later is a mistake of the caller's."""
    cluster = Cluster("tcp://nowhere:1", TERMS, cast("Any", None))
    assert repr(cluster) == "<Cluster tcp://nowhere:1 closed>"
    for _ in range(2):
        with pytest.raises(ConfigError, match="outside its 'async with' block"):
            cluster.seat(1)
        await cluster.aclose()


@pytest.mark.parametrize(
    ("answers", "told"),
    [({"a": True}, True), ({"a": False}, False), ({"a": OSError("cut off")}, None), ({}, None)],
    ids=["heard", "nobodys", "broken", "silent"],
)
async def test_what_an_office_was_told_is_unknown_where_no_answer_came_back(
    answers: dict[str, object], told: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have arrived all the same."""

    async def asked(*_: object, workers: list[str]) -> dict[str, object]:
        assert workers == ["a"]
        return answers

    cluster = Cluster("tcp://nowhere:1", TERMS, cast("Any", None))
    monkeypatch.setattr(cluster, "asked", asked)
    assert await cluster.tell("a", Cancel(0)) is told


@pytest.mark.emulator(profiles=1, accounts=1, weather="download times=9: stall-20-after-50%")
async def test_a_scheduler_that_dies_ends_what_ran_there_as_temporary(emulator: EmulatorServer, tmp_path: Path) -> None:
    """Nothing hangs and nothing stays: the same run may succeed when there is a cluster again."""
    with all_are_large(), a_cluster(1) as address:
        async with on_dask(emulator, tmp_path, dask=address) as night:
            jobs = await planned(night.exporter, [Entity.ADS, Entity.TARGETS])
            pulling = asyncio.create_task(pulled(night.exporter, jobs, night.sink))
            while not night.under_way:  # noqa: ASYNC110  another process's progress has no event to wait for
                await asyncio.sleep(0.005)
            scheduler = await night.seats.cluster._open_client.run_on_scheduler(os.getpid)
            os.kill(scheduler, signal.SIGKILL)
            outcomes = await pulling
            assert [type(outcome) for outcome in outcomes] == [Failed, Failed]
            errors = [outcome.error for outcome in outcomes if isinstance(outcome, Failed)]
            assert {type(error) for error in errors} == {ClusterLost}
            assert "cannot be reached any more" in str(errors[0])
            assert repr(night.seats.cluster).endswith(" lost>")
            with pytest.raises(ClusterLost):
                night.seats.cluster.seat(99)
    assert night.stored(jobs) == {}
