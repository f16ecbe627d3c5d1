"""Many jobs at once: which start when, and exactly one outcome for each.

The plan. A *feeder* walks the jobs, asks the sink what is already there, and offers the rest to the slots of their
(client, region, endpoint). Slots decide synchronously who may start; a started job is one task: it makes its export
holding the slot, gives the slot back the moment the terminal status is seen, then waits for one of the transfer places,
so that transfers never hold a slot. Only started jobs are tasks, so forty thousand jobs cost forty thousand small
objects in queues and no more.

Everything runs below one supervisor task that the ``async with`` block owns. Leaving the block cancels it and waits for
it; the caller's code never runs inside its task group, so the caller's exceptions come out as themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

import anyio
from anyio.abc import TaskGroup

from asyncexport.engine.border import GuardedSink
from asyncexport.engine.desk import Desk
from asyncexport.engine.export import Ready
from asyncexport.engine.tally import Tally
from asyncexport.errors import AsyncexportError, DiskFull, ExportExpired, StateError
from asyncexport.events import ExportOrphaned, JobFinished, RunFinished, RunStarted
from asyncexport.models import (
    Committed,
    Dropped,
    Exported,
    Failed,
    Job,
    Known,
    Limits,
    Outcome,
    Receipt,
    SignedUrl,
    Summary,
    TransferOrder,
)
from asyncexport.ports import Clock, Journal, Listener, Runner, Sink
from asyncexport.sansio.recovery import is_worth_collecting
from asyncexport.sansio.slots import Slots

_LOOKUPS = 8

DeskOf = Callable[[Job], Desk]


@dataclass(frozen=True, slots=True)
class _Pursuit:
    """A job on its way.

    ``known`` is what an earlier run left in the journal; ``lost_before`` when its first export vanished from the
    server.
    """

    job: Job
    known: Known | None = None
    lost_before: bool = False

    @property
    def was_asked_for(self) -> bool:
        return self.lost_before or (self.known is not None and bool(self.known.export_id))


class Run:
    """One call of ``Exporter.run``; :meth:`supervise` is the whole of it."""

    def __init__(
        self,
        jobs: Iterable[Job],
        sink: Sink,
        *,
        desk_of: DeskOf,
        runner: Runner,
        limits: Limits,
        clock: Clock,
        listener: Listener,
        tally: Tally,
        journal: Journal,
        again: bool,
    ) -> None:
        self._jobs: Mapping[tuple[str, ...], Job] = {job.key: job for job in jobs}
        self._sink = sink
        self._desk_of = desk_of
        self._runner = runner
        self._limits = limits
        self._clock = clock
        self._listener = listener
        self._tally = tally
        self._journal = journal
        self._known: Mapping[tuple[str, ...], Known] = {}
        self._again = again
        self._deliver: Callable[[Outcome], None] = _nowhere
        self._slots: dict[tuple[str, str, str], Slots[_Pursuit]] = {}
        self._transfers = anyio.CapacityLimiter(limits.downloads)
        self._lookups = anyio.Semaphore(_LOOKUPS)
        self._open = True
        self._stopped_by: AsyncexportError | None = None
        self._began = clock.now()
        self._ended: float | None = None
        self._counts = {"exported": 0, "failed": 0, "skipped": 0, "rows": 0}

    @property
    def summary(self) -> Summary:
        """The run in numbers, so far."""
        seconds = (self._clock.now() if self._ended is None else self._ended) - self._began
        tally = self._tally
        return Summary(
            **self._counts,
            seconds=seconds,
            requests=tally.requests,
            throttled=tally.throttled,
            possibly_orphaned=tally.possibly_orphaned,
        )

    def drain(self) -> None:
        """Start no further job; what has been started goes on. Jobs that were not started get no outcome."""
        self._open = False
        for slots in self._slots.values():
            slots.withdraw()

    async def supervise(self, deliver: Callable[[Outcome], None]) -> None:
        """Run every job to its outcome; ``deliver`` is given each as it comes about."""
        self._deliver = deliver
        self._listener(RunStarted(len(self._jobs)))
        if not self._again:
            self._known = await self._journal.recall(self._jobs.values())
        async with anyio.create_task_group() as tasks:
            for job in self._waiting():
                await self._lookups.acquire()
                tasks.start_soon(self._enter, tasks, job)
        self._ended = self._clock.now()
        self._listener(RunFinished(self.summary))

    def _waiting(self) -> Iterator[Job]:
        for job in self._jobs.values():
            if not self._open:
                return
            yield job

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
            elif self._open:
                self._offer(tasks, _Pursuit(job, self._known.get(job.key)))
        finally:
            self._lookups.release()

    async def _find(self, job: Job) -> Receipt | None:
        """Ask the sink; what it has and the journal does not know is noted."""
        receipt = await GuardedSink(self._sink).find(TransferOrder(job, export_id="", url=SignedUrl("")))
        known = self._known.get(job.key)
        if receipt is not None and (known is None or known.state != "committed"):
            await self._journal.note(job, Committed(receipt))
        return receipt

    def _offer(self, tasks: TaskGroup, pursuit: _Pursuit) -> None:
        """Let a job wait for a slot; one whose export may be running already comes before those not asked for."""
        slots = self._slots_of(pursuit.job)
        slots.offer(pursuit, pursuit.job.profile.account, first=pursuit.was_asked_for)
        if pursuit.known is not None and pursuit.known.state == "intended":
            self._tally.possibly_orphaned += 1
            self._listener(ExportOrphaned(pursuit.job))
        self._admit(tasks, slots)

    def _admit(self, tasks: TaskGroup, slots: Slots[_Pursuit]) -> None:
        for pursuit in slots.admit():
            tasks.start_soon(self._pursue, tasks, slots, pursuit)

    async def _pursue(self, tasks: TaskGroup, slots: Slots[_Pursuit], pursuit: _Pursuit) -> None:
        """Take one job from its request to its outcome, or back into the queue if its export was lost."""
        job = pursuit.job
        desk = self._desk_of(job)
        failure: AsyncexportError | None = None
        ready: Ready | None = None
        try:
            ready = await desk.exports.make(job, pursuit.known)
        except AsyncexportError as error:
            failure = error
        slots.release()
        self._admit(tasks, slots)
        if ready is not None:
            try:
                self._finish(Exported(job, await self._collect(desk, job, ready)))
            except AsyncexportError as error:
                failure = error
        if failure is not None and not self._pursued_again(tasks, pursuit, failure):
            await self._fail(job, failure)

    async def _collect(self, desk: Desk, job: Job, ready: Ready) -> Receipt:
        async with self._transfers:
            export = await desk.exports.locate(job, ready)
            receipt = await self._runner.run(desk.order(job, export), self._sink)
            await self._journal.note(job, Committed(receipt))
            return receipt

    def _pursued_again(self, tasks: TaskGroup, pursuit: _Pursuit, failure: AsyncexportError) -> bool:
        if not isinstance(failure, ExportExpired) or pursuit.lost_before or not self._open:
            return False
        self._offer(tasks, _Pursuit(pursuit.job, lost_before=True))
        return True

    async def _fail(self, job: Job, error: AsyncexportError) -> None:
        with suppress(StateError, DiskFull):  # the failure that is told is the first one
            await self._journal.note(job, Dropped(error, keep=is_worth_collecting(error)))
        self._finish(Failed(job, error))
        if isinstance(error, DiskFull) and self._stopped_by is None:
            self._stop(DiskFull(f"not started, because storage ran out: {error}"))

    def _stop(self, reason: AsyncexportError) -> None:
        """Give every job that has not been started the same failure; what has been started goes on."""
        self._stopped_by = reason
        for slots in self._slots.values():
            for pursuit in slots.withdraw():
                self._finish(Failed(pursuit.job, reason))

    def _finish(self, outcome: Outcome) -> None:
        if isinstance(outcome, Failed):
            self._counts["failed"] += 1
        else:
            self._counts["skipped" if outcome.found else "exported"] += 1
            self._counts["rows"] += 0 if outcome.found else outcome.receipt.rows
        self._listener(JobFinished(outcome))
        self._deliver(outcome)

    def _slots_of(self, job: Job) -> Slots[_Pursuit]:
        client_id = self._desk_of(job).api.client_id
        key = (client_id, job.profile.region.value, job.entity.value)
        if key not in self._slots:
            name = f"{job.entity.value}@{job.profile.region.value}"
            self._slots[key] = Slots(name, self._limits.in_progress)
        return self._slots[key]

    def __repr__(self) -> str:
        return f"<Run {len(self._jobs)} jobs, {', '.join(map(repr, self._slots.values())) or 'no slots yet'}>"


def _nowhere(outcome: Outcome) -> None:
    raise RuntimeError(f"an outcome before the run began: {outcome}")
