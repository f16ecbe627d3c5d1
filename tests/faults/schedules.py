"""Many schedules: spread over processes, counted, and told in words when one of them fails.

    python -m tests.faults.schedules --count 100000 --seed 1        (or: make faults N=100000 SEED=1)
    python -m tests.faults.schedules --count 1 --seed 12345         replays one

Seeds are consecutive. Each process keeps one server and one event loop and runs its seeds one after the other. The
processes are nice: other tests, and people, come first.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import math
import os
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from asyncexport.events import JobSplit
from asyncexport.models import Exported, Failed
from tests.faults.bench import Bench, Observed, opened, profiles_of
from tests.faults.checkers import judge
from tests.faults.plans import Plan, draw
from tests.faults.telling import visits

_CHUNK = 250
_WORST = 5
_ENDLESS = 60.0
_NICE = 10


@dataclass(frozen=True)
class Failure:
    """A schedule that broke a promise."""

    plan: str
    seed: int
    complaints: tuple[str, ...]

    def __str__(self) -> str:
        told = "\n".join(f"  ! {each}" for each in self.complaints)
        return f"{self.plan}\n{told}\n  replay: make faults N=1 SEED={self.seed}"


@dataclass
class Figures:
    """What many schedules add up to. ``faults`` by word, ``outcomes`` by error."""

    schedules: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    dooms: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    calls: int = 0
    cpu_seconds: float = 0.0
    failures: list[Failure] = field(default_factory=list)

    def add(self, other: Figures) -> None:
        """Add the figures of other schedules."""
        self.schedules += other.schedules
        self.rows += other.rows
        self.calls += other.calls
        self.cpu_seconds += other.cpu_seconds
        self.faults += other.faults
        self.outcomes += other.outcomes
        self.kinds += other.kinds
        self.dooms += other.dooms
        self.failures += other.failures

    def count(self, seen: Observed) -> None:
        """Add one schedule."""
        plan = seen.plan
        self.schedules += 1
        self.kinds[_kind(plan)] += 1
        self.kinds["into files"] += plan.files
        self.kinds["with a journal"] += plan.journal
        self.kinds["with a second run"] += plan.resumes
        self.kinds["with a split"] += _has_split(seen)
        if plan.doom is not None:
            self.dooms[str(plan.doom)] += 1
        unmet = Counter(seen.unmet)
        for fault in plan.faults:
            met = not unmet[str(fault)]
            self.faults.update({f"{fault.stage} {word.name}": fault.times if met else 0 for word in fault.words})
        self.calls += seen.server.counters.requests.total()
        for visit in (seen.first, seen.second):
            for outcome in visit.outcomes if visit is not None else ():
                self.outcomes[_ending(outcome)] += 1
                self.rows += outcome.receipt.rows if isinstance(outcome, Exported) and not outcome.found else 0

    def __str__(self) -> str:
        return "\n".join(
            (
                f"{self.schedules} schedules: {_listed(self.kinds)}",
                f"faults met: {self.faults.total()}: {_listed(self.faults)}",
                f"outcomes: {self.outcomes.total()}: {_listed(self.outcomes)}",
                f"dooms by row of the matrix: {_listed(_by_row(self.dooms))}",
                f"{self.calls} calls, {self.rows} rows, {self.cpu_seconds:.0f} s of processor time",
                f"{len(self.failures)} schedules failed",
            )
        )


def _kind(plan: Plan) -> str:
    kinds = {"doomed": plan.doom, "troubled": plan.trouble, "left": plan.leaving}
    return next((name for name, value in kinds.items() if value is not None), "survivable")


def _has_split(seen: Observed) -> bool:
    return any(isinstance(event, JobSplit) for visit in visits(seen) for event in visit.events)


def _ending(outcome: Exported | Failed) -> str:
    if isinstance(outcome, Failed):
        return type(outcome.error).__name__
    return "found" if outcome.found else "exported"


def _by_row(dooms: Counter[str]) -> Counter[str]:
    rows: Counter[str] = Counter()
    for doom, count in dooms.items():
        rows[doom.partition(":")[0]] += count
    return rows


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())


async def run_seeds(seeds: Iterable[int], folder: Path) -> Figures:
    """Run schedules one after the other."""
    figures = Figures()
    async with opened(folder) as bench:
        for seed in seeds:
            plan = draw(seed, profiles_of)
            complaints = await _complaints(bench, plan, figures)
            if complaints:
                figures.failures.append(Failure(str(plan), seed, tuple(complaints)))
    return figures


async def _complaints(bench: Bench, plan: Plan, figures: Figures) -> list[str]:
    def look(seen: Observed) -> list[str]:
        figures.count(seen)
        return judge(seen)

    try:
        async with asyncio.timeout(_ENDLESS):
            return await bench.run(plan, look)
    except Exception as error:  # noqa: BLE001  a schedule that cannot be judged has failed, and the rest go on
        return [f"it did not come to its end: {error!r}", *traceback.format_exception(error)]


def _worker(seeds: range) -> Figures:
    """Run a chunk in a process of its own; every warning counts as an error."""
    warnings.simplefilter("error")
    gc.set_threshold(100_000, 20, 20)
    began = time.process_time()
    with tempfile.TemporaryDirectory(prefix="faults-", dir=_fast_folder()) as folder:
        figures = asyncio.run(run_seeds(seeds, Path(folder)))
    gc.collect()
    figures.cpu_seconds = time.process_time() - began
    return figures


def _fast_folder() -> str | None:
    """Return a folder in memory where there is one: what is tested here is order and content, not the disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def spread(
    seeds: range,
    *,
    processes: int,
    told: Callable[[Figures], object] = lambda _: None,
    seconds: float = math.inf,
) -> Figures:
    """Run schedules in several processes; ``told`` hears the figures so far; no chunk begins after ``seconds``."""
    figures, until = Figures(), time.monotonic() + seconds
    if processes == 1:
        return _worker(seeds)
    with ProcessPoolExecutor(processes, get_context("spawn"), initializer=os.nice, initargs=(_NICE,)) as pool:
        running = [pool.submit(_worker, chunk) for chunk in _chunks(seeds)]
        for done in as_completed(running):
            if done.cancelled():
                continue
            figures.add(done.result())
            told(figures)
            if time.monotonic() > until:
                for each in running:
                    each.cancel()
    return figures


