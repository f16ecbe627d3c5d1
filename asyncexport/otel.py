"""A listener that makes OpenTelemetry spans: ``Exporter(..., listener=Traces())``. Needs the extra ``otel``.

Contract: one span for each job, below the span that was current when the listener was made, with a child for each
thing that takes time: ``wait`` for a slot, ``generation`` at Amazon, ``transfer`` into the sink. A job in parts has a
child span for each part, and those the children. A job that was found committed has no span. Spans go to the tracer
provider that is given, or to the program's; none is ever set. Attributes follow the semantic conventions where there
are any (``error.type``), the others begin with ``asyncexport.``. What is told of an error is its text, which holds
neither a token nor a signed URL. Nothing is raised into the engine.

Plan: a span begins when there is something to tell, at the time at which it began, so that jobs that wait cost one
entry in a dictionary. Worst case: spans of a run that was left have no end; :meth:`Traces.close` gives them one.

Source: https://opentelemetry.io/docs/specs/semconv/general/recording-errors/
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TypeAlias

from asyncexport._version import __version__
from asyncexport.adapters.listening import Quiet
from asyncexport.events import (
    Event,
    ExportAbandoned,
    ExportAdopted,
    ExportFinished,
    ExportOrphaned,
    ExportRequested,
    JobFinished,
    JobQueued,
    JobSplit,
    PartFinished,
    TransferRestarted,
    TransferResumed,
    TransferStarted,
    UrlRenewed,
)
from asyncexport.models import Exported, Failed, Job, Outcome
from asyncexport.sansio.redact import scrub
from asyncexport.sinks.extras import require

require("opentelemetry.trace", extra="otel")

from opentelemetry import context, trace  # noqa: E402
from opentelemetry.context import Context  # noqa: E402
from opentelemetry.trace import Span, Status, StatusCode, TracerProvider  # noqa: E402

_Attributes: TypeAlias = Mapping[str, str | int]
_Passing: TypeAlias = UrlRenewed | TransferResumed | TransferRestarted | ExportOrphaned


@dataclass(slots=True)
class _Open:
    """A job's span, and that of what it is doing now."""

    span: Span
    phase: Span | None = None


class Traces(Quiet):
    """Makes a span for each job; a :data:`asyncexport.ports.Listener`, and a context manager that closes it.

    ``now`` gives the time in nanoseconds since 1970.
    """

    def __init__(self, tracer_provider: TracerProvider | None = None, *, now: Callable[[], int] = time.time_ns) -> None:
        self._tracer = trace.get_tracer("asyncexport", __version__, tracer_provider)
        self._above = context.get_current()
        self._now = now
        self._queued: dict[Job, int] = {}
        self._open: dict[Job, _Open] = {}
        self._whole: dict[Job, Job] = {}

    def __enter__(self) -> Traces:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the spans of jobs that have no outcome, parts first; a run that was left has such jobs."""
        while self._open:
            self._end(next(reversed(self._open)))
        self._queued.clear()
        self._whole.clear()

    def _listen(self, event: Event) -> None:
        match event:
            case JobQueued():
                self._queued[event.job] = self._now()
            case JobSplit():
                self._end_parts(event.job, but=event.parts)
                self._opened(event.job)
                self._whole.update(dict.fromkeys(event.parts, event.job))
            case ExportRequested() | ExportAdopted():
                self._generate(event)
            case ExportFinished():
                size = {} if event.file_size is None else {"asyncexport.file_size": event.file_size}
                self._end_phase(event.job, size)
            case ExportAbandoned():
                self._end_phase(event.job, {"asyncexport.abandoned": True})
            case TransferStarted():
                self._begin_phase(event.job, "transfer")
            case UrlRenewed() | TransferResumed() | TransferRestarted() | ExportOrphaned():
                self._note(event)
            case PartFinished():
                self._finish(event.outcome)
            case JobFinished():
                self._end_parts(event.outcome.job)
                self._finish(event.outcome)

    def _opened(self, job: Job) -> _Open:
        if (known := self._open.get(job)) is not None:
            return known
        whole = self._whole.get(job)
        above = self._above if whole is None else _below(self._opened(whole).span)
        attributes = {
            "asyncexport.account": job.profile.account,
            "asyncexport.region": job.profile.region.value,
            "asyncexport.profile_id": job.profile.profile_id,
            "asyncexport.entity": job.entity.value,
            "asyncexport.snapshot": job.snapshot,
        }
        name = f"export {job.entity.value}" if whole is None else f"export part of {job.entity.value}"
        began = self._queued.get(job, self._now())
        span = self._tracer.start_span(name, above, attributes=attributes, start_time=began)
        return self._open.setdefault(job, _Open(span))

    def _generate(self, event: ExportRequested | ExportAdopted) -> None:
        job = event.job
        opened = self._opened(job)
        if (queued := self._queued.pop(job, None)) is not None:
            self._tracer.start_span("wait", _below(opened.span), start_time=queued).end(self._now())
        self._begin_phase(job, "generation", {"asyncexport.export_id": event.export_id})

    def _begin_phase(self, job: Job, name: str, attributes: _Attributes | None = None) -> None:
        self._end_phase(job)
        opened = self._opened(job)
        opened.phase = self._tracer.start_span(name, _below(opened.span), attributes=attributes, start_time=self._now())

    def _end_phase(self, job: Job, attributes: _Attributes | None = None) -> None:
        opened = self._open.get(job)
        if opened is not None and opened.phase is not None:
            opened.phase.set_attributes(attributes or {})
            opened.phase.end(self._now())
            opened.phase = None

    def _note(self, event: _Passing) -> None:
        opened = self._opened(event.job)
        reason = {"asyncexport.reason": scrub(event.reason)} if hasattr(event, "reason") else {}
        (opened.phase or opened.span).add_event(event.name, reason, self._now())

    def _finish(self, outcome: Outcome) -> None:
        job = outcome.job
        if isinstance(outcome, Exported) and job not in self._open:
            self._end(job)
            return
        opened = self._opened(job)
        if isinstance(outcome, Failed):
            for span in filter(None, (opened.phase, opened.span)):
                span.set_attribute("error.type", type(outcome.error).__name__)
                span.set_status(Status(StatusCode.ERROR, scrub(str(outcome.error))))
        else:
            receipt = outcome.receipt
            opened.span.set_attributes(
                {
                    "asyncexport.export_id": receipt.export_id,
                    "asyncexport.rows": receipt.rows,
                    "asyncexport.bytes": receipt.source_bytes,
                }
            )
        self._end(job)

    def _end_parts(self, whole: Job, *, but: tuple[Job, ...] = ()) -> None:
        """End what is left of parts that are no more: cut further, or not started."""
        for part in [part for part, its in self._whole.items() if its == whole and part not in but]:
            self._end(part)

    def _end(self, job: Job) -> None:
        self._end_phase(job)
        self._queued.pop(job, None)
        self._whole.pop(job, None)
        if (opened := self._open.pop(job, None)) is not None:
            opened.span.end(self._now())


def _below(span: Span) -> Context:
    return trace.set_span_in_context(span)
