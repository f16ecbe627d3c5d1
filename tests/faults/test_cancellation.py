"""Cancelled at any suspension, interrupted by a bug, short of descriptors: nothing is left, and the next run completes.

The sweep is exhaustive because the run is deterministic (:mod:`tests.faults.stepping`); the same run over real sockets
is sampled. Bugs are exceptions of a listener or a sink that no contract foresees.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from anyio.lowlevel import checkpoint

from asyncexport import Entity, Exporter, Schedule, plan
from asyncexport.batch import Batch
from asyncexport.emulator.server import EmulatorServer
from asyncexport.errors import ConfigError, SinkError
from asyncexport.events import Event
from asyncexport.models import Exported, Failed, Receipt, TransferOrder
from asyncexport.ports import SinkWriter
from asyncexport.pytest_plugin import emulated
from asyncexport.sansio.pacing.backoff import Backoff
from asyncexport.sinks import JsonLines, Memory
from asyncexport.testing import FakeClock
from tests.faults.cancelling import ENTITIES, Case, cancelled_run, cancelled_stream, quick_folder, sweep
from tests.faults.stepping import Course, Work, course_of, course_within
from tests.faults.wireless import Wireless

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout("240")  # some hundred runs and as many resumed ones; a quarter of a minute on an idle machine
def test_a_run_that_is_cancelled_at_any_suspension() -> None:
    """Whatever waits, cancelling the caller leaves nothing behind and the next run completes (C10, C11)."""
    assert sweep(cancelled_run) > 100


@pytest.mark.timeout("240")
def test_a_run_that_is_cancelled_again_while_it_cleans_up() -> None:
    """Cancelling three times in a row, from any suspension on, changes nothing of that."""
    assert sweep(cancelled_run, times=3, every=4) > 25


@pytest.mark.timeout("240")
@pytest.mark.parametrize("times", [1, 3])
def test_reading_rows_that_is_cancelled_at_any_suspension(times: int) -> None:
    """A streamed export that is cancelled leaves nothing behind and disturbs no later run."""
    assert sweep(cancelled_stream, times=times, every=2) > 25


@pytest.mark.timeout("240")
async def test_cancelling_in_development_mode() -> None:
    """With every warning an error, nothing unclosed and nothing never awaited is complained of."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-X", "dev", "-W", "error", "-m", "tests.faults.cancelling", "--every", "11"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert (process.returncode, err.decode()) == (0, "")
    assert out.count(b"nothing left") == 4


class Waiting:
    """A sink whose every step waits, and that counts its open blocks; ``committed`` holds what was sealed and left."""

    def __init__(self) -> None:
        self.inside = 0
        self.memory = Memory()

    @asynccontextmanager
    async def open(self, order: TransferOrder) -> AsyncIterator[SinkWriter]:
        """Begin, a moment later."""
        self.inside += 1
        try:
            await checkpoint()
            async with self.memory.open(order) as writer:
                yield _WaitingWriter(writer)
                await checkpoint()
        finally:
            self.inside -= 1

    async def find(self, order: TransferOrder) -> None:  # noqa: ARG002 - the port's signature
        """Find nothing, a moment later."""
        await checkpoint()


class _WaitingWriter:
    def __init__(self, writer: SinkWriter) -> None:
        self._writer = writer
        self.seal = writer.seal

    async def write(self, batch: Batch) -> None:
        await checkpoint()
        await self._writer.write(batch)

    @property
    def receipt(self) -> Receipt:
        return self._writer.receipt


@pytest.mark.timeout("240")
def test_a_sink_that_is_cancelled_in_any_of_its_steps() -> None:
    """A sink's block is left, and what was not committed is not there (S8)."""
    assert sweep(_cancelled_with_a_waiting_sink, every=2) > 60


def _cancelled_with_a_waiting_sink(at: int, **_: object) -> Course:
    with quick_folder() as folder:
        case = Case(folder)
        case.sink = sink = Waiting()
        course = course_of(case.run, cancel_at=at)
        assert sink.inside == 0
        texts = [stored.text for parts in sink.memory.store.values() for stored in parts.values()]
        assert set(texts) <= {case.truth(entity.value) for entity in ENTITIES}
        if course.steps < at:
            assert len(texts) == len(ENTITIES)
        else:
            case.sink = JsonLines(folder / "out")
            case.check_resumes()
        return course


