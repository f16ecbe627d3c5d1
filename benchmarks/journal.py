"""The journal alone: what a night of 40,000 exports costs it, and what a month of nights costs the next run.

    python -m benchmarks.journal --jobs 40000 --concurrency 100 --nights 1

Every job is noted three times (intended, requested, committed), each note awaited before the next as a run does it,
``--concurrency`` jobs at a time; every note that is awaited is on the disk. Then the next run's questions are asked:
opening (which checks the whole file), recalling every job, and what ``status`` reads. With ``--nights`` the file
already holds so many earlier nights.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import anyio

from asyncexport.accounts import Region
from asyncexport.adapters.journal import FILE, SqliteJournal, read, tally
from asyncexport.adapters.journal.noting import Entry
from asyncexport.errors import AsyncexportError
from asyncexport.models import Entity, Job, Profile, Receipt
from asyncexport.notes import Committed, Intended, Requested

Rows = list[tuple[str, str]]


class Counted(SqliteJournal):
    """A journal that counts its transactions."""

    transactions = 0

    def _write_batch(self, entries: Sequence[Entry]) -> Sequence[AsyncexportError | None]:
        self.transactions += 1
        return super()._write_batch(entries)


class Figures:
    """Lines of the table: wall and processor seconds of each step, and plain values."""

    def __init__(self) -> None:
        self.rows: Rows = []

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time the block."""
        began, busy = time.perf_counter(), time.process_time()
        yield
        wall, cpu = time.perf_counter() - began, time.process_time() - busy
        self.rows.append((name, f"{wall:.2f} s ({cpu:.2f} s CPU)"))

    def table(self) -> str:
        """Return the figures as a Markdown table."""
        return "\n".join(["| figure | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in self.rows)])


def jobs_of(night: str, jobs: int) -> list[Job]:
    """Return a night's jobs: four for each profile."""
    profiles = (Profile("account-1", Region.EU, str(10**12 + number)) for number in range((jobs + 3) // 4))
    return [Job(profile, entity, snapshot=night) for profile in profiles for entity in Entity][:jobs]


def receipt_of(job: Job, export_id: str) -> Receipt:
    """Return a receipt of the usual size."""
    where = f"exports/entity={job.entity.value}/snapshot={job.snapshot}/profile_id={job.profile.profile_id}"
    return Receipt(export_id, rows=100, bytes=5000, sha256="ab" * 32, location=f"{where}/part-0.jsonl.zst")


async def note_all(journal: SqliteJournal, jobs: list[Job], concurrency: int) -> None:
    """Take every job through its life, so many at a time."""
    waiting = iter(enumerate(jobs))

    async def work() -> None:
        for number, job in waiting:
            export_id = f"{number:051d}"
            await journal.note(job, Intended())
            await journal.note(job, Requested(export_id))
            await journal.note(job, Committed(receipt_of(job, export_id), 20.0 + number % 7))

    async with anyio.create_task_group() as tasks:
        for _ in range(concurrency):
            tasks.start_soon(work)


async def measure(folder: Path, jobs: int, concurrency: int, nights: int) -> Figures:
    """Fill the journal with earlier nights, then time one night and the questions of the next run."""
    figures, tonight = Figures(), jobs_of("2026-11-23", jobs)
    for night in range(nights):
        async with SqliteJournal(folder) as before:
            earlier = jobs_of(f"earlier-{night:02}", jobs)
            await asyncio.gather(*(before.note(job, Committed(receipt_of(job, "e" * 51), 20.0)) for job in earlier))
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    journal = Counted(folder)
    async with journal:
        with figures.step("recall before the first note"):
            await journal.recall(tonight)
        with figures.step("what earlier nights taught, before the first note"):
            await journal.habits(tonight)
        with figures.step(f"{3 * jobs:,} notes, {concurrency} jobs at a time"):
            await note_all(journal, tonight, concurrency)
        figures.rows.append(("transactions, each synced to the disk", f"{journal.transactions:,}"))
    with figures.step("opening, which checks the whole file"):
        async with SqliteJournal(folder):
            pass
    async with SqliteJournal(folder) as later:
        with figures.step("recall of every job"):
            known = await later.recall(tonight)
        with figures.step("what was learned of every job"):
            learned = await later.habits(tonight)
    with figures.step("status: every label counted, one label read"):
        labels, rows = tally(folder, kept_since=0.0), read(folder, snapshot="2026-11-23")
    if {len(known), len(learned), len(rows), labels[-1].committed} != {jobs}:
        raise SystemExit("the journal does not know every job as committed")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held) / 1024
    figures.rows.append(("growth of peak memory", f"{grown:.0f} MiB"))
    figures.rows.append(("file", f"{(folder / FILE).stat().st_size / 1e6:.1f} MB"))
    return figures


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=40_000)
    parser.add_argument("--concurrency", type=int, default=100)
    parser.add_argument("--nights", type=int, default=0, help="earlier nights that the file already holds")
    parser.add_argument("--folder", help="where the journal is made; default the system's temporary folder")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        figures = asyncio.run(measure(Path(folder), chosen.jobs, chosen.concurrency, chosen.nights))
    print(figures.table())


if __name__ == "__main__":
    main()
