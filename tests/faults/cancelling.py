"""A small run in rough weather, cancelled at each of its suspensions; what must be true then, and after the next run.

``python -X dev -W error -m tests.faults.cancelling`` sweeps in Python's development mode, where whatever is not closed
or not awaited says so on standard error; ``--every N`` looks at each N-th suspension only.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from asyncexport import Entity, Exporter, Job, plan
from asyncexport.adapters.journal import read
from asyncexport.models import Exported, Outcome
from asyncexport.ports import Listener, Sink
from asyncexport.sinks import JsonLines
from asyncexport.sinks.files.codecs import zstd
from asyncexport.testing import FakeClock
from tests.faults.stepping import Course, course_of
from tests.faults.wireless import Wireless

ROUGH = """
    token nth=1: return-503
    poll entity=campaigns nth=1: return-429
    request entity=targets nth=1: lost-answer
    download entity=targets nth=1: broken-after-40%
    download entity=campaigns nth=1: flip-bit-50%
"""
ENTITIES = (Entity.CAMPAIGNS, Entity.TARGETS)


@contextmanager
def quick_folder() -> Iterator[Path]:
    """Give a folder in memory where there is one: a sweep syncs thousands of times, and no power is lost in it."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


class Case:
    """One folder, one server, and the runs that are made there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wire = Wireless(FakeClock(), weather=ROUGH)
        self.sink: Sink = JsonLines(folder / "out")
        self.listener: Listener | None = None

    @asynccontextmanager
    async def exporter(self) -> AsyncIterator[tuple[Exporter, list[Job]]]:
        """Enter an exporter and plan its jobs."""
        async with Exporter(
            [self.wire.account()],
            state_dir=self.folder / "state",
            transport=self.wire,
            clock=self.wire.clock,
            random=lambda: 0.5,
            listener=self.listener,
        ) as exporter:
            yield exporter, plan(await exporter.profiles(), entities=ENTITIES, snapshot="s")

    async def run(self) -> list[Outcome]:
        """Pull every job into the sink."""
        async with self.exporter() as (exporter, jobs), exporter.run(jobs, sink=self.sink) as outcomes:
            return [outcome async for outcome in outcomes]

    async def stream(self) -> bytes:
        """Read one export, storing nothing."""
        async with self.exporter() as (exporter, jobs), exporter.batches(jobs[1]) as batches:
            return b"".join([batch.text async for batch in batches])

    def next_loop(self) -> None:
        """Go on in another event loop, in fair weather: a clock belongs to one loop."""
        self.wire.clock = FakeClock(self.wire.clock.now())
        self.wire.fair()

    def noted(self) -> dict[tuple[str, str], str]:
        """Return the export ids that the journal knows, by entity and profile."""
        rows = read(self.folder / "state")
        return {(row["entity"], row["profile_id"]): row["export_id"] for row in rows if row["export_id"]}

    def check_nothing_partial(self) -> None:
        """No ``.part`` is there; what has a final name is whole; what the journal calls committed is there."""
        assert not list(self.folder.rglob("*.part"))
        stored = {path.parts[-4].removeprefix("entity="): path for path in self.files()}
        for entity, path in stored.items():
            assert self.text_in(path) == self.truth(entity)
        committed = {row["entity"] for row in read(self.folder / "state") if row["state"] == "committed"}
        assert committed <= set(stored)

    def check_resumes(self) -> None:
        """The next run completes, and asks for nothing again whose id was noted."""
        self.next_loop()
        noted, asked = self.noted(), len(self.wire.posts)
        known = {record.export_id for record in self.wire.state.journal.values()}
        assert set(noted.values()) <= known
        course = course_of(self.run)
        assert course.error is None, course.error
        assert isinstance(course.result, list)
        assert all(isinstance(outcome, Exported) for outcome in course.result)
        assert len(course.result) == len(ENTITIES)
        assert not noted.keys() & set(self.wire.posts[asked:])
        assert len(self.files()) == len(ENTITIES)
        self.check_nothing_partial()

    def files(self) -> list[Path]:
        """Return the data files that have a final name."""
        return sorted(self.folder.rglob("part-*.jsonl.zst"))

    def truth(self, entity: str) -> bytes:
        """Return what the export of an entity holds."""
        profile = next(iter(self.wire.state.world.profiles.values()))
        return self.wire.true_rows(profile.profile_id, Entity(entity))

    @staticmethod
    def text_in(path: Path) -> bytes:
        """Return the rows of a file."""
        return zstd.decompress(path.read_bytes())


def cancelled_run(at: int, *, times: int = 1, debug: bool = False) -> Course:
    """Cancel a run at suspension ``at`` and check all that must be true; the course ends earlier if it has fewer."""
    with quick_folder() as folder:
        case = Case(folder)
        course = course_of(case.run, cancel_at=at, times=times, debug=debug)
        case.check_nothing_partial()
        if course.steps >= at:
            assert isinstance(course.error, asyncio.CancelledError), f"at {at}: {course.error!r}"
            case.check_resumes()
        else:
            assert not case.wire.state.weather.unmet()
        return course


def cancelled_stream(at: int, *, times: int = 1, debug: bool = False) -> Course:
    """Cancel the reading of one export at suspension ``at``; nothing is stored, and a later run is not disturbed."""
    with quick_folder() as folder:
        case = Case(folder)
        course = course_of(case.stream, cancel_at=at, times=times, debug=debug)
        assert not case.files()
        if course.steps >= at:
            assert isinstance(course.error, asyncio.CancelledError), f"at {at}: {course.error!r}"
            case.check_resumes()
        else:
            assert course.result == case.truth("targets")
        return course


def sweep(cancelled: Callable[..., Course], *, every: int = 1, times: int = 1, debug: bool = False) -> int:
    """Cancel at every suspension there is (or each ``every``-th); return at how many."""
    at = count = 1
    while cancelled(at, times=times, debug=debug).steps >= at:
        at += every
        count += 1
    return count - 1


def main() -> None:
    """Sweep all."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.cancelling", description="cancel everywhere")
    parser.add_argument("--every", type=int, default=1)
    every = parser.parse_args().every
    for name, cancelled in (("run", cancelled_run), ("stream", cancelled_stream)):
        for times in (1, 3):
            count = sweep(cancelled, every=every, times=times, debug=True)
            said = f"{name}: cancelled {times} times in a row from each of {count} suspensions, nothing left"
            sys.stdout.write(f"{said}\n")


if __name__ == "__main__":
    main()