@pytest.mark.timeout("240")
def test_a_run_over_sockets_that_is_cancelled_anywhere(tmp_path: Path) -> None:
    """Real connections are closed too, on both sides (C11)."""
    at = 1
    while True:
        folder = tmp_path / str(at)

        @asynccontextmanager
        async def around(folder: Path = folder) -> AsyncIterator[Work]:
            state = emulated(profiles=1, accounts=1, rows=60, weather="download nth=1: broken-after-40%")
            async with EmulatorServer(state) as server:

                async def work() -> None:
                    quick = {"schedule": Schedule(first=0.001, longest=0.002), "backoff": Backoff(first=0.001)}
                    async with Exporter(server.accounts(), state_dir=folder / "state", **quick) as exporter:  # type: ignore[arg-type]
                        jobs = plan(await exporter.profiles(), entities=ENTITIES, snapshot="s")
                        async with exporter.run(jobs, sink=JsonLines(folder / "out")) as outcomes:
                            assert [isinstance(each, Exported) async for each in outcomes] == [True, True]

                yield work

        course = course_within(around, cancel_at=at)
        assert not list(folder.rglob("*.part"))
        if course.steps < at:
            break
        assert isinstance(course.error, asyncio.CancelledError), f"at {at}: {course.error!r}"
        at += 7
    assert at > 50


def test_a_caller_that_is_cancelled_while_it_refreshes_the_token() -> None:
    """Whoever waits behind it refreshes instead, and gets a token (T11)."""

    async def work() -> None:
        wire = Wireless(FakeClock())
        account = wire.account()
        async with Exporter([account], transport=wire, clock=wire.clock) as exporter:
            first = asyncio.create_task(exporter.check(account))
            others = [asyncio.create_task(exporter.check(account)) for _ in range(20)]
            while not wire.under_way:
                await checkpoint()
            first.cancel()
            await asyncio.gather(*others)
            assert first.cancelled()
        assert wire.state.counters.requests["token"] == 1

    assert course_of(work).error is None


class Bug(BaseException):
    """What no contract foresees."""


@pytest.mark.parametrize("error", [Bug("no"), MemoryError("no"), ZeroDivisionError("no")], ids=repr)
@pytest.mark.parametrize("name", ["export.requested", "transfer.progressed", "job.finished", "run.started"])
def test_a_listener_that_raises(error: BaseException, name: str, tmp_path: Path) -> None:
    """It ends the run as itself; nothing is left behind and the next run completes (C12)."""
    case = Case(tmp_path)

    def listen(event: Event) -> None:
        if event.name == name:
            raise error

    case.listener = listen
    course = course_of(case.run)
    assert course.error is error
    case.check_nothing_partial()
    case.listener = None
    case.check_resumes()


class Failing(Waiting):
    """A sink that raises ``error`` at its first write."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    @asynccontextmanager
    async def open(self, order: TransferOrder) -> AsyncIterator[SinkWriter]:
        """Begin."""
        async with super().open(order) as writer:
            if order.job.entity is Entity.TARGETS:
                raise self.error
            yield writer


def test_a_sink_that_raises_what_nobody_foresees(tmp_path: Path) -> None:
    """A BaseException ends the run as itself, its siblings are cancelled, the next run completes (C12)."""
    case = Case(tmp_path)
    case.sink = sink = Failing(Bug("no"))
    course = course_of(case.run)
    assert isinstance(course.error, Bug)
    assert sink.inside == 0
    case.sink = JsonLines(tmp_path / "out")
    case.check_resumes()


def test_a_sink_that_runs_out_of_memory(tmp_path: Path) -> None:
    """That is the failure of its own export; the others go on (C12)."""
    case = Case(tmp_path)
    case.sink = Failing(MemoryError("no"))
    course = course_of(case.run)
    assert isinstance(course.result, list)
    assert {outcome.job.entity: isinstance(outcome, Exported) for outcome in course.result} == {
        Entity.CAMPAIGNS: True,
        Entity.TARGETS: False,
    }
    assert [type(outcome.error) for outcome in course.result if isinstance(outcome, Failed)] == [SinkError]


async def test_a_wall_clock_that_jumps(
    emulator: EmulatorServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Years back and forth between any two looks at it change nothing (C13)."""
    real, turns = time.time, count()
    monkeypatch.setattr(time, "time", lambda: real() + (-1) ** next(turns) * 3.0e8)
    began = time.monotonic()
    async with Exporter(emulator.accounts(), state_dir=tmp_path, schedule=Schedule(first=0.001)) as exporter:
        jobs = plan(await exporter.profiles(), snapshot="s")
        async with exporter.run(jobs, sink=Memory()) as outcomes:
            assert [isinstance(outcome, Exported) async for outcome in outcomes] == [True] * 16
    assert exporter.summary.seconds <= time.monotonic() - began


