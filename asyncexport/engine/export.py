"""One job's export on the server: asked for, watched until it ends, asked for again where that helps.

The caller holds a slot around :meth:`ExportMaker.make`. An export that failed inside the server is asked for again
twice; one that timed out there is not, since the same export would time out again. A look that does not find the
export in its first minute is taken for a look that came too early. Whatever word the server uses for "running", the
deadline ends it.
"""

from __future__ import annotations

from dataclasses import dataclass

from asyncexport.engine.api import AdsApi
from asyncexport.errors import ExportDeadline, ExportExpired, ExportFailed, ProtocolError, RequestRejected
from asyncexport.events import ExportAdopted, ExportFinished, ExportOrphaned, ExportRequested, OddityNoticed
from asyncexport.models import Export, ExportStatus, Intended, Job, Known, Requested, SignedUrl
from asyncexport.ports import Clock, Journal, Listener
from asyncexport.sansio import wire
from asyncexport.sansio.backoff import Spread
from asyncexport.sansio.polling import Schedule
from asyncexport.sansio.recovery import EXPORT_KEPT_SECONDS

_REREQUESTS = 2
_SETTLING_SECONDS = 60.0
_LOOKS_FOR_URL = 3
_URL_SECONDS = 300.0
_URL_MARGIN = 60.0


@dataclass(frozen=True, slots=True)
class Ready:
    """A completed export and when it was seen, in the clock's seconds."""

    export: Export
    seen_at: float


@dataclass(frozen=True, slots=True)
class Located:
    """A completed export and a URL that it can be fetched from now."""

    export: Export
    url: SignedUrl


class ExportMaker:
    """Makes the exports of one account. ``deadline`` is in seconds from the request to the terminal status."""

    def __init__(
        self,
        api: AdsApi,
        *,
        clock: Clock,
        spread: Spread,
        listener: Listener,
        schedule: Schedule,
        deadline: float,
        journal: Journal,
    ) -> None:
        self._api = api
        self._clock = clock
        self._spread = spread
        self._listener = listener
        self._schedule = schedule
        self._deadline = deadline
        self._journal = journal

    async def make(self, job: Job, known: Known | None = None) -> Ready:
        """Request the export, or take up the one that is ``known`` from an earlier run; watch it until it is complete.

        Raises :class:`ExportFailed`, :class:`ExportDeadline`, :class:`ExportExpired`, or what ended a call for good.
        """
        ready = await self._adopted(job, known) or await self._once(job)
        rerequests = 0
        while ready.export.error_code == "INTERNAL_ERROR" and rerequests < _REREQUESTS:
            rerequests += 1
            ready = await self._once(job)
        if ready.export.status is ExportStatus.FAILED:
            raise _failed(job, ready.export)
        return ready

    async def locate(self, job: Job, ready: Ready) -> Located:
        """Return the completed export with a URL that is good for a while: as it is, or looked at again.

        Raises :class:`ProtocolError` if the API keeps calling it complete without giving a URL.
        """
        if ready.export.url is not None and self._still_good(ready):
            return Located(ready.export, ready.export.url)
        return await self.renew(job, ready.export.export_id)

    async def renew(self, job: Job, export_id: str) -> Located:
        """Ask a completed export for a fresh URL."""
        for _, delay in zip(range(_LOOKS_FOR_URL), self._schedule.delays(self._spread), strict=False):
            export = await self._look(job, export_id)
            if export.status is ExportStatus.FAILED:
                raise _failed(job, export)
            if export.url is not None:
                return Located(export, export.url)
            await self._clock.sleep(delay)
        raise ProtocolError(f"{job}: export {export_id} is complete, but the API gives no URL for it")

    async def _adopted(self, job: Job, known: Known | None) -> Ready | None:
        """Watch an earlier run's export; None if there is none, or the server does not have it any more."""
        if known is None or not wire.is_usable_id(known.export_id) or known.age_seconds >= EXPORT_KEPT_SECONDS:
            return None
        began = self._clock.now()
        export = Export(known.export_id, ExportStatus.RUNNING, word="PROCESSING")
        self._listener(ExportAdopted(job, known.export_id))
        try:
            return await self._watched(job, export, began, settling=0.0)
        except ExportExpired:
            return None

    async def _once(self, job: Job) -> Ready:
        began = self._clock.now()
        deadline = began + self._deadline
        await self._journal.note(job, Intended())
        export = await self._api.request_export(
            job, deadline=deadline, on_lost=lambda: self._listener(ExportOrphaned(job))
        )
        await self._journal.note(job, Requested(export.export_id))
        self._listener(ExportRequested(job, export.export_id))
        return await self._watched(job, export, began, settling=_SETTLING_SECONDS)

    async def _watched(self, job: Job, export: Export, began: float, *, settling: float) -> Ready:
        ready = await self._watch(job, export, began, settling)
        seconds = ready.seen_at - began
        self._listener(ExportFinished(job, export.export_id, seconds, ready.export.file_size))
        return ready

    async def _watch(self, job: Job, export: Export, began: float, settling: float) -> Ready:
        export_id, deadline = export.export_id, began + self._deadline
        delays = self._schedule.delays(self._spread)
        while export.status is ExportStatus.RUNNING:
            self._notice(export)
            now = self._clock.now()
            if now >= deadline:
                raise _too_slow(job, export_id, now - began)
            await self._clock.sleep(min(next(delays), deadline - now))
            export = await self._look_early(job, export, deadline, settled_at=began + settling)
        return Ready(export, self._clock.now())

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

    def _still_good(self, ready: Ready) -> bool:
        lifetime = ready.export.url_seconds or _URL_SECONDS
        return self._clock.now() - ready.seen_at < lifetime - min(_URL_MARGIN, lifetime / 2)

    def _notice(self, export: Export) -> None:
        if not wire.is_known_word(export.word):
            self._listener(OddityNoticed(f"unknown export status {export.word!r} is taken for running"))


def _failed(job: Job, export: Export) -> ExportFailed:
    hint = {
        "TIMED_OUT": ". It is too large for one export: ask for less with filters (ad products, states)",
        "INTERNAL_ERROR": f" (asked for {_REREQUESTS + 1} times)",
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
