"""The manifest: what one run did, told from any moment of it, and read back as from a stranger."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from asyncexport.app.exits import Exit
from asyncexport.app.manifest import FORMAT, RunRecord, history, read
from asyncexport.errors import AuthError, ExportFailed, StateCorrupt, StateError
from asyncexport.events import (
    ExportAbandoned,
    ExportAdopted,
    ExportFinished,
    ExportRequested,
    JobSplit,
    PartFinished,
    RunStarted,
)
from asyncexport.models import Discovery, Entity, Job, Summary
from asyncexport.sansio.scheduling.splitting import split
from tests.app.support import CANARY, STARTED, exported, failed, in_parts, job, profile, refused, waiting


def ticking(start: datetime = STARTED) -> Callable[[], datetime]:
    """A wall clock that goes on by a second each time it is looked at."""
    moments = (start + timedelta(seconds=passed) for passed in range(1000))
    return lambda: next(moments)


def record(*jobs: Job, discovery: Discovery | None = None) -> RunRecord:
    made = RunRecord(snapshot="2026-11-23", now=ticking(), nonce="7f3a")
    made.plan(discovery or Discovery(tuple(each.profile for each in jobs)), jobs)
    return made


def told(made: RunRecord, status: Exit | None = Exit.OK) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(made.manifest(Summary(rows=7), status, again=True))
    return document


def test_a_name() -> None:
    """A manifest is named for the moment its run began, in UTC, and a nonce."""
    assert record().name == "2026-11-23T02-00-11Z-7f3a"


def test_the_head() -> None:
    """Times, label, status and totals stand at the top; accounts and jobs that were left are counted."""
    made = record(job(), discovery=Discovery((), refused=(refused(AuthError("x")),)))
    document = told(made, Exit.AUTH)
    head = {
        key: document[key] for key in ("format", "run", "snapshot", "started_at", "finished_at", "exit_status", "again")
    }
    assert head == {
        "format": FORMAT,
        "run": "2026-11-23T02-00-11Z-7f3a",
        "snapshot": "2026-11-23",
        "started_at": "2026-11-23T02:00:11.000Z",
        "finished_at": "2026-11-23T02:00:12.000Z",
        "exit_status": 3,
        "again": True,
    }
    assert document["totals"] == {**Summary(rows=7).as_dict(), "refused": 1, "unfinished": 1}
    assert document["filters"][job().filters.fingerprint]["states"] == ["ENABLED", "PAUSED", "ARCHIVED"]


def test_a_job_that_was_exported() -> None:
    """A job carries where it is from, when it was asked for, how long it took, and what was stored."""
    made = record(job())
    made(RunStarted(1))
    made(ExportRequested(job(), "export-1"))
    made(ExportFinished(job(), "export-1", 12.3456, 300))
    made.add(exported())
    assert told(made)["jobs"] == [
        {
            "account": "acme",
            "region": "EU",
            "profile_id": "1",
            "entity": "campaigns",
            "filters": job().filters.fingerprint,
            "export_id": "export-1",
            "requested_at": "2026-11-23T02:00:12.000Z",
            "generation_seconds": 12.346,
            "finished_at": "2026-11-23T02:00:13.000Z",
            "outcome": "exported",
            "rows": 10,
            "bytes": 500,
            "sha256": "ab" * 32,
            "path": "exports/part-0.jsonl.zst",
            "source_bytes": 300,
            "integrity": "gzip",
            "notes": [],
            "generated_at": "",
        }
    ]


def test_how_long_an_export_took_that_was_given_up() -> None:
    """The seconds of one that is seen to end later are its own, and never those of the job's next export."""
    made = record(job("1"), job("2"))
    for number, export_id in (("1", "e-1"), ("2", "e-2"), ("2", "e-3")):
        made(ExportRequested(job(number), export_id))
    made(ExportFinished(job("1"), "e-1", 40.0, None))
    made(ExportFinished(job("2"), "e-2", 50.0, None))
    assert [each.get("generation_seconds") for each in told(made)["jobs"]] == [40.0, None]


def test_a_job_in_parts() -> None:
    """A job that was split is one entry with the totals, in which every part has its own facts."""
    made = record(job())
    made.add(in_parts())
    (entry,) = told(made)["jobs"]
    assert (entry["rows"], entry["path"]) == (15, "exports/part-0.jsonl.zst")
    assert [(part["export_id"], part["path"], part["rows"], "parts" in part) for part in entry["parts"]] == [
        (f"e-{at}", f"exports/part-{at}.jsonl.zst", 5, False) for at in range(3)
    ]


