"""Spans: one for each job with what took its time below, true to the order of events, and no secret in them."""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import count

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import ProxyTracerProvider, StatusCode

from asyncexport import events
from asyncexport.accounts import Region
from asyncexport.emulator.server import EmulatorServer
from asyncexport.errors import ConfigError, ExportFailed
from asyncexport.models import Entity, Exported, Failed, Job, Profile, Receipt
from asyncexport.otel import Traces
from asyncexport.sinks import Memory
from tests.engine.pulling import exporter, planned, pulled

JOB = Job(Profile("acme", Region.EU, "7"), Entity.ADS, snapshot="night")
PHASES = ("wait", "generation", "transfer")
DONE = Receipt("e", 2, 5, "", "", source_bytes=9)


class Scope:
    """A provider of its own; the time is one nanosecond later at each look."""

    def __init__(self) -> None:
        self._memory = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._memory))
        self.tell = Traces(self.provider, now=count(1).__next__)

    @property
    def spans(self) -> list[ReadableSpan]:
        """The spans that have ended, in the order of their begin."""
        return sorted(self._memory.get_finished_spans(), key=lambda span: span.start_time or 0)

    @property
    def named(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self.spans}

    def tree(self) -> list[tuple[str, str | None]]:
        """Return the name of each span and of the one above it."""
        names = {span.context.span_id: span.name for span in self.spans if span.context}
        return [(span.name, names.get(span.parent.span_id) if span.parent else None) for span in self.spans]


@pytest.fixture
def scope() -> Scope:
    return Scope()


def tell_of_a_success(scope: Scope, job: Job, export_id: str = "e") -> None:
    """Tell of a job, or a part of one, up to its outcome."""
    scope.tell(events.JobQueued(job))
    scope.tell(events.ExportRequested(job, export_id))
    scope.tell(events.ExportFinished(job, export_id, 3.0, 9))
    scope.tell(events.TransferStarted(job))


@pytest.mark.emulator(weather="poll entity=targets nth=1: fail-SOMETHING_NEW")
async def test_a_run(emulator: EmulatorServer, scope: Scope) -> None:
    """Every job of a run has one span with its children, and one that failed says so."""
    async with exporter(emulator, scope.tell) as pulling:
        jobs = await planned(pulling)
        outcomes = await pulled(pulling, jobs, Memory())
    tops = [span for span in scope.spans if span.parent is None]

    assert len(tops) == len(outcomes) == 16
    below = [name for name, above in scope.tree() if above is not None]
    assert (below.count("wait"), below.count("generation"), below.count("transfer")) == (16, 16, 15)
    (failed,) = [span for span in tops if span.status.status_code is StatusCode.ERROR]
    assert failed.attributes is not None
    assert (failed.name, failed.attributes["error.type"]) == ("export targets", "ExportFailed")
    rows = sum(outcome.receipt.rows for outcome in outcomes if isinstance(outcome, Exported))
    assert sum(int(str((span.attributes or {}).get("asyncexport.rows", 0))) for span in tops) == rows


def test_a_job(scope: Scope) -> None:
    """Children follow each other within the job's span, which begins when the job began to wait."""
    tell_of_a_success(scope, JOB)
    scope.tell(events.JobFinished(Exported(JOB, DONE)))

    assert dict(scope.tree()) == {"export ads": None} | dict.fromkeys(PHASES, "export ads")
    times = [(span.start_time, span.end_time) for span in map(scope.named.__getitem__, PHASES)]
    assert times == sorted(times)
    assert all(ended is not None and began is not None and ended > began for began, ended in times)
    job = scope.named["export ads"]
    assert dict(job.attributes or {}) == {
        "asyncexport.account": "acme",
        "asyncexport.region": "EU",
        "asyncexport.profile_id": "7",
        "asyncexport.entity": "ads",
        "asyncexport.snapshot": "night",
        "asyncexport.export_id": "e",
        "asyncexport.rows": 2,
        "asyncexport.bytes": 9,
    }
    assert job.start_time == scope.named["wait"].start_time
    assert job.status.status_code is StatusCode.UNSET
    assert dict(scope.named["generation"].attributes or {}) == {
        "asyncexport.export_id": "e",
        "asyncexport.file_size": 9,
    }


def test_a_job_that_fails(scope: Scope) -> None:
    """The job and what it was doing are marked by the class of the error and its text, without what looks secret."""
    tell_of_a_success(scope, JOB)
    scope.tell(events.JobFinished(Failed(JOB, ExportFailed("token Atza|IwEBIJ-canary was refused"))))

    for name in ("export ads", "transfer"):
        span = scope.named[name]
        assert span.status.status_code is StatusCode.ERROR
        assert "canary" not in str(span.status.description)
        assert (span.attributes or {})["error.type"] == "ExportFailed"
    assert scope.named["generation"].status.status_code is StatusCode.UNSET


