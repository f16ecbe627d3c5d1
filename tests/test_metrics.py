"""What Prometheus is told: totals that agree with the outcomes, and labels with few values."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import generate_latest

import asyncexport
from asyncexport import events
from asyncexport.accounts import Region
from asyncexport.adapters.listening import DAY
from asyncexport.emulator.server import EmulatorServer
from asyncexport.errors import ConfigError
from asyncexport.metrics import Metrics
from asyncexport.models import Entity, Exported, Failed, Job, Profile, Receipt
from asyncexport.sinks import Memory
from tests.engine.pulling import exporter, planned, pulled
from tests.test_docs import blocks

JOB = Job(Profile("acme", Region.EU, "12345678901"), Entity.ADS)
PROFILES = {"region": "NA", "endpoint": "profiles", "status": "200"}
ADS = {"region": "EU", "entity": "ads"}


class Meter:
    """A registry of its own, with a clock that stands still until it is told."""

    def __init__(self, *, by_account: bool = False) -> None:
        self.registry = CollectorRegistry()
        self.seconds = 0.0
        self.tell = Metrics(self.registry, by_account=by_account, now=lambda: self.seconds)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"asyncexport_{name}", labels)

    def total(self, name: str, **labels: str) -> float:
        """Return the sum of all samples of a name that have at least these labels."""
        return sum(
            sample.value
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == f"asyncexport_{name}" and labels.items() <= sample.labels.items()
        )


@pytest.fixture
def meter() -> Meter:
    return Meter()


@pytest.mark.emulator(weather="request entity=ads nth=1: return-429 retry-after-0; poll entity=targets nth=1: fail-NEW")
async def test_a_run(emulator: EmulatorServer, meter: Meter) -> None:
    """After a run the totals are those of its outcomes and of the server's books, and nothing is in progress."""
    sink = Memory()
    async with exporter(emulator, meter.tell) as pulling:
        jobs = await planned(pulling)
        outcomes = await pulled(pulling, jobs, sink)
        await pulled(pulling, jobs[:1], sink)
    exported = [each.receipt for each in outcomes if isinstance(each, Exported)]
    counters = emulator.state.counters

    assert meter.total("jobs_total", outcome="exported") == len(exported) == 15
    assert meter.total("jobs_total", outcome="found") == 1
    assert meter.total("jobs_total", outcome="failed") == 1
    assert meter.total("failures_total", error="ExportFailed", entity="targets") == 1
    assert meter.total("rows_total") == sum(receipt.rows for receipt in exported)
    assert meter.total("bytes_total") == sum(receipt.source_bytes for receipt in exported)
    assert meter.total("exports_in_progress") == 0
    assert meter.total("throttled_total") == 1
    assert meter.total("requests_total", endpoint="ads", status="429") == 1
    for endpoint, count in counters.requests.items():
        assert meter.total("requests_total", endpoint=endpoint) == (0 if endpoint == "store" else count)
    assert meter.total("request_seconds_count") == meter.total("requests_total")
    assert meter.total("generation_seconds_count") == 16
    assert meter.total("waiting_seconds_count") == 16
    assert meter.total("transfer_seconds_count") == 15


async def test_the_program_of_the_readme(emulator: EmulatorServer) -> None:
    """The listeners that the README shows count what happens and make spans of it."""
    (program,) = [block for block in blocks("python") if "asyncexport.otel" in block]
    there: dict[str, Any] = {"account": emulator.accounts()[0], "asyncexport": asyncexport}
    before = REGISTRY.get_sample_value("asyncexport_requests_total", PROFILES) or 0.0

    exec(program, there)  # noqa: S102
    async with there["exporter"] as exporter:
        await exporter.profiles()

    assert REGISTRY.get_sample_value("asyncexport_requests_total", PROFILES) == before + 1


async def test_labels(emulator: EmulatorServer, meter: Meter) -> None:
    """No account and no profile stands in a label, unless accounts are asked for."""
    by_account = Meter(by_account=True)
    async with exporter(emulator, events.fan_out(meter.tell, by_account.tell)) as pulling:
        await pulled(pulling, await planned(pulling, [Entity.ADS]), Memory())
    profile = next(iter(emulator.state.world.profiles))

    assert b"account-1" not in generate_latest(meter.registry)
    assert by_account.total("jobs_total", account="account-1") == 2
    assert profile.encode() not in generate_latest(by_account.registry)


