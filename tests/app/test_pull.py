"""The main job, step by step, with a fake exporter and a real sink."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from asyncexport.accounts import Region
from asyncexport.adapters.clock import SystemClock
from asyncexport.adapters.cores import cores
from asyncexport.adapters.journal import SqliteJournal
from asyncexport.app.manifest import history
from asyncexport.app.pull import Wish, pull, select
from asyncexport.app.report import JsonReport, Report, TextReport
from asyncexport.app.settings import RunSettings, Settings, SinkSettings, harmless_environment
from asyncexport.errors import AuthError, ConfigError, DiskFull, RequestRejected, ServerError, SinkError
from asyncexport.events import CallRetried, Event
from asyncexport.models import Discovery, Entity, Failed, Job, Limits, Outcome, Refused
from asyncexport.notes import Requested
from asyncexport.ports import Clock
from asyncexport.sinks import JsonLines
from asyncexport.testing import FakeClock
from tests.app.support import STARTED, FakeExporter, account, exported, failed, profile, refused

TWO = Discovery((profile("1"), profile("2")))


def wish(folder: Path, *, entities: tuple[Entity, ...] = (Entity.ADS,), grace: float = 25.0, **more: Any) -> Wish:
    settings = Settings(
        accounts=(account(),),
        run=RunSettings(entities=entities, state_dir=folder / "state", deadline=60.0),
        limits=Limits(in_progress=2),
        sink=SinkSettings(path=folder, compression="gzip"),
    )
    return Wish(settings, snapshot="2026-11-23", grace=grace, **more)


async def run(
    wanted: Wish,
    exporter: FakeExporter,
    lines: list[str],
    *,
    report: Report | None = None,
    clock: Clock | None = None,
) -> int:
    return await pull(
        wanted,
        report=report or JsonReport(lines.append),
        view=None,
        clock=clock or SystemClock(),
        make_exporter=exporter,
        log=events_nobody_hears,
        now=lambda: STARTED,
        nonce="7f3a",
    )


def events_nobody_hears(_event: Event) -> None:
    pass


def manifest(folder: Path) -> dict[str, Any]:
    found = history(folder)
    assert found is not None
    return found[1][0]


async def test_everything_committed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A whole success reports every job, leaves a manifest, says where, and ends with 0."""
    lines: list[str] = []
    assert await run(wish(tmp_path), FakeExporter(TWO), lines) == 0
    events = [json.loads(line) for line in lines]
    assert [each["event"] for each in events] == ["exported", "exported", "summary"]
    assert [each["profile_id"] for each in events[:2]] == ["1", "2"]
    assert (events[2]["exported"], events[2]["rows"], events[2]["requests"]) == (2, 20, 6)
    assert manifest(tmp_path)["exit_status"] == 0
    assert manifest(tmp_path)["totals"]["exported"] == 2
    assert capsys.readouterr() == ("", f"manifest: {tmp_path}/_runs/2026-11-23T02-00-11Z-7f3a.json\n")


async def test_being_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """When quiet, a whole success says nothing on stderr; anything less is told as ever."""
    assert await run(wish(tmp_path, quiet=True), FakeExporter(TWO), []) == 0
    assert capsys.readouterr().err == ""
    assert await run(wish(tmp_path, quiet=True), FakeExporter(TWO, failed), []) == 75
    assert "manifest: " in capsys.readouterr().err


async def test_what_the_exporter_is_given(tmp_path: Path) -> None:
    """Settings reach the exporter unchanged, and so do the entities, --again and --rebuild."""
    exporter = FakeExporter(TWO)
    await run(wish(tmp_path, entities=(Entity.ADS, Entity.TARGETS), again=True, rebuild=True), exporter, [])
    given = {key: value for key, value in exporter.arguments.items() if key != "listener"}
    assert given == {
        "state_dir": tmp_path / "state",
        "workers": cores(),
        "runner": "processes",
        "dask": None,
        "worker_environment": harmless_environment(exporter.accounts),
        "limits": Limits(in_progress=2),
        "deadline": 60.0,
        "again": True,
        "rebuild": True,
        "ca_file": None,
    }
    assert [each.name for each in exporter.accounts] == ["acme"]
    assert exporter.summary.exported == 4
    assert manifest(tmp_path)["again"] is True


async def test_failures_of_every_sort(tmp_path: Path) -> None:
    """An account that was refused and jobs that failed are all reported; the worst decides the status."""
    lines: list[str] = []
    discovery = Discovery((profile("1"),), refused=(Refused("beta", Region.NA, ServerError("down")),))
    status = await run(wish(tmp_path), FakeExporter(discovery, lambda job: failed(job, RequestRejected("no"))), lines)
    assert status == 1
    events = [json.loads(line) for line in lines]
    assert [each["event"] for each in events] == ["failed", "failed", "summary"]
    assert "profile_id" not in events[0]
    assert events[2]["failed"] == 2
    assert manifest(tmp_path)["exit_status"] == 1


