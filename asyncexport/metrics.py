"""A listener that counts for Prometheus: ``Exporter(..., listener=Metrics())``. Needs the extra ``metrics``.

Contract: what happens is counted in the ``registry`` that is given, prometheus_client's own unless it is another one;
nothing else is touched. Labels have few values: region, endpoint or entity, status, outcome, the class of an error;
``account`` only where it is asked for, an id never. Nothing is raised into the engine.

Worst case: an export of a run that was left counts as in progress until the API forgets it, after a day.

Source: the naming rules of Prometheus (base units, ``_total``), https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from asyncexport.accounts import Region
from asyncexport.adapters.listening import Moments, Quiet
from asyncexport.events import (
    CallEnded,
    CallRetried,
    Event,
    ExportAbandoned,
    ExportAdopted,
    ExportFinished,
    ExportOrphaned,
    ExportRequested,
    JobFinished,
    JobQueued,
    PartFinished,
    TransferStarted,
)
from asyncexport.models import Exported, Failed, Job, Outcome
from asyncexport.sinks.extras import require

require("prometheus_client", extra="metrics")

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram  # noqa: E402

_MINUTES: Final = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)
_MOMENTS: Final = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics(Quiet):
    """Counts calls, exports and jobs; a :data:`asyncexport.ports.Listener`.

    ``by_account`` adds the label ``account``. ``now`` is in monotonic seconds. A registry takes one of these: make one,
    and give it to every exporter.
    """

    def __init__(
        self,
        registry: CollectorRegistry = REGISTRY,
        *,
        by_account: bool = False,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._by_account = by_account
        self._now = now
        self._waiting: Moments[Job, None] = Moments()
        self._in_progress: Moments[str, Job] = Moments()
        self._transfers: Moments[Job, None] = Moments()
        own = ("account", "region") if by_account else ("region",)
        call, job = (*own, "endpoint"), (*own, "entity")

        def counter(name: str, text: str, labels: tuple[str, ...]) -> Counter:
            return Counter(f"asyncexport_{name}", text, labels, registry=registry)

        def seconds(name: str, text: str, labels: tuple[str, ...], buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"asyncexport_{name}_seconds", text, labels, registry=registry, buckets=buckets)

        self._requests = counter("requests", "Calls by endpoint and HTTP status; 0: no answer", (*call, "status"))
        self._throttled = counter("throttled", "Calls that were answered by 429", call)
        self._retries = counter("retries", "Calls that are made again, by the error they met", ("error",))
        self._orphaned = counter("orphaned", "Requests for exports whose answer was lost", job)
        self._jobs = counter("jobs", "Jobs by outcome: exported, found, failed", (*job, "outcome"))
        self._failures = counter("failures", "Jobs that failed, by error", (*job, "error"))
        self._rows = counter("rows", "Rows committed", job)
        self._bytes = counter("bytes", "Bytes downloaded of committed exports, compressed", job)
        self._running = Gauge("asyncexport_exports_in_progress", "Exports in progress", job, registry=registry)
        self._request_seconds = seconds("request", "From a call to its answer", call, _MOMENTS)
        self._waiting_seconds = seconds("waiting", "From when a job waits for a slot until it has one", job, _MINUTES)
        self._generation_seconds = seconds("generation", "From the request of an export to its end", job, _MINUTES)
        self._transfer_seconds = seconds("transfer", "From the begin of a download to its end", job, _MINUTES)

    def _listen(self, event: Event) -> None:
        match event:
            case CallEnded() | CallRetried():
                self._count_call(event)
            case JobQueued():
                self._waiting.begin(event.job, self._now(), None)
            case ExportRequested() | ExportAdopted():
                self._begin_export(event.job, event.export_id)
            case ExportFinished():
                self._generation_seconds.labels(*self._of(event.job)).observe(event.seconds)
                self._end_export(event.export_id)
            case ExportAbandoned():
                self._end_export(event.export_id)
            case ExportOrphaned():
                self._orphaned.labels(*self._of(event.job)).inc()
            case TransferStarted():
                self._transfers.begin(event.job, self._now(), None)
            case PartFinished():
                self._end_transfer(event.outcome.job)
            case JobFinished():
                self._end_job(event.outcome)

    def _own(self, account: str, region: Region) -> tuple[str, ...]:
        return (account, region.value) if self._by_account else (region.value,)

    def _of(self, job: Job) -> tuple[str, ...]:
        return (*self._own(job.profile.account, job.profile.region), job.entity.value)

    def _count_call(self, event: CallEnded | CallRetried) -> None:
        if isinstance(event, CallRetried):
            self._retries.labels(event.reason).inc()
            return
        labels = (*self._own(event.account, event.region), event.endpoint)
        self._requests.labels(*labels, str(event.status)).inc()
        self._request_seconds.labels(*labels).observe(event.seconds)
        if event.status == 429:
            self._throttled.labels(*labels).inc()

    def _begin_export(self, job: Job, export_id: str) -> None:
        now = self._now()
        if (waiting := self._waiting.end(job)) is not None:
            self._waiting_seconds.labels(*self._of(job)).observe(now - waiting[0])
        self._end_export(export_id)
        self._running.labels(*self._of(job)).inc()
        for forgotten in self._in_progress.begin(export_id, now, job):
            self._running.labels(*self._of(forgotten)).dec()

    def _end_export(self, export_id: str) -> None:
        if (running := self._in_progress.end(export_id)) is not None:
            self._running.labels(*self._of(running[1])).dec()

    def _end_transfer(self, job: Job) -> None:
        self._waiting.end(job)
        if (transfer := self._transfers.end(job)) is not None:
            self._transfer_seconds.labels(*self._of(job)).observe(self._now() - transfer[0])

    def _end_job(self, outcome: Outcome) -> None:
        self._end_transfer(outcome.job)
        labels = self._of(outcome.job)
        match outcome:
            case Failed(error=error):
                self._jobs.labels(*labels, "failed").inc()
                self._failures.labels(*labels, type(error).__name__).inc()
            case Exported(found=True):
                self._jobs.labels(*labels, "found").inc()
            case Exported(receipt=receipt):
                self._jobs.labels(*labels, "exported").inc()
                self._rows.labels(*labels).inc(receipt.rows)
                self._bytes.labels(*labels).inc(receipt.source_bytes)