FORKING = """
import asyncio, os, sys
from asyncexport import Exporter
from asyncexport.errors import ConfigError
from asyncexport.testing import FakeClock
from tests.faults.wireless import Wireless

async def main():
    wire = Wireless(FakeClock())
    async with Exporter([wire.account()], state_dir=sys.argv[1], transport=wire, clock=wire.clock) as exporter:
        if (child := os.fork()) == 0:
            try:
                asyncio.run(exporter.profiles())
            except ConfigError as error:
                os._exit(7 if "another event loop" in str(error) else 8)
            os._exit(9)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert len(await exporter.profiles()) == 1

asyncio.run(main())
"""


async def test_an_exporter_in_a_forked_child(tmp_path: Path) -> None:
    """The child is told at once that this exporter is not its own, and the parent goes on (C14)."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FORKING, str(tmp_path), cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert await process.wait() == 0


def test_an_exporter_in_another_loop() -> None:
    """It is a typed error and no hang (C14)."""
    wire = Wireless(FakeClock())
    exporter = Exporter([wire.account()], transport=wire, clock=wire.clock)

    async def enter() -> None:
        await exporter.__aenter__()

    async def use() -> None:
        with pytest.raises(ConfigError, match="another event loop"):
            await exporter.profiles()

    asyncio.run(enter())
    asyncio.run(use())


@pytest.mark.timeout("120")  # two processes, each with a hundred and twenty exports
@pytest.mark.emulator(profiles=30, accounts=1, rows=900, cap=None)
async def test_a_process_that_may_hardly_open_a_file(emulator: EmulatorServer, tmp_path: Path) -> None:
    """What finds no descriptor is done again, or fails as what passes; none leaks; the next run completes (C15)."""
    report = await _few_files(emulator, tmp_path, room=12)
    assert report["left"] == []
    assert report["scarce"]
    assert set(report["outcomes"]) <= {"Exported", "TooManyOpenFiles"}
    assert report["outcomes"].get("Exported", 0) > 0
    assert not partial(tmp_path)
    roomy = await _few_files(emulator, tmp_path, room=0)
    assert roomy == {"outcomes": {"Exported": 120}, "left": [], "scarce": 0}


def partial(folder: Path) -> list[Path]:
    return list(folder.rglob("*.part"))


async def _few_files(server: EmulatorServer, folder: Path, room: int) -> dict[str, Any]:
    accounts = [
        {
            "name": grant.account,
            "region": grant.region.value,
            "client_id": grant.client_id,
            "client_secret": grant.client_secret,
            "refresh_token": grant.refresh_token,
            "api_url": server.api_url,
            "token_url": server.token_url,
            "download_hosts": ["127.0.0.1"],
        }
        for grant in server.state.world.grants
    ]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-X", "dev", "-W", "error", "-m", "tests.faults.few_files", str(folder), str(room)),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate("\n".join(map(json.dumps, accounts)).encode())
    assert (process.returncode, err.decode()) == (0, "")
    report: dict[str, Any] = json.loads(out)
    return report
