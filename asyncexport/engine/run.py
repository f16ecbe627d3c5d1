"""Many jobs at once: which start when, and exactly one outcome for each.

The plan. A *feeder* walks the jobs, asks the sink what is already there, and offers the rest to the slots of their
(client, region, endpoint). Slots decide synchronously who may start; a started job is one task: it makes its export
(:mod:`asyncexport.engine.making`), which gives the slot back the moment the terminal status is seen, then waits for one
of the transfer places, so that transfers never hold a slot. A job that was asked for in vain is put back and is no task
any more. So forty thousand jobs cost forty thousand small objects in queues and no more.

A job that is too large for one export is taken in parts (:mod:`asyncexport.engine.family`): each is found, asked for,
moved and noted like a job of its own, and when the last one has ended the job has its outcome.

Everything runs below one supervisor task that the ``async with`` block owns. Leaving the block cancels it and waits for
it; the caller's code never runs inside its task group, so the caller's exceptions come out as themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import anyio
from anyio.abc import TaskGroup

from asyncexport.engine.border import Guard
from asyncexport.engine.desk import Desk
from asyncexport.engine.export import Ready
from asyncexport.engine.family import Family, Member
from asyncexport.engine.making import DeskOf, Making, Pursuit
from asyncexport.engine.scarcity import Scarcity
from asyncexport.engine.score import Score
from asyncexport.engine.windows import Ticket, Windows
from asyncexport.errors import AsyncexportError, DiskFull, ExportExpired, ExportFailed, StateError
from asyncexport.events import ExportOrphaned, JobFinished, JobSplit, PartFinished, RunFinished, RunStarted
from asyncexport.models import Exported, Failed, Filters, Job, Outcome, Receipt, SignedUrl, Summary, TransferOrder
from asyncexport.notes import NOTHING_LEARNED, Committed, Dropped, Habit, Known, Split
from asyncexport.ports import Journal, Listener, Runner, Sink
from asyncexport.sansio.planning import distinct
from asyncexport.sansio.recovery import is_worth_collecting
from asyncexport.sansio.splitting import TIMED_OUT, split

_LOOKUPS = 8


class Run:
    """One call of ``Exporter.run``; :meth:`supervise` is the whole of it."""

    def __init__(
        self,
        jobs: Iterable[Job],
        sink: Sink,
        *,
        desk_of: DeskOf,
        runner: Runner,
        windows: Windows[Pursuit],
        making: Making,
        scarcity: Scarcity,
        listener: Listener,
        score: Score,
        journal: Journal,
        again: bool,
        guard: Guard,
    ) -> None:
        self._jobs = distinct(jobs)
        self._sink = sink
        self._desk_of = desk_of
        self._runner = runner
        self._windows = windows
        self._making = making
        self._scarcity = scarcity
        self._listener = listener
        self._score = score
        self._journal = journal
        self._known: Mapping[tuple[str, ...], Known] = {}
        self._habits: Mapping[tuple[str, ...], Habit] = {}
        self._again = again
        self._guard = guard
        self._deliver: Callable[[Outcome], None] = _nowhere
        self._lookups = anyio.Semaphore(_LOOKUPS)
        self._open = True
        self._unsettled = 0
        self._all_settled = anyio.Event()
        self._stopped_by: AsyncexportError | None = None

    @property
    def summary(self) -> Summary:
        """The run in numbers, so far."""
        return self._score.summary

    def drain(self) -> None:
        """Start no further job; what is in progress goes on. Jobs that wait, a second time too, get no outcome."""
        self._open = False
        self._call_back()

    async def supervise(self, deliver: Callable[[Outcome], None]) -> None:
        """Run every job to its outcome; ``deliver`` is given each as it comes about."""
        self._deliver = deliver
        self._listener(RunStarted(len(self._jobs)))
        self._habits = await self._journal.habits(self._jobs.values())
        if not self._again:
            self._known = await self._journal.recall(self._jobs.values())
            self._account_for_orphans()
        try:
            async with anyio.create_task_group() as beside:
                beside.start_soon(self._windows.keep_time)
                await self._start_all()
                beside.cancel_scope.cancel()
        finally:
            self._windows.abandon(self)
        self._score.end()
        self._listener(RunFinished(self.summary))

    def _account_for_orphans(self) -> None:
        """Keep slots for what an earlier run may have asked for without learning of it, before anybody has one.

        Parts of a job are known as well; they need the same slots as the jobs of their account and endpoint.
        """
        alike = {(*key[1:3], key[4]): job for key, job in self._jobs.items()}
        for key, known in self._known.items():
            if known.state == "intended":
                self._making.leave_room(alike[*key[1:3], key[4]], known)

    async def _start_all(self) -> None:
        async with anyio.create_task_group() as tasks:
            try:
                for jobs in self._in_order():
                    async with anyio.create_task_group() as lookups:
                        for job in jobs:
                            await self._lookups.acquire()
                            self._unsettled += 1
                            lookups.start_soon(self._enter, tasks, job)
                while self._unsettled:  # other runs may hold the slots that ours wait for
                    self._all_settled = anyio.Event()
                    await self._all_settled.wait()
            finally:
                self._windows.close(self)  # the other runs' slots start nothing in a group that is closing

    def _in_order(self) -> Iterator[Iterator[Job]]:
        """Yield the jobs whose exports may be running on the server already, and when all those wait, the others.

        Of the others those that are thought to take longest come first, so that the first slots are theirs.
        """
        known = {key for key, known in self._known.items() if known.export_id or known.split}
        yield self._while_open(key for key in self._jobs if key in known)
        others = [key for key in self._jobs if key not in known]
        others.sort(key=lambda key: -self._making.expects(self._jobs[key], self._habit(self._jobs[key])))
        yield self._while_open(others)

    def _habit(self, job: Job) -> Habit:
        return self._habits.get(job.subject, NOTHING_LEARNED)

    def _while_open(self, keys: Iterable[tuple[str, ...]]) -> Iterator[Job]:
        for key in keys:
            if not self._open:
                return
            yield self._jobs[key]

    async def _enter(self, tasks: TaskGroup, job: Job) -> None:
        """Find what an earlier run has committed; otherwise let the job wait for a slot."""
        try:
            receipt = None if self._again else await self._find(job)
        except AsyncexportError as error:
            self._finish(Failed(job, error))
        else:
            if receipt is not None:
                self._finish(Exported(job, receipt, found=True))
            elif self._stopped_by is not None:
                self._finish(Failed(job, self._stopped_by))
            elif not self._open:
                self._settle(1)
            elif parts := self._parts(job):
                family = Family(job, parts)
                await self._enter_parts(tasks, family, family.members)
            else:
                self._offer(tasks, Pursuit(job, self._known.get(job.key), self._habit(job)))
        finally:
            self._lookups.release()

    def _split_before(self, job: Job) -> tuple[Filters, ...]:
        """Return the parts that a run under this label has taken the job in."""
        known = self._known.get(job.key)
        return () if known is None else known.split

    def _parts(self, job: Job) -> tuple[Filters, ...]:
        """Return the parts to begin with: those of a run under this label, or, unless it was asked for, the usual."""
        was_asked_for = job.key in self._known
        return self._split_before(job) if was_asked_for else self._habit(job).split

    async def _enter_parts(
        self, tasks: TaskGroup, family: Family, members: Sequence[Member], *, urgent: bool = False
    ) -> None:
        """Note that a job is taken in parts, find what is there of these, and let the others wait for slots."""
        try:
            await self._journal.note(family.job, Split(family.filters))
        except AsyncexportError as error:
            for member in members:
                await self._lose(member, error)
            self._stop_if_full(error)
            return
        self._listener(JobSplit(family.job, family.jobs))
        for member in members:
            try:
                receipt = None if self._again else await self._find(member.job, member)
            except AsyncexportError as error:
                await self._lose(member, error)
            else:
                await self._enter_part(tasks, member, receipt, urgent=urgent)

    async def _enter_part(self, tasks: TaskGroup, member: Member, receipt: Receipt | None, *, urgent: bool) -> None:
        job = member.job
        if receipt is not None:
            await self._bring(member, receipt, found=True)
        elif self._stopped_by is not None:
            await self._lose(member, self._stopped_by)
        elif self._open:
            self._offer(tasks, Pursuit(job, self._known.get(job.key), self._habit(job), member=member, urgent=urgent))
        else:
            self._leave_out(member)

    async def _find(self, job: Job, member: Member | None = None) -> Receipt | None:
        """Ask the sink; what it has and the journal does not know is noted."""
        unmade = TransferOrder(job, export_id="", url=SignedUrl(""))
        order = unmade if member is None else member.placed(unmade)
        receipt = await self._scarcity.endured(lambda: self._guard(self._sink).find(order))
        known = self._known.get(job.key)
        if receipt is not None and (known is None or known.state != "committed"):
            await self._journal.note(job, Committed(receipt))
        return receipt

    def _offer(self, tasks: TaskGroup, pursuit: Pursuit) -> None:
        """Let a job wait for a slot; one that has been asked for before comes before those that have not."""
        if pursuit.known is not None and pursuit.known.state == "intended":
            self._score.count_orphan()
            self._listener(ExportOrphaned(pursuit.job))

        def start(ticket: Ticket[Pursuit]) -> None:
            tasks.start_soon(self._pursue, tasks, ticket)

        self._making.enter(self, pursuit, start)

    async def _pursue(self, tasks: TaskGroup, ticket: Ticket[Pursuit]) -> None:
        """Take one job from its slot to its outcome, or back into the queue: asked in vain, lost, or to be split."""
        pursuit, job = ticket.waiting, ticket.job
        try:
            ready = await self._making.made(ticket)
            if ready is None:
                self._call_back()
                return
            receipt = await self._scarcity.endured(lambda: self._moved(self._desk_of(job), pursuit, ready))
            await self._journal.note(job, Committed(receipt, ready.seconds))
        except AsyncexportError as error:
            if not self._pursued_again(tasks, pursuit, error) and not await self._cut(tasks, pursuit, error):
                await self._fail(pursuit, error)
        else:
            if pursuit.member is None:
                self._finish(Exported(job, receipt))
            else:
                await self._bring(pursuit.member, receipt)

    async def _moved(self, desk: Desk, pursuit: Pursuit, ready: Ready) -> Receipt:
        """Move the export into the sink. Its URL is waited for before a place is taken, and looked at again after."""
        job, member = pursuit.job, pursuit.member
        while True:
            located = await desk.exports.locate(job, ready)
            async with self._windows.transfers:
                if not desk.exports.is_fresh(located):
                    ready = replace(ready, export=located.export, seen_at=located.seen_at)
                    continue
                order = desk.order(job, located)
                receipt = await self._runner.run(order if member is None else member.placed(order), self._sink)
                self._windows.store_is_well()
                return receipt

    def _pursued_again(self, tasks: TaskGroup, pursuit: Pursuit, failure: AsyncexportError) -> bool:
        if not isinstance(failure, ExportExpired) or pursuit.lost_before:
            return False
        if not self._open or self._stopped_by is not None:
            return False
        again = Pursuit(pursuit.job, habit=pursuit.habit, lost_before=True, member=pursuit.member)
        self._offer(tasks, again)
        return True

    async def _cut(self, tasks: TaskGroup, pursuit: Pursuit, failure: AsyncexportError) -> bool:
        """Take what was too large for one export in parts; False if that is not the matter or nothing can be cut."""
        if not isinstance(failure, ExportFailed) or failure.code != TIMED_OUT:
            return False
        parts = split(pursuit.job.filters, pursuit.job.entity)
        if not parts:
            return False
        if pursuit.member is None:
            family = Family(pursuit.job, parts)
            members = family.members
        else:
            family = pursuit.member.family
            members = family.cut(pursuit.member.number, parts)
        await self._enter_parts(tasks, family, members, urgent=True)
        return True

    async def _bring(self, member: Member, receipt: Receipt, *, found: bool = False) -> None:
        """A part is committed; with the last one the job is."""
        family = member.family
        family.committed(member.number, receipt)
        self._listener(PartFinished(family.job, Exported(member.job, receipt, found)))
        if family.receipt is None:
            await self._conclude(family)
            return
        parts = len(family.receipt.parts)
        try:
            await self._scarcity.endured(lambda: self._guard(self._sink).settle(family.job, parts))
            await self._journal.note(family.job, Committed(family.receipt))
        except AsyncexportError as error:
            await self._note_failure(family.job, error)
            self._finish(Failed(family.job, error))
            self._stop_if_full(error)
        else:
            self._finish(Exported(family.job, family.receipt))

    async def _lose(self, member: Member, error: AsyncexportError) -> None:
        """A part has failed; so has the job, when the others have ended."""
        self._fail_part(member, error)
        await self._conclude(member.family)

    def _fail_part(self, member: Member, error: AsyncexportError) -> None:
        member.family.failed(member.number, error)
        self._listener(PartFinished(member.family.job, Failed(member.job, error)))

    async def _conclude(self, family: Family) -> None:
        if family.has_ended:
            if family.error is not None:
                await self._note_failure(family.job, family.error)
            self._give_up(family)

    def _give_up(self, family: Family) -> None:
        """All parts have ended, and not all are there: the job has failed, or was not done."""
        if family.error is not None:
            self._finish(Failed(family.job, family.error))
        else:
            self._settle(1)

    async def _fail(self, pursuit: Pursuit, error: AsyncexportError) -> None:
        await self._note_failure(pursuit.job, error)
        if pursuit.member is None:
            self._finish(Failed(pursuit.job, error))
        else:
            await self._lose(pursuit.member, error)
        self._stop_if_full(error)

    async def _note_failure(self, job: Job, error: AsyncexportError) -> None:
        with suppress(StateError, DiskFull):  # the failure that is told is the first one
            await self._journal.note(job, Dropped(error, keep=is_worth_collecting(error)))

    def _stop_if_full(self, error: AsyncexportError) -> None:
        """If storage has run out give every job that has not been started the same failure; the others go on."""
        if isinstance(error, DiskFull) and self._stopped_by is None:
            self._stopped_by = DiskFull(f"not started, because storage ran out: {error}")
            self._call_back()

    def _call_back(self) -> None:
        """Take back what waits if nothing is to be started any more: it fails if the run was stopped."""
        if self._stopped_by is None and self._open:
            return
        for pursuit in self._windows.withdraw(self):
            if self._stopped_by is None:
                self._leave_out(pursuit.member)
            elif pursuit.member is None:
                self._finish(Failed(pursuit.job, self._stopped_by))
            else:
                self._fail_part(pursuit.member, self._stopped_by)
                self._leave(pursuit.member.family)

    def _leave_out(self, member: Member | None) -> None:
        """A job, or a part of one, is not started in this run."""
        if member is None:
            self._settle(1)
        else:
            member.family.withdrawn(member.number)
            self._leave(member.family)

    def _leave(self, family: Family) -> None:
        if family.has_ended:
            self._give_up(family)

    def _finish(self, outcome: Outcome) -> None:
        if isinstance(outcome, Failed):
            _let_go(outcome.error)
        self._score.count(outcome)
        self._listener(JobFinished(outcome))
        self._deliver(outcome)
        self._settle(1)

    def _settle(self, jobs: int) -> None:
        """So many jobs have their outcome, or will have none."""
        self._unsettled -= jobs
        if not self._unsettled:
            self._all_settled.set()

    def __repr__(self) -> str:
        return f"<Run {self._score.outcomes}/{len(self._jobs)} jobs done>"


def _let_go(error: AsyncexportError) -> None:
    """Cut an error loose from the frames it passed through: they hold what its transfer had decoded."""
    error.__traceback__ = None
    if error.__cause__ is None:
        error.__context__ = None


def _nowhere(outcome: Outcome) -> None:
    raise RuntimeError(f"an outcome before the run began: {outcome}")