def test_when_the_parts_were_asked_for() -> None:
    """Each part says what it asked for and when; what is known of the export that was too large is left out."""
    parts = tuple(replace(job(), filters=filters) for filters in split(job().filters, job().entity))
    made = record(job())
    made(ExportRequested(job(), "too-large"))
    made(JobSplit(job(), parts))
    made(ExportRequested(parts[1], "e-1"))
    (entry,) = told(made)["jobs"]
    assert "export_id" not in entry
    assert [part["filters"]["ad_products"] for part in entry["parts"]] == [[each] for each in job().filters.ad_products]
    assert entry["parts"][1]["requested_at"].startswith("2026-11-23T02:00:1")
    made.add(in_parts())
    (entry,) = told(made)["jobs"]
    assert [part["path"] for part in entry["parts"]] == [f"exports/part-{at}.jsonl.zst" for at in range(3)]
    assert [("requested_at" in part, len(part["filters"]["states"])) for part in entry["parts"]] == [
        (False, 3),
        (True, 3),
        (False, 3),
    ]


def test_what_a_job_in_parts_left_that_failed() -> None:
    """Its parts say each for itself what became of them: where a committed one is, and what another failed of."""
    parts = tuple(replace(job(), filters=filters) for filters in split(job().filters, job().entity))
    made = record(job())
    assert made.parts_of(job()) == (0, 0, 0)
    made(JobSplit(job(), parts))
    made(PartFinished(job(), exported(parts[0])))
    made(PartFinished(job(), failed(parts[1], ExportFailed(f"no {CANARY}", export_id="e-2"))))
    made.add(failed(job(), ExportFailed("no", export_id="e-2")))
    assert made.parts_of(job()) == (3, 1, 0)
    (entry,) = told(made)["jobs"]
    assert (entry["outcome"], "path" in entry) == ("failed", False)
    whole, broken, undone = entry["parts"]
    stored = [whole[name] for name in ("outcome", "path", "rows", "bytes", "sha256")]
    assert stored == ["exported", "exports/part-0.jsonl.zst", 10, 500, "ab" * 32]
    assert (broken["outcome"], broken["export_id"], broken["message"]) == ("failed", "e-2", "no Atzr|***")
    assert (undone["outcome"], undone["filters"]["ad_products"]) == ("unfinished", [job().filters.ad_products[2]])


def test_where_a_part_is_that_waits_for_the_others() -> None:
    """Its path is the one under which it stands, and not yet the one that it is going to have."""
    parts = tuple(replace(job(), filters=filters) for filters in split(job().filters, job().entity))
    made = record(job())
    made(JobSplit(job(), parts))
    made(PartFinished(job(), waiting(parts[0])))
    made(PartFinished(job(), failed(parts[1])))
    made.add(failed(job()))
    assert made.parts_of(job()) == (3, 0, 1)
    (entry,) = told(made)["jobs"]
    assert [part.get("path") for part in entry["parts"]] == ["exports/_part-0.jsonl.zst.staged", None, None]
    assert "waits_at" not in entry["parts"][0]


def test_a_job_that_was_taken_up() -> None:
    """When an earlier run's export was asked for is not known here; one that had to be replaced counts as new."""
    made = record(job("1"), job("2"))
    made(ExportAdopted(job("1"), "export-1"))
    made(ExportFinished(job("1"), "export-1", 2.0, 300))
    assert made.adopted == 1
    entry = told(made)["jobs"][0]
    assert (entry["export_id"], entry["adopted"]) == ("export-1", True)
    assert "requested_at" not in entry
    assert "generation_seconds" not in entry
    made(ExportAdopted(job("2"), "export-2"))
    assert made.adopted == 2
    made(ExportRequested(job("2"), "export-3"))
    assert made.adopted == 1
    assert "adopted" not in told(made)["jobs"][1]


def test_a_job_whose_earlier_export_vanished() -> None:
    """It was not taken up, and its id leads nowhere; one that is given up while it runs can still be collected."""
    made = record(job("1"), job("2"))
    made(ExportAdopted(job("1"), "export-1"))
    made(ExportAbandoned(job("1"), "export-1", 0.0))
    made(ExportAdopted(job("2"), "export-2"))
    made(ExportAbandoned(job("2"), "export-2", 60.0))
    assert made.adopted == 1
    assert [each.get("export_id") for each in told(made)["jobs"]] == [None, "export-2"]


def test_jobs_that_ended_otherwise() -> None:
    """A job that was found, failed or never finished says so; no secret of an error is kept."""
    jobs = [job("1"), job("2"), job("3")]
    made = record(*jobs)
    made.add(exported(jobs[0], found=True))
    made.add(failed(jobs[1], ExportFailed(f"no {CANARY}", export_id="e-2")))
    entries = told(made)["jobs"]
    assert [each["outcome"] for each in entries] == ["found", "failed", "unfinished"]
    failure = {key: entries[1][key] for key in ("error", "message", "temporary", "export_id")}
    assert failure == {"error": "ExportFailed", "message": "no Atzr|***", "temporary": False, "export_id": "e-2"}
    assert made.unfinished == (jobs[2],)
    assert repr(made) == "<RunRecord 2026-11-23T02-00-11Z-7f3a 2/3 outcomes>"


