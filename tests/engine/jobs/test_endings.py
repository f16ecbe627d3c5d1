"""How jobs end, whole or in parts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio
import pytest

from asyncexport.adapters.journal import SqliteJournal, tally
from asyncexport.emulator.server import EmulatorServer
from asyncexport.engine.jobs.endings import Endings
from asyncexport.engine.jobs.family import Family
from asyncexport.engine.jobs.score import Score
from asyncexport.engine.jobs.tally import Tally
from asyncexport.engine.transfers.border import GuardedSink
from asyncexport.engine.transfers.scarcity import Scarcity
from asyncexport.errors import AsyncexportError, DiskFull, ServerError, SinkError
from asyncexport.events import JobFinished, PartFinished
from asyncexport.models import Entity, Exported, Failed, Job, Outcome, Receipt
from asyncexport.notes import Note, Requested, Split
from asyncexport.sansio.pacing.backoff import Backoff
from asyncexport.sansio.scheduling.splitting import split
from asyncexport.sinks import JsonLines, Memory
from asyncexport.testing import FakeClock, MemoryJournal
from tests.engine.pulling import exporter, planned, pulled
from tests.engine.support import JOB, Events

FULL = DiskFull("not started")


def receipt(number: int) -> Receipt:
    return Receipt(f"e-{number}", 1, 10, f"{number:02x}", f"part-{number}")


class Desk:
    """Endings of a run with one job, which is noted as split, and everything that can be seen of them."""

    def __init__(self, sink: Memory | None = None, journal: MemoryJournal | None = None) -> None:
        clock, spread = FakeClock(), lambda: 0.5
        self.events = Events()
        self.journal = journal or MemoryJournal()
        self.outcomes: list[Outcome] = []
        self.full: list[AsyncexportError] = []
        self.family = Family(JOB, split(JOB.filters, JOB.entity))
        self.endings = Endings(
            journal=self.journal,
            sink=sink or Memory(),
            guard=partial(GuardedSink, clock=clock, seconds=60.0, listener=self.events),
            scarcity=Scarcity(lambda: None, clock=clock, spread=spread, backoff=Backoff(), listener=self.events),
            listener=self.events,
            score=Score(clock, Tally(), Tally()),
            stop_if_full=self.full.append,
        )

    @asynccontextmanager
    async def run(self) -> AsyncIterator[Endings]:
        """Run until the job has ended."""
        await self.journal.note(JOB, Split(self.family.filters))
        async with anyio.create_task_group() as tasks:
            self.endings.begin(tasks, self.outcomes.append)
            self.endings.expect()
            yield self.endings
            await self.endings.all()

    @property
    def parts(self) -> list[type[Outcome]]:
        """How the parts have ended that have."""
        return [type(event.outcome) for event in self.events if isinstance(event, PartFinished)]

    @property
    def told(self) -> list[Outcome]:
        """The outcomes that listeners have heard of."""
        return [event.outcome for event in self.events if isinstance(event, JobFinished)]


async def test_parts_that_are_taken_back_because_the_run_was_stopped() -> None:
    """They fail with what stopped it, and so does the job: once, and the journal knows."""
    desk = Desk()
    async with desk.run() as endings:
        await endings.bring(desk.family.members[0], receipt(0))
        for member in desk.family.members[1:]:
            endings.take_back(member.job, member, FULL)

    assert desk.outcomes == desk.told == [Failed(JOB, FULL)]
    assert desk.parts == [Exported, Failed, Failed]
    assert desk.journal.state_of(JOB) == "failed"
    assert repr(desk.endings) == "<Endings 0 to come>"


async def test_parts_that_are_taken_back_after_one_has_failed() -> None:
    """A run that drains leaves them out; the job has failed with the error there was, and the journal knows."""
    desk, error = Desk(), ServerError("gone")
    async with desk.run() as endings:
        first, *others = desk.family.members
        await endings.fail(first.job, first, error)
        for member in others:
            endings.take_back(member.job, member, None)

    assert desk.outcomes == [Failed(JOB, error)]
    assert desk.journal.state_of(JOB) == desk.journal.state_of(first.job) == "failed"


async def test_parts_that_are_left_out() -> None:
    """The job has no outcome, and is split as before."""
    desk = Desk()
    async with desk.run() as endings:
        for member in desk.family.members:
            endings.take_back(member.job, member, None)

    assert not desk.outcomes
    assert not desk.parts
    assert desk.journal.state_of(JOB) == "split"


async def test_jobs_that_are_taken_back() -> None:
    """One that is whole fails with what stopped the run, or has no outcome if that drains."""
    desk = Desk()
    async with desk.run() as endings:
        endings.expect()
        endings.take_back(JOB, None, FULL)
        endings.take_back(JOB, None, None)

    assert desk.outcomes == [Failed(JOB, FULL)]


class Unsettled(Memory):
    """A sink that cannot settle parts."""

    async def settle(self, job: Job, parts: int) -> None:
        """Fail."""
        raise SinkError(f"no {parts} parts of {job}")


class Full(MemoryJournal):
    """A journal that has no room for how a job ended."""

    async def note(self, job: Job, note: Note) -> None:
        """Fail, but for splits."""
        if not isinstance(note, Split):
            raise DiskFull("no room")
        await super().note(job, note)


async def test_all_parts() -> None:
    """They are settled, and then the job is committed."""
    desk = Desk()
    async with desk.run() as endings:
        for member in desk.family.members:
            await endings.bring(member, receipt(member.number))

    assert desk.outcomes == [Exported(JOB, Receipt.of_parts([receipt(number) for number in range(3)]))]
    assert desk.journal.state_of(JOB) == "committed"


async def test_parts_that_cannot_be_settled() -> None:
    """The job has failed although all its parts are there, and who stops runs hears why."""
    desk = Desk(Unsettled())
    async with desk.run() as endings:
        for member in desk.family.members:
            await endings.bring(member, receipt(member.number))

    (outcome,) = desk.outcomes
    assert isinstance(outcome, Failed)
    assert desk.full == [outcome.error]
    assert desk.journal.state_of(JOB) == "failed"


@pytest.mark.emulator(profiles=1, accounts=1, rows=3000, times_out_above=330)
async def test_a_run_that_was_killed_between_the_last_commit_and_its_note(
    emulator: EmulatorServer, tmp_path: Path
) -> None:
    """The next one finds the job in the sink, and nothing of it is left to be collected."""
    sink = JsonLines(tmp_path / "exports")
    async with SqliteJournal(tmp_path) as journal, exporter(emulator, journal=journal) as pulling:
        (job,) = await planned(pulling, [Entity.ADS])
        await pulled(pulling, [job], sink)
        parts = (await journal.recall([job]))[job.key].split
        await journal.note(job, Split(parts))
        await journal.note(replace(job, filters=parts[0]), Requested("export-1"))
        assert [label.collectable for label in tally(tmp_path, kept_since=0.0)] == [1]
        (outcome,) = await pulled(pulling, [job], sink)

    assert isinstance(outcome, Exported)
    assert outcome.found
    assert [(label.committed, label.collectable) for label in tally(tmp_path, kept_since=0.0)] == [(1, 0)]


async def test_a_failure_that_cannot_be_noted() -> None:
    """It is told all the same, as it was."""
    desk, error = Desk(journal=Full()), ServerError("gone")
    async with desk.run() as endings:
        for member in desk.family.members:
            await endings.fail(member.job, member, error)

    assert desk.outcomes == [Failed(JOB, error)]
    assert error.__traceback__ is None
