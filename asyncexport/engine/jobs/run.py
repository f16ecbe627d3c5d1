"""Many jobs at once: which start when, and exactly one outcome for each.

The plan. A *feeder* walks the jobs, asks the sink what is already there, and offers the rest to the slots of their
(client, region, endpoint). Slots decide synchronously who may start; a started job is one task: it makes its export
(:mod:`asyncexport.engine.jobs.making`), which gives the slot back the moment the terminal status is seen, then waits
for one of the transfer places, so that transfers never hold a slot. A job that was asked for in vain is put back and is
no task any more. So forty thousand jobs cost forty thousand small objects in queues and no more.

A job that is too large for one export is taken in parts (:mod:`asyncexport.engine.jobs.family`): each is found, asked
for, moved and noted like a job of its own, and when the last one has ended the job has its outcome
(:mod:`asyncexport.engine.jobs.endings`).

Everything runs below one supervisor task that the ``async with`` block owns. Leaving the block cancels it and waits for
it; the caller's code never runs inside its task group, so the caller's exceptions come out as themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import anyio
from anyio.abc import TaskGroup

from asyncexport.engine.accounts.desk import Desk
from asyncexport.engine.jobs.caretaker import Caretaker
from asyncexport.engine.jobs.endings import Endings
from asyncexport.engine.jobs.export import Ready
from asyncexport.engine.jobs.family import Family, Member
from asyncexport.engine.jobs.making import DeskOf, Making, Pursuit
from asyncexport.engine.jobs.score import Score
from asyncexport.engine.jobs.windows import Ticket, Windows
from asyncexport.engine.transfers.border import Guard
from asyncexport.engine.transfers.scarcity import Scarcity
from asyncexport.errors import AsyncexportError, DiskFull, ExportExpired, ExportFailed
from asyncexport.events import ExportOrphaned, JobQueued, JobSplit, RunFinished, RunStarted
from asyncexport.models import Exported, Failed, Filters, Job, Outcome, Receipt, SignedUrl, Summary, TransferOrder
from asyncexport.notes import NOTHING_LEARNED, Committed, Habit, Known, Split
from asyncexport.ports import Journal, Listener, Runner, Sink
from asyncexport.sansio.scheduling.planning import distinct
from asyncexport.sansio.scheduling.splitting import TIMED_OUT, split

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
        self._caretaker = Caretaker(windows, desk_of)
        self._making = making
        self._scarcity = scarcity
        self._listener = listener
        self._score = score
        self._journal = journal
        self._known: Mapping[tuple[str, ...], Known] = {}
        self._habits: Mapping[tuple[str, ...], Habit] = {}
        self._again = again
        self._guard = guard
        self._lookups = anyio.Semaphore(_LOOKUPS)
        self._open = True
        self._stopped_by: AsyncexportError | None = None
        self._endings = Endings(
            journal=journal,
            sink=sink,
            guard=guard,
            scarcity=scarcity,
            listener=listener,
            score=score,
            stop_if_full=self._stop_if_full,
        )

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
        self._listener(RunStarted(len(self._jobs)))
        self._habits = await self._journal.habits(self._jobs.values())
        if not self._again:
            self._known = await self._journal.recall(self._jobs.values())
            self._account_for_orphans()
        try:
            async with anyio.create_task_group() as beside:
                beside.start_soon(self._windows.keep_time)
                beside.start_soon(self._caretaker.tend)
                await self._start_all(deliver)
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
                self._making.leave_room(alike[*key[1:3], key[4]], key, known)

    async def _start_all(self, deliver: Callable[[Outcome], None]) -> None:
        async with anyio.create_task_group() as tasks:
            self._endings.begin(tasks, deliver)
            try:
                for jobs in self._in_order():
                    async with anyio.create_task_group() as lookups:
                        for job in jobs:
                            await self._lookups.acquire()
                            self._endings.expect()
                            lookups.start_soon(self._enter, tasks, job)
                await self._endings.all()  # other runs may hold the slots that ours wait for
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
            self._endings.finish(Failed(job, error))
            self._stop_if_full(error)
        else:
            if receipt is not None:
                self._endings.finish(Exported(job, receipt, found=True))
            elif self._stopped_by is not None:
                self._endings.finish(Failed(job, self._stopped_by))
            elif not self._open:
                self._endings.take_back(job, None, None)
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
                await self._endings.lose(member, error)
            self._stop_if_full(error)
            return
        self._listener(JobSplit(family.job, family.jobs))
        for member in members:
            try:
                receipt = None if self._again else await self._find(member.job, member)
            except AsyncexportError as error:
                await self._endings.lose(member, error)
                self._stop_if_full(error)
            else:
                await self._enter_part(tasks, member, receipt, urgent=urgent)

    async def _enter_part(self, tasks: TaskGroup, member: Member, receipt: Receipt | None, *, urgent: bool) -> None:
        job = member.job
        if receipt is not None:
            await self._endings.bring(member, receipt, found=True)
        elif self._stopped_by is not None:
            await self._endings.lose(member, self._stopped_by)
        elif self._open:
            self._offer(tasks, Pursuit(job, self._known.get(job.key), self._habit(job), member=member, urgent=urgent))
        else:
            self._endings.take_back(job, member, None)

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

        self._listener(JobQueued(pursuit.job))

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
                await self._endings.fail(job, pursuit.member, error)
                self._stop_if_full(error)
        else:
            if pursuit.member is None:
                self._endings.finish(Exported(job, receipt))
            else:
                await self._endings.bring(pursuit.member, receipt)

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
            self._endings.take_back(pursuit.job, pursuit.member, self._stopped_by)

    def __repr__(self) -> str:
        return f"<Run {self._score.outcomes}/{len(self._jobs)} jobs done>"