async def test_only_temporary_failures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """When only temporary failures are left, the status is 75 and the way on is told."""
    assert await run(wish(tmp_path), FakeExporter(TWO, failed), []) == 75
    assert "0 of 2 exports committed. Run the same command again" in capsys.readouterr().err


async def test_nothing_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No profile at all is a success that says so, and not the success of something."""
    lines: list[str] = []
    assert await run(wish(tmp_path), FakeExporter(Discovery(())), lines) == 0
    assert [json.loads(line)["event"] for line in lines] == ["summary"]
    assert "nothing to do: the accounts manage no seller or vendor profile\n" in capsys.readouterr().err


async def test_no_account_could_be_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run whose accounts were all refused has failed; it had not nothing to do."""
    discovery = Discovery((), refused=(refused(AuthError("revoked")),))
    lines: list[str] = []
    assert await run(wish(tmp_path), FakeExporter(discovery), lines, report=TextReport(lines.append)) == 3
    assert "  account acme/EU: AuthError: revoked" in lines
    assert "nothing to do" not in capsys.readouterr().err


async def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """The output folder is tried before anything is asked of the API."""
    (tmp_path / "file").write_text("in the way")
    exporter = FakeExporter(TWO)
    with pytest.raises(SinkError):
        await run(wish(tmp_path / "file"), exporter, [])
    assert exporter.arguments == {}


async def test_a_bug(tmp_path: Path) -> None:
    """An unexpected exception comes out as itself, and what was done until then is in the manifest."""

    def outcome(job: Job) -> Outcome:
        if job.profile.profile_id == "2":
            raise ZeroDivisionError
        return exported(job)

    with pytest.raises(ZeroDivisionError):
        await run(wish(tmp_path), FakeExporter(TWO, outcome), [])
    left = manifest(tmp_path)
    assert left["exit_status"] is None
    assert [job["outcome"] for job in left["jobs"]] == ["exported", "unfinished"]


async def test_an_exporter_that_cannot_be_entered(tmp_path: Path) -> None:
    """A run that never began, because another holds the lock, leaves no manifest."""

    class Locked(FakeExporter):
        async def __aenter__(self) -> FakeExporter:
            raise ConfigError("locked")

    with pytest.raises(ConfigError, match="locked"):
        await run(wish(tmp_path), Locked(TWO), [])
    assert history(tmp_path) is None


async def test_a_manifest_that_cannot_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run's own error comes before the manifest's, and the report is finished either way."""

    async def full(_sink: JsonLines, _name: str, _manifest: bytes) -> str:
        raise DiskFull("no space left")

    def outcome(_job: Job) -> Outcome:
        raise ZeroDivisionError

    monkeypatch.setattr(JsonLines, "keep", full)
    with pytest.raises(ZeroDivisionError):
        await run(wish(tmp_path), FakeExporter(TWO, outcome), [])
    assert capsys.readouterr().err == "the manifest could not be kept either: no space left\n"
    lines: list[str] = []
    with pytest.raises(DiskFull):
        await run(wish(tmp_path), FakeExporter(TWO), lines)
    assert [json.loads(line)["event"] for line in lines] == ["exported", "exported", "summary"]


@pytest.mark.parametrize("fails", [False, True])
async def test_a_manifest_that_is_never_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, fails: bool
) -> None:
    """A sink that hangs with the manifest is waited for as long as any call of it; then the run ends all the same."""

    async def hanging(_sink: JsonLines, _name: str, _manifest: bytes) -> str:
        await asyncio.Event().wait()
        raise AssertionError

    def outcome(job: Job) -> Outcome:
        if fails:
            raise ZeroDivisionError
        return exported(job)

    monkeypatch.setattr(JsonLines, "keep", hanging)
    said = "JsonLines did not store the manifest within 600 s"
    if fails:
        with pytest.raises(ZeroDivisionError):
            await run(wish(tmp_path), FakeExporter(TWO, outcome), [], clock=FakeClock())
        assert capsys.readouterr().err == f"the manifest could not be kept either: {said}\n"
    else:
        lines: list[str] = []
        with pytest.raises(SinkError, match=f"^{said}$"):
            await run(wish(tmp_path), FakeExporter(TWO, outcome), lines, clock=FakeClock())
        assert [json.loads(line)["event"] for line in lines] == ["exported", "exported", "summary"]


async def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    """When stdout is closed the rest is not pulled, and the manifest says what was."""

    def write(_line: str) -> None:
        raise BrokenPipeError

    exporter = FakeExporter(TWO)
    with pytest.raises(BrokenPipeError):
        await run(wish(tmp_path), exporter, [], report=JsonReport(write))
    assert exporter.ended_by is BrokenPipeError
    assert [job["outcome"] for job in manifest(tmp_path)["jobs"]] == ["exported", "unfinished"]


async def test_a_signal_that_drains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After a signal nothing new starts; what was left undone makes the status, and the way on is told."""
    drained = asyncio.Event()

    def outcome(job: Job) -> Outcome | None:
        if job.profile.profile_id == "1":
            return exported(job)
        os.kill(os.getpid(), signal.SIGTERM)
        return None

    class Draining(FakeExporter):
        def drain(self) -> None:
            super().drain()
            drained.set()

    exporter = Draining(TWO, outcome, hang=drained.wait)
    assert await run(wish(tmp_path, grace=3600.0), exporter, []) == 143
    assert exporter.drained
    assert exporter.ended_by is None
    assert manifest(tmp_path)["exit_status"] == 143
    said = capsys.readouterr().err
    assert said.startswith("SIGTERM: starting nothing new; what is under way has 3600 s to finish")
    assert "1 of 2 exports committed. Run the same command again with --snapshot 2026-11-23" in said


