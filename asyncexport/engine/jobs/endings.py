"""How jobs end: each with its one outcome, or with none if the run drains before it starts.

A job in parts ends when the last of its parts has. If all are there they are settled in the sink as what the job
consists of, and the job is noted as committed. If one failed so has the job, with the first error there was: that is
noted, whether the last part failed, was committed, or was taken back because the run drains or was stopped. What is
committed stays, and the next run finds it. If parts were only left out the job has no outcome, and its note as a split
says the rest.

Parts are taken back by who cannot wait for a note, so the note is made in a task of the run then. Worst case: the run
is cancelled before that, and the journal says what it said before: the job is split, and its parts stand as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import anyio
from anyio.abc import TaskGroup

from asyncexport.engine.jobs.family import Family, Member
from asyncexport.engine.jobs.score import Score
from asyncexport.engine.transfers.border import Guard
from asyncexport.engine.transfers.scarcity import Scarcity
from asyncexport.errors import AsyncexportError, DiskFull, StateError
from asyncexport.events import JobFinished, PartFinished
from asyncexport.models import Exported, Failed, Job, Outcome, Receipt
from asyncexport.notes import Committed, Dropped
from asyncexport.ports import Journal, Listener, Sink
from asyncexport.sansio.transfers.recovery import is_worth_collecting


class Endings:
    """The endings of one run's jobs, and how many are still to come. ``stop_if_full`` hears what settling met."""

    _tasks: TaskGroup
    _deliver: Callable[[Outcome], None]

    def __init__(
        self,
        *,
        journal: Journal,
        sink: Sink,
        guard: Guard,
        scarcity: Scarcity,
        listener: Listener,
        score: Score,
        stop_if_full: Callable[[AsyncexportError], None],
    ) -> None:
        self._journal = journal
        self._sink = sink
        self._guard = guard
        self._scarcity = scarcity
        self._listener = listener
        self._score = score
        self._stop_if_full = stop_if_full
        self._awaited = 0
        self._none_awaited = anyio.Event()

    def begin(self, tasks: TaskGroup, deliver: Callable[[Outcome], None]) -> None:
        """Give outcomes to ``deliver``; ``tasks`` live until all jobs have ended. Called before any begins."""
        self._tasks = tasks
        self._deliver = deliver

    def expect(self) -> None:
        """One more job has begun."""
        self._awaited += 1

    async def all(self) -> None:
        """Wait until every job that has begun has ended."""
        while self._awaited:
            self._none_awaited = anyio.Event()
            await self._none_awaited.wait()

    def finish(self, outcome: Outcome) -> None:
        """A job has its outcome."""
        if isinstance(outcome, Failed):
            _let_go(outcome.error)
        self._score.count(outcome)
        self._listener(JobFinished(outcome))
        self._deliver(outcome)
        self._settle()

    async def fail(self, job: Job, member: Member | None, error: AsyncexportError) -> None:
        """A job, or a part of one, has failed on its way: a later run has to know."""
        await self._note_failure(job, error)
        if member is None:
            self.finish(Failed(job, error))
        else:
            await self.lose(member, error)

    async def bring(self, member: Member, receipt: Receipt, *, found: bool = False) -> None:
        """A part is committed; with the last one the job is."""
        family = member.family
        family.committed(member.number, receipt)
        self._listener(PartFinished(family.job, Exported(member.job, receipt, found)))
        if family.receipt is None:
            await self._conclude(family)
        else:
            await self._complete(family, family.receipt)

    async def lose(self, member: Member, error: AsyncexportError) -> None:
        """A part has failed; so has the job, when the others have ended."""
        self._fail_part(member, error)
        await self._conclude(member.family)

    def take_back(self, job: Job, member: Member | None, error: AsyncexportError | None) -> None:
        """A job, or a part of one, is not started in this run; ``error`` says what stopped that, None if it drains."""
        if member is None:
            if error is None:
                self._settle()
            else:
                self.finish(Failed(job, error))
            return
        family = member.family
        if error is None:
            family.withdrawn(member.number)
        else:
            self._fail_part(member, error)
        if family.has_ended:
            self._tasks.start_soon(self._conclude, family)

    def _fail_part(self, member: Member, error: AsyncexportError) -> None:
        member.family.failed(member.number, error)
        self._listener(PartFinished(member.family.job, Failed(member.job, error)))

    async def _complete(self, family: Family, receipt: Receipt) -> None:
        parts = len(receipt.parts)
        try:
            await self._scarcity.endured(lambda: self._guard(self._sink).settle(family.job, parts))
            await self._journal.note(family.job, Committed(receipt))
        except AsyncexportError as error:
            await self._note_failure(family.job, error)
            self.finish(Failed(family.job, error))
            self._stop_if_full(error)
        else:
            self.finish(Exported(family.job, receipt))

    async def _conclude(self, family: Family) -> None:
        """If all parts have ended, and not all are there, the job has failed, or was not done."""
        if not family.has_ended:
            return
        if family.error is None:
            self._settle()
        else:
            await self._note_failure(family.job, family.error)
            self.finish(Failed(family.job, family.error))

    async def _note_failure(self, job: Job, error: AsyncexportError) -> None:
        with suppress(StateError, DiskFull):  # the failure that is told is the first one
            await self._journal.note(job, Dropped(error, keep=is_worth_collecting(error)))

    def _settle(self) -> None:
        self._awaited -= 1
        if not self._awaited:
            self._none_awaited.set()

    def __repr__(self) -> str:
        return f"<Endings {self._awaited} to come>"


def _let_go(error: AsyncexportError) -> None:
    """Cut an error loose from the frames it passed through: they hold what its transfer had decoded."""
    error.__traceback__ = None
    if error.__cause__ is None:
        error.__context__ = None
