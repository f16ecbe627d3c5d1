"""Exporters whose large exports run elsewhere, in processes of their own or on a Dask cluster, against the emulator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from asyncexport import Exporter, Job
from asyncexport.emulator.server import EmulatorServer
from asyncexport.engine.runners import Pool
from asyncexport.engine.runners.dask import local, seats
from asyncexport.events import Event, OddityNoticed
from asyncexport.sansio.scheduling import placing
from asyncexport.sinks import JsonLines
from tests.engine.pulling import BRISK, QUICK
from tests.engine.support import Events, true_text


@dataclass
class Night(ABC):
    """An exporter, and what it tells."""

    server: EmulatorServer
    folder: Path
    exporter: Exporter
    events: Events

    @property
    def sink(self) -> JsonLines:
        """Where rows go."""
        return JsonLines(self.folder, compression="none")

    told_of_staying: ClassVar[list[Event]] = []

    @abstractmethod
    async def victim(self) -> int:
        """Return the id of the process in which the one transfer runs."""

    @property
    @abstractmethod
    def has_stayed(self) -> bool:
        """Whether everything ran in the loop."""

    def stored(self, jobs: list[Job]) -> dict[Job, bytes]:
        """Read what is committed."""
        names = {job: f"entity={job.entity.value}/snapshot=night/profile_id={job.profile.profile_id}" for job in jobs}
        files = {job: self.folder / name / "part-0.jsonl" for job, name in names.items()}
        return {job: file.read_bytes() for job, file in files.items() if file.exists()}

    def truth(self, jobs: list[Job]) -> dict[Job, bytes]:
        """What the server has."""
        return {job: true_text(self.server, job) for job in jobs}

    @property
    def under_way(self) -> list[Path]:
        """The files that are being written."""
        return list(self.folder.rglob("part-*.part"))

    @property
    def remains(self) -> list[Path]:
        """What no run may leave."""
        return list(self.folder.rglob("*.part"))


class InProcesses(Night):
    """In processes of its own."""

    @property
    def pool(self) -> Pool:
        """The exporter's processes."""
        assert isinstance(self.exporter._places, Pool)
        return self.exporter._places

    async def victim(self) -> int:
        """Return the id of the one process."""
        [victim] = self.pool.pids
        return victim

    @property
    def has_stayed(self) -> bool:
        """Whether no process was started."""
        return self.pool.pids == []


class OnDask(Night):
    """On a cluster."""

    told_of_staying: ClassVar[list[Event]] = [
        OddityNoticed("Memory is for this process alone: nothing into it runs on the Dask cluster")
    ]

    @property
    def seats(self) -> seats.Seats:
        """The exporter's seats."""
        assert isinstance(self.exporter._places, seats.Seats)
        return self.exporter._places

    async def victim(self) -> int:
        """Return the id of the worker with the one seat that is taken."""
        [seat] = self.seats._seats.values()
        pids = await self.seats.cluster.asked(os.getpid)
        return int(pids[seat._seated.result().address])

    @property
    def has_stayed(self) -> bool:
        """Whether no seat was ever wanted."""
        return repr(self.seats._numbers) == "count(0)"


@asynccontextmanager
async def in_processes(server: EmulatorServer, folder: Path, *, workers: int = 1, **_: Any) -> AsyncIterator[Night]:
    """Enter an exporter; afterwards no process of it is left."""
    events = Events()
    exporter = Exporter(server.accounts(), workers=workers, schedule=QUICK, backoff=BRISK, listener=events)
    async with exporter:
        night = InProcesses(server, folder, exporter, events)
        yield night
        pids = night.pool.pids
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@asynccontextmanager
async def on_dask(server: EmulatorServer, folder: Path, *, dask: str, **_: Any) -> AsyncIterator[OnDask]:
    """Enter an exporter on the cluster there."""
    events = Events()
    exporter = Exporter(server.accounts(), runner="dask", dask=dask, schedule=QUICK, backoff=BRISK, listener=events)
    async with exporter:
        yield OnDask(server, folder, exporter, events)


@contextmanager
def a_cluster(workers: int = 2) -> Iterator[str]:
    """Have a Dask cluster in processes of its own for the length of the block; yield its address."""
    arguments = [local._BOOT, str(workers), "4", json.dumps(list(map(str, sys.path)))]
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-I", "-c", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate()


@contextmanager
def all_are_large() -> Iterator[None]:
    """Let every export be worth a journey and a seat, and every second one a process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(placing, "WORTH_A_JOURNEY", 0)
        patch.setattr(placing, "WORTH_A_START", 1)
        patch.setattr(seats, "WORTH_A_SEAT", 0)
        yield