def test_how_long_things_take(meter: Meter) -> None:
    """A job waits until it has its slot, an export takes what it says, a transfer lasts until the outcome."""
    meter.tell(events.JobQueued(JOB))
    meter.seconds = 7.0
    meter.tell(events.ExportRequested(JOB, "e"))
    assert meter.value("exports_in_progress", **ADS) == 1
    meter.tell(events.ExportFinished(JOB, "e", 40.0, 9))
    meter.tell(events.TransferStarted(JOB))
    meter.seconds = 10.0
    meter.tell(events.JobFinished(Exported(JOB, Receipt("e", 2, 5, "", "", source_bytes=9))))

    assert meter.value("exports_in_progress", **ADS) == 0
    assert meter.value("waiting_seconds_sum", **ADS) == 7.0
    assert meter.value("generation_seconds_sum", **ADS) == 40.0
    assert meter.value("transfer_seconds_sum", **ADS) == 3.0
    assert (meter.value("rows_total", **ADS), meter.value("bytes_total", **ADS)) == (2, 9)


def test_a_job_that_ends_before_its_slot(meter: Meter) -> None:
    """What never had a slot is no wait that has ended, and no transfer."""
    meter.tell(events.JobQueued(JOB))
    meter.tell(events.JobFinished(Failed(JOB, ConfigError("no"))))

    assert meter.value("waiting_seconds_count", **ADS) is None
    assert meter.value("transfer_seconds_count", **ADS) is None
    assert meter.value("jobs_total", outcome="failed", **ADS) == 1


def test_a_job_in_parts(meter: Meter) -> None:
    """Each part is a transfer; the job counts once, with the rows of all."""
    part = replace(JOB, snapshot="part")
    done = Receipt("e", 3, 5, "", "", source_bytes=4)
    meter.tell(events.TransferStarted(part))
    meter.tell(events.PartFinished(JOB, Exported(part, done)))
    meter.tell(events.JobFinished(Exported(JOB, Receipt.of_parts([done]))))

    assert meter.value("transfer_seconds_count", **ADS) == 1
    assert meter.value("jobs_total", outcome="exported", **ADS) == 1
    assert meter.value("rows_total", **ADS) == 3


@pytest.mark.parametrize(
    "end", [lambda: events.ExportFinished(JOB, "e", 1.0, None), lambda: events.ExportAbandoned(JOB, "e", 30.0)]
)
def test_an_export_that_is_told_of_twice(meter: Meter, end: Callable[[], events.Event]) -> None:
    """An export that is adopted is the one that was asked for, and ends once."""
    for begin in (events.ExportRequested, events.ExportAdopted):
        meter.tell(begin(JOB, "e"))
        assert meter.value("exports_in_progress", **ADS) == 1
    for _ in range(2):
        meter.tell(end())
        assert meter.value("exports_in_progress", **ADS) == 0


def test_an_export_that_is_never_told_to_end(meter: Meter) -> None:
    """What a run left behind is forgotten when the API has forgotten it."""
    meter.tell(events.ExportRequested(JOB, "left"))
    meter.seconds = DAY + 1
    meter.tell(events.ExportRequested(JOB, "new"))

    assert meter.value("exports_in_progress", **ADS) == 1


def test_what_goes_wrong_on_the_way(meter: Meter) -> None:
    """Calls that are made again count by what they met, lost answers by entity; other events by nothing."""
    meter.tell(events.CallRetried("acme", "1", "profiles", "ConnectError", 2.0, throttled=False))
    meter.tell(events.ExportOrphaned(JOB))
    meter.tell(events.RunStarted(1))

    assert meter.value("retries_total", error="ConnectError") == 1
    assert meter.value("orphaned_total", **ADS) == 1


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who lacks prometheus_client is told what to install."""
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "asyncexport.metrics")

    with pytest.raises(ConfigError, match=r"asyncexport\[metrics\]"):
        __import__("asyncexport.metrics")