def _chunks(seeds: range) -> Iterator[range]:
    return (seeds[at : at + _CHUNK] for at in range(0, len(seeds), _CHUNK))


def report(figures: Figures, seconds: float) -> str:
    """Return the figures and the first failures in words."""
    told = [str(figures), f"{seconds:.0f} s, {figures.schedules / max(seconds, 1e-9):.0f} schedules a second"]
    return "\n".join([*told, *map(str, figures.failures[:_WORST])])


class _Progress:
    """Says how far it is, and each failure once, as soon as it is known."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._began = time.monotonic()
        self._told = 0

    def __call__(self, figures: Figures) -> None:
        for failure in figures.failures[self._told :]:
            _say(str(failure))
        self._told = len(figures.failures)
        _say(f"{figures.schedules} of {self._count}, {self._told} failed, {self.seconds:.0f} s")

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began


def main() -> int:
    """Run schedules from the command line; the exit status says whether all held."""
    parser = argparse.ArgumentParser(description="Run fault schedules over real sockets.")
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin nothing new after so many")
    given = parser.parse_args()
    progress = _Progress(given.count)
    if given.count == 1:
        _say(str(draw(given.seed, profiles_of)))
    seeds = range(given.seed, given.seed + given.count)
    processes = 1 if given.count <= _CHUNK else given.processes
    figures = spread(seeds, processes=processes, told=progress, seconds=given.minutes * 60)
    _say(report(figures, progress.seconds))
    return 1 if figures.failures else 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
