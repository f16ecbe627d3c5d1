"""``asyncexport status``: what the last run did, what is under way and what is missing."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from asyncexport.adapters.journal import FILE, SqliteJournal
from asyncexport.adapters.lock import StateLock
from asyncexport.app.cli import main
from asyncexport.app.exits import Exit
from asyncexport.app.manifest import RunRecord
from asyncexport.errors import AuthError, ConnectionLost, ExportFailed
from asyncexport.models import Discovery, Job, Receipt, Summary
from asyncexport.notes import Committed, Dropped, Intended, Note, Requested, Split
from asyncexport.sansio.scheduling.splitting import split
from tests.app.support import STARTED, exported, failed, job, refused

RECEIPT = Receipt("e-1", rows=10, bytes=500, sha256="ab" * 32, location="x")
HEADING = "label       committed  failed  under way  perhaps asked for  exports to collect  oldest"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty folder, so that the defaults lead there."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def left(folder: Path, record: RunRecord, status: Exit | None) -> Path:
    path = folder / "_runs" / f"{record.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(record.manifest(Summary(), status))
    return path


def record(discovery: Discovery, *jobs: Any) -> RunRecord:
    made = RunRecord(snapshot="2026-11-23", now=lambda: STARTED, nonce="7f3a")
    made.plan(discovery, jobs)
    return made


def noted(*notes: tuple[Job, Note], ago: float = 0.0) -> None:
    """Leave a journal in the default folder, its notes made some seconds ago."""

    async def write() -> None:
        async with SqliteJournal("state", wall=lambda: time.time() - ago) as journal:
            for job, note in notes:
                await journal.note(job, note)

    asyncio.run(write())


def called(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["status", *arguments])


def facts(*arguments: str) -> Sequence[dict[str, Any]]:
    return [json.loads(line) for line in called("--json", *arguments).stdout.splitlines()]


def test_nothing_is_missing() -> None:
    """After a whole run everything is told in a few lines, and the status is 0."""
    made = record(Discovery(()), job("1"), job("2"))
    made.add(exported(job("1")))
    made.add(exported(job("2"), found=True))
    path = left(Path("exports"), made, Exit.OK)
    noted((job("1"), Committed(RECEIPT)), (job("2"), Committed(RECEIPT)), ago=time.time() - STARTED.timestamp())
    result = called()
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "run 2026-11-23T02-00-11Z-7f3a under the label 2026-11-23",
        "from 2026-11-23T02:00:11.000Z to 2026-11-23T02:00:11.000Z, exit status 0",
        "1 export committed, 1 already there, 0 failed, 0 not done",
        f"manifest: {path}",
        f"journal: state/{FILE}",
        HEADING,
        "2026-11-23          2       0          0                  0                   0  -",
    ]


def test_what_is_missing() -> None:
    """What was to come and did not is listed with its reason, and the status is 1."""
    made = record(Discovery((), refused=(refused(AuthError("revoked")), refused(AuthError("no"), profile_id="8"))))
    made.plan(made.discovery, [job("1"), job("2")])
    made.add(failed(job("1"), ExportFailed("timed out\x1b")))
    left(Path("elsewhere"), made, None)
    result = called("--out", "elsewhere")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[1:] == [
        "from 2026-11-23T02:00:11.000Z to 2026-11-23T02:00:11.000Z, ended by an error",
        "0 exports committed, 0 already there, 1 failed, 1 not done",
        f"manifest: elsewhere/_runs/{made.name}.json",
        f"no journal at state/{FILE}",
        "missing:",
        "  account acme/EU: AuthError: revoked",
        "  profile acme/EU/8: AuthError: no",
        "  campaigns of acme/EU/1: ExportFailed: timed out\\x1b",
        "  campaigns of acme/EU/2: not done",
    ]


def test_no_run_yet() -> None:
    """Where no run has been, that is said."""
    result = called()
    nothing = f"no run has left a manifest under exports or a journal at state/{FILE}\n"
    assert (result.exit_code, result.stdout) == (1, nothing)
    assert facts() == [
        {
            "event": "status",
            "run": None,
            "snapshot": None,
            "exit_status": None,
            "manifest": None,
            "going_on": False,
            "missing": 0,
        }
    ]


def test_a_run_that_was_killed() -> None:
    """Without a manifest the journal tells what is committed, what can be collected and what is uncertain."""
    noted(
        (job("1"), Committed(RECEIPT)),
        (job("2"), Requested("e-2")),
        (job("3"), Intended()),
        (job("4"), Requested("e-4")),
        (job("4"), Dropped(ConnectionLost("cut"), keep=True)),
        (job("5"), Dropped(ExportFailed("no"), keep=False)),
        ago=7200.0,
    )
    result = called()
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "no run has left a manifest",
        f"journal: state/{FILE}",
        "label       committed  failed  under way  perhaps asked for  exports to collect  oldest",
        (
            "2026-11-23          1       2          1                  1                   2"
            "  2 h 0 min ago, kept by Amazon"
        ),
        "missing:",
        "  campaigns of acme/EU/2: under way, asked for 2 h 0 min ago; a run with --snapshot 2026-11-23 collects it",
        "  campaigns of acme/EU/3: perhaps asked for: the answer was not noted",
        "  campaigns of acme/EU/4: ConnectionLost (a run with --snapshot 2026-11-23 collects it)",
        "  campaigns of acme/EU/5: ExportFailed",
    ]


def test_an_export_that_is_too_old() -> None:
    """After a day the server keeps an export no longer, and that is said."""
    noted((job("2"), Requested("e-2")), ago=25 * 3600.0)
    *_, label, _, missing = called().stdout.splitlines()
    assert label.endswith("0  25 h 0 min ago, no longer kept")
    assert missing.endswith("no longer kept by Amazon, a run with --snapshot 2026-11-23 asks again")


def test_a_job_in_parts() -> None:
    """It is one job that is under way; how far it is, and what can be collected of it, is said."""
    whole = job("2")
    parts = [replace(whole, filters=filters) for filters in split(whole.filters, whole.entity)]
    noted(
        (whole, Split(tuple(part.filters for part in parts))),
        (parts[0], Committed(RECEIPT)),
        (parts[1], Requested("e-2")),
        ago=7200.0,
    )
    result = called()
    assert result.exit_code == 1
    assert result.stdout.splitlines()[3:] == [
        (
            "2026-11-23          0       0          1                  0                   1"
            "  2 h 0 min ago, kept by Amazon"
        ),
        "missing:",
        (
            "  campaigns of acme/EU/2: taken in parts, 1 of 3 parts are committed; "
            "a run with --snapshot 2026-11-23 goes on with them"
        ),
    ]
    label, missing, _ = facts()
    assert (label["in_parts"], label["requested"]) == (1, 0)
    assert (missing["state"], missing["collectable"], missing["export_id"]) == ("split", True, "e-2")


def test_a_job_in_parts_that_failed() -> None:
    """What it failed of is told, and that its other parts can still be collected."""
    whole = job("2")
    parts = [replace(whole, filters=filters) for filters in split(whole.filters, whole.entity)]
    noted(
        (whole, Split(tuple(part.filters for part in parts))),
        (parts[1], Requested("e-2")),
        (whole, Dropped(ExportFailed("no"), keep=True)),
    )
    assert called().stdout.splitlines()[-1] == (
        "  campaigns of acme/EU/2: ExportFailed (a run with --snapshot 2026-11-23 collects it)"
    )


def test_what_takes_longest() -> None:
    """The three slowest exports of the nights before are named, slowest first."""
    noted(*((job(str(each)), Committed(RECEIPT, 10.0**each)) for each in range(1, 5)))
    assert called().stdout.splitlines()[-4:] == [
        "longest so far:",
        "  campaigns of acme/EU/4: 2 h 46 min",
        "  campaigns of acme/EU/3: 16 min 40 s",
        "  campaigns of acme/EU/2: 1 min 40 s",
    ]
    slow = [fact for fact in facts() if fact["event"] == "slow"]
    assert slow[0] == {
        "event": "slow",
        "account": "acme",
        "region": "EU",
        "profile_id": "4",
        "entity": "campaigns",
        "seconds": 10000.0,
    }
    assert [fact["profile_id"] for fact in slow] == ["4", "3", "2"]


def test_manifest_and_journal_together() -> None:
    """What a later run committed is not missing any more; what it left undone is, whatever the manifest says."""
    made = record(Discovery(()), *(job(str(each)) for each in range(1, 5)))
    made.add(failed(job("2"), ExportFailed("timed out")))
    made.add(failed(job("3"), ExportFailed("timed out")))
    made.add(exported(job("4")))
    left(Path("exports"), made, Exit.FAILED)
    later = Job(job("1").profile, job().entity, snapshot="later")
    before = Job(job("1").profile, job().entity, snapshot="before")
    noted(
        (before, Dropped(ExportFailed("no"), keep=False)),
        (job("1"), Committed(RECEIPT)),
        (job("2"), Dropped(ExportFailed("timed out"), keep=False)),
        (job("3"), Requested("e-3")),
        (later, Requested("e-1")),
    )
    result = called()
    assert result.exit_code == 1
    lines = re.sub(r"asked for \d\.\d s ago", "asked for then", result.stdout).splitlines()
    assert lines[4] == "a later run left no manifest: it is going on, or was killed"
    assert lines[lines.index("missing:") :] == [
        "missing:",
        "  campaigns of acme/EU/2 under 2026-11-23: ExportFailed: timed out",
        (
            "  campaigns of acme/EU/3 under 2026-11-23: under way, asked for then; "
            "a run with --snapshot 2026-11-23 collects it"
        ),
        "  campaigns of acme/EU/1 under later: under way, asked for then; a run with --snapshot later collects it",
        "failed under earlier labels:",
        "  campaigns of acme/EU/1 under before: ExportFailed",
    ]


def test_a_narrower_run_afterwards() -> None:
    """What an interrupted run never came to stays missing until it is brought; the newest outcome of a job counts."""
    jobs = [job(str(each)) for each in range(1, 6)]
    after = STARTED + timedelta(milliseconds=5)
    night = RunRecord(snapshot="2026-11-23", now=lambda: STARTED, nonce="ffff")
    later = RunRecord(snapshot="2026-11-23", now=lambda: after, nonce="0000")
    night.plan(Discovery((), refused=(refused(AuthError("revoked")),)), jobs)
    night.add(exported(jobs[0]))
    night.add(failed(jobs[1], ExportFailed("timed out")))
    night.add(exported(jobs[2]))
    left(Path("exports"), night, Exit.INTERRUPTED)
    assert [line for line in called().stdout.splitlines() if "account acme" in line] == [
        "  account acme/EU: AuthError: revoked"
    ]
    later.plan(Discovery(()), jobs[:4])
    later.add(failed(jobs[0], ExportFailed("other")))
    later.add(exported(jobs[1]))
    left(Path("exports"), later, Exit.INTERRUPTED)
    result = called()
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0].endswith("-0000 under the label 2026-11-23")
    assert lines[lines.index("missing:") :] == [
        "missing:",
        "  campaigns of acme/EU/1: ExportFailed: other",
        "  campaigns of acme/EU/4: not done",
        "  campaigns of acme/EU/5: not done",
    ]


def test_a_file_instead_of_the_folder() -> None:
    """An output folder that is none is said, with the status of local storage."""
    Path("file").touch()
    result = called("--out", "file")
    assert (result.exit_code, result.stdout) == (74, "")
    assert result.stderr.startswith("error: file is no folder")


def test_as_json() -> None:
    """One object a line: the labels, what is missing, earlier failures, and last the totals."""
    made = record(Discovery(()), job("1"), job("2"))
    path = left(Path("exports"), made, Exit.INTERRUPTED)
    before = Job(job("1").profile, job().entity, snapshot="before")
    noted((before, Dropped(ExportFailed("no"), keep=False)), (job("1"), Requested("e-1")))
    earlier, label, under_way, undone, failure, last = facts()
    counts = ("committed", "failed", "requested", "intended", "collectable")
    assert [earlier[name] for name in ("event", "snapshot", *counts)] == ["label", "before", 0, 1, 0, 0, 0]
    assert [label[name] for name in ("event", "snapshot", *counts)] == ["label", "2026-11-23", 0, 0, 1, 0, 1]
    assert (earlier["oldest_seconds"], 0 <= label["oldest_seconds"] < 60) == (None, True)
    where = {"account": "acme", "region": "EU", "profile_id": "1", "entity": "campaigns"}
    assert under_way.pop("age") < 60
    assert under_way == {
        "event": "missing",
        "snapshot": "2026-11-23",
        **where,
        "state": "requested",
        "export_id": "e-1",
        "collectable": True,
    }
    assert (undone["profile_id"], undone["state"], undone["collectable"]) == ("2", "unfinished", False)
    assert (failure["event"], failure["snapshot"], failure["error"]) == ("failed", "before", "ExportFailed")
    assert last == {
        "event": "status",
        "run": made.name,
        "snapshot": "2026-11-23",
        "exit_status": 130,
        "manifest": str(path),
        "going_on": False,
        "missing": 2,
    }


def test_while_a_run_is_going_on() -> None:
    """Looking needs no lock."""
    noted((job("1"), Intended()))
    lock = StateLock("state")
    lock.acquire()
    result = called()
    assert facts()[-1]["going_on"]
    lock.release()
    assert (result.exit_code, result.stdout.splitlines()[0]) == (1, "a run is going on")
    assert called().stdout.splitlines()[0] == "no run has left a manifest"


def test_what_the_run_that_is_going_on_sees_to() -> None:
    """Nothing is advised about it; what another label lacks is told as ever."""
    whole = job("2")
    parts = [replace(whole, filters=filters) for filters in split(whole.filters, whole.entity)]
    noted(
        (whole, Split(tuple(part.filters for part in parts))),
        (parts[0], Committed(RECEIPT)),
        (job("1"), Requested("e-1")),
    )
    lock = StateLock("state")
    lock.acquire()
    told = called().stdout.splitlines()
    lock.release()
    assert any(line.startswith("  campaigns of acme/EU/1: under way, asked for 0") for line in told)
    assert any(line == "  campaigns of acme/EU/2: in parts, 1 of 3 parts are committed" for line in told)
    assert not any("--snapshot" in line for line in told)


def test_a_journal_that_cannot_be_used() -> None:
    """A damaged journal is one line that names it and the way out, and the status is 74."""
    Path("state").mkdir()
    Path("state", FILE).write_bytes(b"nonsense" * 1000)
    result = called()
    assert (result.exit_code, result.stdout) == (74, "")
    assert len(result.stderr.splitlines()) == 1
    assert f"state/{FILE} cannot be used" in result.stderr
    assert "--rebuild" in result.stderr


def test_the_folders_of_the_configuration() -> None:
    """The folders come from the configuration, whose secrets need not be there."""
    Path("asyncexport.toml").write_text(
        '[run]\nstate_dir = "kept"\n[sink]\npath = "elsewhere"\n[[accounts]]\nclient_id = { env = "UNSET" }\n'
    )
    left(Path("elsewhere"), record(Discovery(())), Exit.OK)
    result = called()
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == f"no journal at kept/{FILE}"


def test_a_manifest_of_a_stranger(folder: Path) -> None:
    """A manifest that is none ends in one line; one with odd contents is shown safely."""
    path = left(folder, record(Discovery(())), Exit.OK)
    odd = {"format": 1, "jobs": [{"outcome": "\x1b"}], "refused": [{}], "skipped": [], "snapshot": "\n"}
    path.write_text(json.dumps(odd))
    noted((job("1"), Intended()))
    result = called("--out", ".")
    assert result.exit_code == 1
    assert "\x1b" not in result.stdout
    path.write_text("{}")
    result = called("--out", ".")
    assert result.exit_code == 74
    assert "is no manifest of format 1" in result.stderr