def test_what_was_never_a_job() -> None:
    """Agency profiles and accounts that could not be looked at are named."""
    discovery = Discovery(
        (),
        skipped=(profile("9", name="Agency", kind="agency"),),
        refused=(refused(AuthError("no", request_id="R1"), profile_id="8"),),
    )
    document = told(record(discovery=discovery), None)
    where = {"account": "acme", "region": "EU"}
    assert document["exit_status"] is None
    assert document["skipped"] == [{**where, "profile_id": "9", "name": "Agency", "type": "agency"}]
    assert document["refused"] == [
        {**where, "profile_id": "8", "error": "AuthError", "message": "no", "temporary": False, "request_id": "R1"}
    ]


def test_the_status_of_a_run() -> None:
    """Accounts and jobs decide together; an interruption counts only if it left something undone."""
    made = record(job("1"), job("1", Entity.ADS))
    made.add(exported(job("1")))
    assert made.status(Exit.TERMINATED) == 143
    made.add(exported(job("1", Entity.ADS)))
    assert (made.status(Exit.TERMINATED), made.status()) == (0, 0)
    assert record().status(Exit.INTERRUPTED) == 130
    assert record(discovery=Discovery((), refused=(refused(AuthError("x")),))).status() == 3


def stored(folder: Path, name: str, content: bytes) -> Path:
    runs = folder / "_runs"
    runs.mkdir(exist_ok=True)
    path = runs / name
    path.write_bytes(content)
    return path


def test_the_newest(tmp_path: Path) -> None:
    """The last run's manifest is found by its name; without any run there is none."""
    assert history(tmp_path) is None
    whole = record(job()).manifest(Summary(), Exit.OK)
    stored(tmp_path, "2026-11-23T02-00-11Z-ffff.json", b"")
    last = stored(tmp_path, "2026-11-24T02-00-11Z-0000.json", whole)
    stored(tmp_path, "2026-11-25T02-00-11Z-0000.json.part", b"")
    found = history(tmp_path)
    assert found is not None
    assert (found[0], [each["run"] for each in found[1]]) == (last, ["2026-11-23T02-00-11Z-7f3a"])


def test_runs_of_one_second(tmp_path: Path) -> None:
    """Which of two runs was the last is told by when it began; only its own label's runs come with it."""
    for nonce, passed, label in (("ffff", 0, "x"), ("8888", 300, "y"), ("0000", 600, "x")):
        made = RunRecord(snapshot=label, now=ticking(STARTED + timedelta(milliseconds=passed)), nonce=nonce)
        stored(tmp_path, f"{made.name}.json", made.manifest(Summary(), Exit.OK))
    found = history(tmp_path)
    assert found is not None
    assert [each["run"][-4:] for each in found[1]] == ["0000", "ffff"]
    assert found[0].name.endswith("-0000.json")


def test_a_file_instead_of_the_folder(tmp_path: Path) -> None:
    """Where results can never be is an error of the storage, not the absence of runs."""
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(StateError, match="file is no folder"):
        history(path)


def test_a_manifest_that_others_keep_to_themselves(tmp_path: Path) -> None:
    """What stands under a manifest's name and cannot be opened is refused, not passed over."""
    (tmp_path / "_runs" / "2026-11-23T02-00-11Z-7f3a.json").mkdir(parents=True)
    with pytest.raises(StateCorrupt, match="no manifest that can be read"):
        history(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"format": 2}',
        b'{"format": 1}',
        b'{"format": 1, "jobs": [1], "refused": [], "skipped": []}',
        b"[" * 200_000,
    ],
)
def test_what_is_no_manifest(tmp_path: Path, content: bytes) -> None:
    """Anything that is no manifest of ours is a typed error that names the file."""
    path = stored(tmp_path, "x.json", content)
    with pytest.raises(StateCorrupt, match=r"x\.json is no manifest"):
        read(path)


def test_a_manifest_that_is_absurdly_large(tmp_path: Path) -> None:
    """A file larger than any manifest is not read."""
    path = stored(tmp_path, "x.json", b"")
    with path.open("r+b") as file:
        file.truncate(256 * 1024 * 1024 + 1)
    with pytest.raises(StateCorrupt, match="too large"):
        read(path)


def test_a_clock_of_another_zone() -> None:
    """Times are written in UTC whatever zone the clock shows."""
    zone = datetime(2026, 11, 23, 4, tzinfo=UTC).astimezone()
    made = RunRecord(snapshot="x", now=lambda: zone, nonce="0000")
    assert made.name == "2026-11-23T04-00-00Z-0000"
