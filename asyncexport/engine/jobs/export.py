"""One job's export on the server: watched until it ends, and located once it is complete.

The caller holds a slot around :meth:`ExportMaker.watch` and :meth:`ExportMaker.take_up`. A look that does not find
the export in its first minute is taken for a look that came too early. Whatever word the server uses for "running", the
deadline ends it. An export that failed inside the server may be asked for again; one that timed out there would time
out again.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace

from asyncexport.engine.accounts.api import AdsApi
from asyncexport.errors import (
    ConnectError,
    ExportDeadline,
    ExportExpired,
    ExportFailed,
    ProtocolError,
    RequestRejected,
)
from asyncexport.events import ExportAdopted, ExportFinished, OddityNoticed
from asyncexport.models import Export, ExportStatus, Job, SignedUrl
from asyncexport.notes import Known
from asyncexport.ports import Clock, Listener
from asyncexport.sansio import wire
from asyncexport.sansio.looks.polling import Ending, Polling, Watch
from asyncexport.sansio.pacing.backoff import Spread
from asyncexport.sansio.transfers.recovery import EXPORT_KEPT_SECONDS

REREQUESTS = 2
"""So many times an export that failed inside the server is asked for again."""

_SETTLING_SECONDS = 60.0
_URL_DELAYS = (0.5, 2.0, 5.0)
_URL_SECONDS = 300.0
_URL_MARGIN = 60.0


@dataclass(frozen=True, slots=True)
class Ready:
    """An export that has ended, when that was seen, in the clock's seconds, and whether an earlier run asked for it.

    ``seconds`` is how long the server took: by its own clock, or else as it was seen from here; None for an earlier
    run's export of which the server does not say. ``ended_at`` is when it ended by the server's clock, in ours;
    infinite where the server does not say.
    """

    export: Export
    seen_at: float
    seconds: float | None
    ended_at: float = float("inf")
    adopted: bool = False


@dataclass(frozen=True, slots=True)
class Located:
    """A completed export, a URL to fetch it from, and when that was minted, in the clock's seconds."""

    export: Export
    url: SignedUrl
    seen_at: float


@dataclass(frozen=True, slots=True)
class _Times:
    """When our patience with an export began, and when it was asked for."""

    began: float
    asked_at: float

    @property
    def settled_at(self) -> float:
        """Until when it may be unknown."""
        return self.asked_at + _SETTLING_SECONDS


