"""A job on its way to a finished export: it waits for a slot, is asked for, is watched; or is put back and waits again.

A slot is held only by what is in progress on the server, or is being asked for this very moment. A request that was
throttled gives its slot back: for the number of exports in progress the job waits again at the front of its lane, for
the rate its profile is slowed down and the job *rests* first. A request whose answer was lost leaves its slot to the
orphan that may be running, and the job rests as well. Its tries are counted and bounded by the backoff, and the time
that passes in trying and resting by the deadline; what our own limiter held back counts for no try. Neither does a bare
429 while others are in progress, which may be the cap's: the deadline begins with the next try, for they may take long.
Nor does the wait for a slot count: others decide how long it is. An export that was accepted has the whole deadline.
Worst case: the job waits for as long as others are in progress, and rests as long as a deadline. An export that failed
inside the server is asked for again twice, with the slot that it had. One that is given up while it is in progress
keeps that slot.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from asyncexport.engine.accounts.api import AskLater
from asyncexport.engine.accounts.desk import Desk
from asyncexport.engine.jobs.export import REREQUESTS, Ready, can_be_taken_up, failure_of, has_failed_inside
from asyncexport.engine.jobs.family import Member
from asyncexport.engine.jobs.windows import Ticket, Windows, where
from asyncexport.errors import AsyncexportError, ConnectError, ExportExpired, ServerError, Throttled
from asyncexport.events import CallRetried, ExportAbandoned, ExportOrphaned, ExportRequested
from asyncexport.models import Job
from asyncexport.notes import NOTHING_LEARNED, Habit, Intended, Known, Requested
from asyncexport.ports import Clock, Journal, Listener
from asyncexport.sansio.pacing.backoff import Attempts, Backoff, Spread, stretched
from asyncexport.sansio.scheduling.lanes import Rank, asked_before, fresh

DeskOf = Callable[[Job], Desk]


@dataclass(slots=True)
class Asking:
    """The tries at one export, and when the first of them that counts began.

    As long as ``is_excused``, no request has gone out that was the job's own affair: patience begins with the next.
    The job has rested until ``rested_at`` after the last one; for ``queued`` seconds in all it has waited for slots.
    """

    began: float
    attempts: Attempts
    is_excused: bool = True
    rested_at: float = float("inf")
    queued: float = 0.0

    def goes_on(self, now: float) -> None:
        """The job has a slot for its next try."""
        if self.is_excused:
            self.began, self.queued = now, 0.0
        else:
            self.queued += max(0.0, now - self.rested_at)


@dataclass(slots=True, eq=False)
class Pursuit:
    """A job on its way.

    ``known`` is what an earlier run left in the journal, ``habit`` what earlier nights taught; ``lost_before`` when its
    first export vanished from the server, ``member`` says which part of a job it is, if it is one, and ``urgent`` that
    it comes before jobs that were never asked for. ``asking`` is there once it has been asked for; ``rerequests``
    counts the exports that failed inside the server.
    """

    job: Job
    known: Known | None = None
    habit: Habit = NOTHING_LEARNED
    lost_before: bool = False
    member: Member | None = None
    urgent: bool = False
    asking: Asking | None = None
    rerequests: int = 0


class Making:
    """Makes the exports of one run's jobs with the slots that all runs share."""

    def __init__(
        self,
        *,
        desk_of: DeskOf,
        windows: Windows[Pursuit],
        journal: Journal,
        clock: Clock,
        spread: Spread,
        backoff: Backoff,
        listener: Listener,
    ) -> None:
        self._desk_of = desk_of
        self._windows = windows
        self._journal = journal
        self._clock = clock
        self._spread = spread
        self._backoff = backoff
        self._listener = listener

    def enter(self, owner: object, pursuit: Pursuit, start: Callable[[Ticket[Pursuit]], object]) -> None:
        """Let the job wait for a slot; ``start`` is called with its ticket each time it has one."""
        job, known = pursuit.job, pursuit.known
        client_id = self._desk_of(job).api.client_id
        export_id = known.export_id if known is not None and can_be_taken_up(known) else ""
        self._windows.enter(Ticket(owner, pursuit, start, client_id, job, export_id), self._rank(pursuit))

    def expects(self, job: Job, habit: Habit) -> float:
        """Return how many seconds the job's export is thought to take."""
        return self._desk_of(job).polling.expected(job.entity.value, habit.seconds)

    def leave_room(self, job: Job, key: tuple[str, ...], known: Known) -> None:
        """Keep a slot for what an earlier run may have asked for without learning of it, until it must be over.

        ``key`` says what that is: the job, or a part that needs the same slots.
        """
        desk = self._desk_of(job)
        seconds = self._orphan_seconds(desk, job) - known.age_seconds
        if seconds > 0:
            self._windows.orphaned(where(desk.api.client_id, job), key, seconds)

    async def made(self, ticket: Ticket[Pursuit]) -> Ready | None:
        """Return the completed export of a ticket that has a slot; None if it was put back and will be started again.

        The slot is given back when the terminal status is seen, or left to the export that nobody watches any more,
        until that must have ended. Raises :class:`ExportFailed`,
        :class:`ExportDeadline`, :class:`ExportExpired`, or what ended a call for good.
        """
        pursuit = ticket.waiting
        try:
            ready = await self._taken_up(ticket)
            while ready is None or self._is_asked_again(pursuit, ready):
                ready = await self._asked(ticket)
        except AskLater as stop:
            self._put_back(ticket, stop)
            return None
        except ExportExpired as error:
            self._windows.leave(ticket)
            self._listener(ExportAbandoned(ticket.job, error.export_id, 0.0))
            raise
        except AsyncexportError as error:
            self._forsake(ticket, was_seen=not isinstance(error, ConnectError | ServerError))
            raise
        self._windows.leave(ticket, ready.ended_at)
        if (failure := failure_of(ticket.job, ready.export)) is not None:
            raise failure
        return ready

    async def _taken_up(self, ticket: Ticket[Pursuit]) -> Ready | None:
        """Watch an earlier run's export; None if there is none, or the server does not give it out any more."""
        pursuit, job = ticket.waiting, ticket.job
        known, pursuit.known = pursuit.known, None
        if known is None or not can_be_taken_up(known):
            return None
        desk = self._desk_of(job)
        age = known.age_seconds
        self._windows.adopted(ticket, known.export_id, self._over_in(desk, job) - age, age=age)
        ready = await desk.exports.take_up(job, known, remembered=pursuit.habit.seconds)
        if ready is None:
            self._listener(ExportAbandoned(job, known.export_id, 0.0))
        return ready

    def _forsake(self, ticket: Ticket[Pursuit], *, was_seen: bool) -> None:
        """Give the export up; after an outage nobody knows how long it ran."""
        kept = self._windows.forsake(ticket, was_seen=was_seen)
        if kept is not None:
            self._listener(ExportAbandoned(ticket.job, *kept))

    def _is_asked_again(self, pursuit: Pursuit, ready: Ready) -> bool:
        if not has_failed_inside(ready.export) or pursuit.rerequests == REREQUESTS:
            return False
        pursuit.rerequests += 1
        pursuit.asking = None
        return True

    async def _asked(self, ticket: Ticket[Pursuit]) -> Ready:
        """Ask once, with the intent in the journal before and the export id right after; watch what comes of it."""
        pursuit, job, desk = ticket.waiting, ticket.job, self._desk_of(ticket.job)
        self._windows.ended(ticket)
        asking = pursuit.asking = pursuit.asking or Asking(self._clock.now(), Attempts(self._backoff, self._spread))
        asking.goes_on(self._clock.now())
        desk.api.check_permit(job)
        await self._journal.note(job, Intended())
        self._windows.asks(ticket)
        export = await desk.api.request_export(
            job, deadline=self._last_moment(desk, asking), on_cut=lambda: self._cut_off(ticket)
        )
        asked_at = self._clock.now()
        self._windows.accepted(ticket, export.export_id, self._over_in(desk, job))
        pursuit.asking = None
        await self._journal.note(job, Requested(export.export_id))
        self._listener(ExportRequested(job, export.export_id))
        return await desk.exports.watch(job, export, asked_at=asked_at, remembered=pursuit.habit.seconds)

    def _cut_off(self, ticket: Ticket[Pursuit]) -> None:
        """The run is being left, and nobody will learn whether the request was accepted."""
        job = ticket.job
        self._listener(ExportOrphaned(job))
        self._windows.cut_off(ticket, self._orphan_seconds(self._desk_of(job), job))

    def _put_back(self, ticket: Ticket[Pursuit], stop: AskLater) -> None:
        """Let a job that was asked for in vain wait again. Raises what it met if that was for the last time."""
        pursuit, job, error = ticket.waiting, ticket.job, stop.error
        asking, rank = pursuit.asking, self._rank(pursuit)
        assert asking is not None  # noqa: S101
        by_cap = self._was_the_cap(ticket, stop)
        if stop.was_sent:
            asking.is_excused = by_cap is not False
        delay = self._delay(asking.attempts, stop, by_cap=by_cap)
        if delay is None or self._clock.now() + delay > self._last_moment(self._desk_of(job), asking):
            raise error from None
        asking.rested_at = self._clock.now() + delay
        if stop.was_sent:
            at, reason, throttled = job.profile, type(error).__name__, isinstance(error, Throttled)
            self._listener(CallRetried(at.account, at.profile_id, f"request of {job}", reason, delay, throttled))
        if delay:
            self._windows.rest(ticket, delay, rank)
        else:
            self._windows.enter(ticket, rank)

    def _was_the_cap(self, ticket: Ticket[Pursuit], stop: AskLater) -> bool | None:
        """Give the slot back, or leave it to the orphan; tell whether there were too many exports in progress.

        None if that cannot be told yet: with others in progress even one profile's refusals may be the cap's.
        A 429 that says when to come back speaks for the profile's rate, and has paused the profile already.
        """
        job, desk = ticket.job, self._desk_of(ticket.job)
        if stop.may_run:
            self._listener(ExportOrphaned(job))
            self._windows.lost(ticket, self._orphan_seconds(desk, job))
            return False
        if not isinstance(stop.error, Throttled) or stop.error.retry_after is not None:
            self._windows.leave(ticket)
            return False
        by_cap = self._windows.refused(ticket)
        if not by_cap:
            desk.api.slow_down(job)
        return by_cap

    def _delay(self, attempts: Attempts, stop: AskLater, *, by_cap: bool | None) -> float | None:
        """Return for how many seconds the job rests; None if it has been tried often enough."""
        if by_cap:
            return 0.0
        if not stop.counts:
            return stretched(0.0, stop.error, self._spread)
        return attempts.excused() if by_cap is None else attempts.failed(stop.error)

    def _last_moment(self, desk: Desk, asking: Asking) -> float:
        """Return when the tries at an export must have ended."""
        return desk.exports.last_moment(asking.began) + asking.queued

    def _orphan_seconds(self, desk: Desk, job: Job) -> float:
        return min(self._over_in(desk, job), desk.exports.deadline)

    def _over_in(self, desk: Desk, job: Job) -> float:
        return desk.polling.surely_over(job.entity.value)

    def _rank(self, pursuit: Pursuit) -> Rank:
        now, known = self._clock.now(), pursuit.known
        if pursuit.asking is not None:
            return asked_before(pursuit.asking.began)
        if known is not None and can_be_taken_up(known):
            return asked_before(now - known.age_seconds)
        is_first = pursuit.lost_before or pursuit.urgent
        return asked_before(now) if is_first else fresh(now, self.expects(pursuit.job, pursuit.habit))

    def __repr__(self) -> str:
        return f"<Making with {self._windows!r}>"