def test_a_job_that_never_began(scope: Scope) -> None:
    """What failed before it waited has a span; what was found has none."""
    scope.tell(events.JobFinished(Failed(JOB, ConfigError("no"))))
    assert [span.name for span in scope.spans] == ["export ads"]
    scope.tell(events.JobFinished(Exported(JOB, DONE, found=True)))
    assert len(scope.spans) == 1


def test_a_job_in_parts(scope: Scope) -> None:
    """Parts are spans below the job; one that is cut further ends, and what is left ends with the job."""
    one, two, three, four = (replace(JOB, snapshot=f"part {number}") for number in range(4))
    scope.tell(events.JobQueued(JOB))
    scope.tell(events.ExportRequested(JOB, "whole"))
    scope.tell(events.ExportFinished(JOB, "whole", 3.0, None))
    scope.tell(events.JobSplit(JOB, (one, two)))
    tell_of_a_success(scope, one)
    scope.tell(events.PartFinished(JOB, Exported(one, DONE)))
    scope.tell(events.JobQueued(two))
    scope.tell(events.ExportAdopted(two, "two"))
    scope.tell(events.JobSplit(JOB, (one, three, four)))
    tell_of_a_success(scope, three)
    scope.tell(events.PartFinished(JOB, Failed(three, ExportFailed("no"))))
    scope.tell(events.PartFinished(JOB, Exported(four, DONE, found=True)))
    scope.tell(events.JobFinished(Failed(JOB, ExportFailed("no"))))

    parts = [above for name, above in scope.tree() if name == "export part of ads"]
    assert parts == ["export ads"] * 3
    assert [above for name, above in scope.tree() if name == "transfer"] == ["export part of ads"] * 2
    scope.tell.close()
    assert len([span for span in scope.spans if span.name.startswith("export")]) == 4


def test_what_happens_on_the_way(scope: Scope) -> None:
    """What was met stands as an event in the span of what it was met by."""
    tell_of_a_success(scope, JOB)
    scope.tell(events.TransferResumed(JOB, 5, "ConnectionLost"))
    scope.tell(events.UrlRenewed(JOB))
    scope.tell(events.RunStarted(1))
    scope.tell(events.JobFinished(Exported(JOB, DONE)))

    met = [(event.name, dict(event.attributes or {})) for event in scope.named["transfer"].events]
    assert met == [("transfer.resumed", {"asyncexport.reason": "ConnectionLost"}), ("url.renewed", {})]


def test_an_export_that_is_given_up(scope: Scope) -> None:
    """An export that is watched no more says so; the job waits again, and its next export is a child of its own."""
    scope.tell(events.JobQueued(JOB))
    scope.tell(events.ExportRequested(JOB, "lost"))
    scope.tell(events.ExportAbandoned(JOB, "lost", 0.0))
    tell_of_a_success(scope, JOB)
    scope.tell(events.JobFinished(Exported(JOB, DONE)))

    generations = [span for span in scope.spans if span.name == "generation"]
    assert [(span.attributes or {}).get("asyncexport.abandoned") for span in generations] == [True, None]
    assert len([span for span in scope.spans if span.name == "wait"]) == 2


def test_a_run_that_is_left(scope: Scope) -> None:
    """Closing ends the spans of jobs that have no outcome; a block does it."""
    with scope.tell as tell:
        tell(events.JobQueued(JOB))
        tell(events.ExportRequested(JOB, "e"))
        assert [span.name for span in scope.spans] == ["wait"]

    assert {span.name for span in scope.spans} == {"wait", "generation", "export ads"}


def test_spans_below_the_programs_own(scope: Scope) -> None:
    """A listener that is made within a span puts its jobs below it."""
    with scope.provider.get_tracer("mine").start_as_current_span("night"):
        tell = Traces(scope.provider, now=count(1).__next__)
    tell(events.JobFinished(Failed(JOB, ConfigError("no"))))

    assert ("export ads", "night") in scope.tree()


def test_the_programs_own_provider() -> None:
    """Without a provider the program's is used, whichever that is, and none is set."""
    Traces()(events.JobFinished(Failed(JOB, ConfigError("no"))))

    assert isinstance(trace.get_tracer_provider(), ProxyTracerProvider)


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who lacks OpenTelemetry is told what to install."""
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", None)
    monkeypatch.delitem(sys.modules, "asyncexport.otel")

    with pytest.raises(ConfigError, match=r"asyncexport\[otel\]"):
        __import__("asyncexport.otel")