class ExportMaker:
    """Watches the exports of one account. ``deadline``: seconds from a granted request to the terminal status."""

    def __init__(
        self,
        api: AdsApi,
        *,
        clock: Clock,
        spread: Spread,
        listener: Listener,
        polling: Polling,
        deadline: float,
    ) -> None:
        self._api = api
        self._clock = clock
        self._spread = spread
        self._listener = listener
        self._polling = polling
        self.deadline = deadline

    async def take_up(self, job: Job, known: Known, *, remembered: float | None = None) -> Ready | None:
        """Watch an earlier run's export until it ends; None if the server does not give it out any more.

        ``remembered``: how many seconds the job's exports took on earlier nights. Raises what :meth:`watch` raises.
        """
        began = self._clock.now()
        export = Export(known.export_id, ExportStatus.RUNNING, word="PROCESSING")
        self._listener(ExportAdopted(job, known.export_id))
        times = _Times(began, asked_at=began - known.age_seconds)
        try:
            ready = await self._watched(job, export, times, remembered)
        except (ExportExpired, RequestRejected, ProtocolError):
            return None
        return replace(ready, adopted=True, seconds=wire.generation_seconds(ready.export))

    async def watch(self, job: Job, export: Export, *, asked_at: float, remembered: float | None = None) -> Ready:
        """Watch an export that was granted at ``asked_at`` until it ends; patience with it begins there.

        Raises :class:`ExportDeadline`, :class:`ExportExpired`, or what ended a look for good.
        """
        times = _Times(asked_at, asked_at=asked_at)
        return await self._watched(job, export, times, remembered)

    async def see_out(self, job: Job, export_id: str, *, asked_at: float) -> float:
        """Watch an export that nobody waits for until it ends; return when that was, as in :class:`Ready`.

        Raises what :meth:`watch` raises.
        """
        began = self._clock.now()
        export = Export(export_id, ExportStatus.RUNNING, word="PROCESSING")
        times = _Times(began, asked_at=asked_at)
        with closing(self._polling.begin(job.entity.value, None, self._spread)) as watch:
            ready = await self._watch(job, export, times, watch)
        self._listener(ExportFinished(job, export_id, ready.seen_at - asked_at, ready.export.file_size))
        return ready.ended_at

    async def locate(self, job: Job, ready: Ready) -> Located:
        """Return where the completed export can be fetched: as it was seen, or looked at again.

        Raises :class:`ProtocolError` if the API keeps calling it complete without giving a URL; an earlier run's
        export that gives none is an :class:`ExportExpired`.
        """
        export = ready.export
        if export.url is not None:
            located = Located(export, export.url, ready.seen_at)
            if self.is_fresh(located):
                return located
        try:
            return await self.renew(job, export.export_id)
        except (ProtocolError, RequestRejected) as error:
            if not ready.adopted:
                raise
            message = f"{job}: the export of an earlier run cannot be collected any more: {error}"
        raise ExportExpired(message, export_id=export.export_id)

    async def renew(self, job: Job, export_id: str) -> Located:
        """Ask a completed export for a fresh URL. One that says it is running again is waited for."""
        began = self._clock.now()
        delays = iter(_URL_DELAYS)
        while True:
            export = await self._look(job, export_id, self.last_moment(began))
            if export.status is ExportStatus.FAILED:
                raise _failed(job, export)
            if export.url is not None:
                return Located(export, export.url, self._clock.now())
            is_complete = export.status is ExportStatus.COMPLETED
            delay = next(delays, None) if is_complete else _URL_DELAYS[-1]
            if delay is None or self._clock.now() + delay >= self.last_moment(began):
                raise ProtocolError(f"{job}: export {export_id} was complete, but the API gives no URL for it")
            await self._clock.sleep(delay)

    def last_moment(self, began: float) -> float:
        """Return when an export that was begun then must have ended: what nobody could ask for does not count."""
        return began + self.deadline + self._api.down_seconds(began)

    def is_fresh(self, located: Located) -> bool:
        """Tell whether the URL still has time for a download to begin."""
        lifetime = located.export.url_seconds or _URL_SECONDS
        return self._clock.now() - located.seen_at < lifetime - min(_URL_MARGIN, lifetime / 2)

    async def _watched(self, job: Job, export: Export, times: _Times, remembered: float | None) -> Ready:
        with closing(self._polling.begin(job.entity.value, remembered, self._spread)) as watch:
            ready = await self._watch(job, export, times, watch)
        seconds = ready.seen_at - times.began
        self._listener(ExportFinished(job, export.export_id, seconds, ready.export.file_size))
        return ready

    async def _watch(self, job: Job, export: Export, times: _Times, watch: Watch) -> Ready:
        """Look until it has ended. One of an earlier run is looked at at once, if a look has been due meanwhile."""
        ran_until, look_at = 0.0, watch.next_look(0.0)
        while export.status is ExportStatus.RUNNING:
            self._notice(export)
            now, deadline = self._clock.now(), self.last_moment(times.began)
            if now >= deadline:
                raise _too_slow(job, export.export_id, now - times.began)
            await self._clock.sleep(max(0.0, min(times.asked_at + look_at, deadline) - now))
            looked_at = self._clock.now() - times.asked_at
            try:
                export = await self._look_early(job, export, deadline, settled_at=times.settled_at)
            except ConnectError:
                if self._clock.now() < self.last_moment(times.began):
                    raise
            if export.status is ExportStatus.RUNNING:
                ran_until, look_at = looked_at, watch.next_look(self._clock.now() - times.asked_at)
        seen_at = self._clock.now()
        ending = Ending(ran_until, seen_at - times.asked_at, wire.generation_seconds(export))
        watch.ended(ending)
        return Ready(export, seen_at, ending.age, _ended_at(ending, times.asked_at))

    async def _look_early(self, job: Job, export: Export, deadline: float, *, settled_at: float) -> Export:
        try:
            return await self._look(job, export.export_id, deadline)
        except ExportExpired:
            if self._clock.now() < settled_at:
                return export
            raise

    async def _look(self, job: Job, export_id: str, deadline: float | None = None) -> Export:
        try:
            return await self._api.look(job, export_id, deadline=deadline)
        except RequestRejected as error:
            if error.status not in {404, 410}:
                raise
            message = f"{job}: the API does not know export {export_id} (any more): {error}"
        raise ExportExpired(message, export_id=export_id)

    def _notice(self, export: Export) -> None:
        if not wire.is_known_word(export.word):
            self._listener(OddityNoticed(f"unknown export status {export.word!r} is taken for running"))


def can_be_taken_up(known: Known) -> bool:
    """Tell whether an earlier run left an export that the server still has, under an id that may go into a URL."""
    return wire.is_usable_id(known.export_id) and known.age_seconds < EXPORT_KEPT_SECONDS


def has_failed_inside(export: Export) -> bool:
    """Tell whether the server could not make the export, so that asking again helps."""
    return export.status is ExportStatus.FAILED and export.error_code == "INTERNAL_ERROR"


def failure_of(job: Job, export: Export) -> ExportFailed | None:
    """Return the error that a failed export is; None for one that did not fail."""
    return _failed(job, export) if export.status is ExportStatus.FAILED else None


def _ended_at(ending: Ending, asked_at: float) -> float:
    return float("inf") if ending.exactly is None else asked_at + ending.age


def _failed(job: Job, export: Export) -> ExportFailed:
    hint = {
        "TIMED_OUT": ". It is too large for one export, and no filter is left to split it by",
        "INTERNAL_ERROR": f" (asked for {REREQUESTS + 1} times)",
    }.get(export.error_code, "")
    words = ": ".join(part for part in (export.error_code, export.error_message) if part) or "no reason given"
    return ExportFailed(
        f"{job}: export {export.export_id} failed: {words.rstrip('.')}{hint}",
        export_id=export.export_id,
        code=export.error_code,
    )


def _too_slow(job: Job, export_id: str, seconds: float) -> ExportDeadline:
    return ExportDeadline(
        f"{job}: export {export_id} was still running after {seconds:.0f} s; it may be ready in a later run",
        export_id=export_id,
    )