async def test_what_can_be_collected_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the exports that were asked for, those that Amazon still keeps are counted from the journal."""
    job = Job(profile("2"), Entity.ADS, snapshot="2026-11-23")
    async with SqliteJournal(tmp_path / "state", wall=STARTED.timestamp) as journal:
        await journal.note(job, Requested("export-2"))
    stopped = FakeExporter(TWO, lambda _: os.kill(os.getpid(), signal.SIGINT), hang=asyncio.Event().wait)
    assert await run(wish(tmp_path, grace=0.0), stopped, []) == 130
    assert "0 of 2 exports committed, 1 job with exports under way on Amazon's side. Run the" in capsys.readouterr().err


@pytest.mark.parametrize("spoilt", [False, True])
async def test_what_cannot_be_known_is_not_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, spoilt: bool
) -> None:
    """Without a journal, or with one that broke meanwhile, the way on is told all the same."""
    wanted = wish(tmp_path)
    if spoilt:
        (tmp_path / "state").mkdir()
        (tmp_path / "state" / "journal.sqlite3").write_bytes(b"nonsense" * 1000)
    else:
        settings = replace(wanted.settings, run=replace(wanted.settings.run, state_dir=None))
        wanted = replace(wanted, settings=settings)
    assert await run(wanted, FakeExporter(TWO, failed), []) == 75
    assert "0 of 2 exports committed. Run the same command again" in capsys.readouterr().err


async def test_a_signal_without_grace(tmp_path: Path) -> None:
    """Without grace the run is cancelled at once; report and manifest are still whole."""
    exporter = FakeExporter(TWO, lambda _: os.kill(os.getpid(), signal.SIGINT), hang=asyncio.Event().wait)
    lines: list[str] = []
    assert await run(wish(tmp_path, grace=0.0), exporter, lines) == 130
    assert exporter.ended_by is asyncio.CancelledError
    assert [json.loads(line)["event"] for line in lines] == ["summary"]
    assert [job["outcome"] for job in manifest(tmp_path)["jobs"]] == ["unfinished", "unfinished"]


async def test_a_signal_before_anything_is_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """During discovery there is nothing to drain: the first signal stops at once."""

    class Slow(FakeExporter):
        async def discover(self) -> Discovery:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()
            raise AssertionError

    assert await run(wish(tmp_path), Slow(TWO), []) == 130
    assert "nothing to do" not in capsys.readouterr().err


def test_the_profiles_that_were_named() -> None:
    """Named profiles are selected; without names all are."""
    assert select(TWO, ()) == TWO.profiles
    assert select(TWO, ("2",)) == [profile("2")]


def test_a_profile_that_nobody_manages() -> None:
    """An id no account manages is a mistake, unless an account that might could not be looked at."""
    with pytest.raises(ConfigError, match="--profile 3: no account manages it"):
        select(TWO, ("1", "3"))
    partial = Discovery((profile("1"),), refused=(refused(ServerError("down")),))
    assert select(partial, ("3", "1")) == [profile("1")]


def test_an_agency_profile_that_was_named() -> None:
    """Asking for an agency profile by its id is a mistake that is explained."""
    with pytest.raises(ConfigError, match="--profile 9: an agency profile"):
        select(Discovery((), skipped=(profile("9"),)), ("9",))


async def test_an_outcome_that_failed_for_good(tmp_path: Path) -> None:
    """A full disk outweighs everything else."""
    errors = iter([ServerError("down"), DiskFull("no space")])
    assert await run(wish(tmp_path), FakeExporter(TWO, lambda job: Failed(job, next(errors))), []) == 74


@pytest.mark.parametrize("quiet", [True, False])
async def test_waiting_before_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str], quiet: bool) -> None:
    """Attempts that are made again while the accounts are looked at are said, unless nobody wants to hear of them."""

    class Slow(FakeExporter):
        async def discover(self) -> Discovery:
            self.arguments["listener"](CallRetried("acme", "", "profiles", "ConnectError", 2.0, throttled=False))
            return await super().discover()

    assert await run(wish(tmp_path, quiet=quiet), Slow(TWO), []) == 0
    assert ("account acme: cannot connect (profiles); trying again in 2.0 s" in capsys.readouterr().err) is not quiet
