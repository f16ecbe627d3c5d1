"""``asyncexport status``: what the last run did and what is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from asyncexport.app.cli import main
from asyncexport.app.exits import Exit
from asyncexport.app.manifest import Record
from asyncexport.errors import AuthError, ExportFailed
from asyncexport.models import Discovery, Summary
from tests.app.support import STARTED, exported, failed, job, refused


def left(folder: Path, record: Record, status: Exit | None) -> Path:
    path = folder / "_runs" / f"{record.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(record.manifest(Summary(), status))
    return path


def record(discovery: Discovery, *jobs: Any) -> Record:
    made = Record(snapshot="2026-11-23", now=lambda: STARTED, nonce="7f3a")
    made.plan(discovery, jobs)
    return made


def called(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["status", *arguments])


def test_nothing_is_missing(tmp_path: Path) -> None:
    """After a whole run everything is told in three lines, and the status is 0."""
    made = record(Discovery(()), job("1"), job("2"))
    made.add(exported(job("1")))
    made.add(exported(job("2"), found=True))
    path = left(tmp_path, made, Exit.OK)
    result = called("--out", str(tmp_path))
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "run 2026-11-23T02-00-11Z-7f3a under the label 2026-11-23",
        "from 2026-11-23T02:00:11.000Z to 2026-11-23T02:00:11.000Z, exit status 0",
        "1 export committed, 1 already there, 0 failed, 0 not done",
        f"manifest: {path}",
    ]


def test_what_is_missing(tmp_path: Path) -> None:
    """What was to come and did not is listed with its reason, and the status is 1."""
    made = record(Discovery((), refused=(refused(AuthError("revoked")),)), job("1"), job("2"))
    made.add(failed(job("1"), ExportFailed("timed out\x1b")))
    left(tmp_path, made, None)
    result = called("--out", str(tmp_path))
    assert result.exit_code == 1
    assert result.stdout.splitlines()[1:-1] == [
        "from 2026-11-23T02:00:11.000Z to 2026-11-23T02:00:11.000Z, ended by an error",
        "0 exports committed, 0 already there, 1 failed, 1 not done",
        "missing:",
        "  account acme/EU: AuthError: revoked",
        "  campaigns of acme/EU/1: ExportFailed: timed out\\x1b",
        "  campaigns of acme/EU/2: not done",
    ]


def test_no_run_yet(tmp_path: Path) -> None:
    """Where no run has been, that is said."""
    result = called("--out", str(tmp_path))
    assert (result.exit_code, result.stdout) == (1, f"no run has left a manifest under {tmp_path}\n")


def test_the_folder_of_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The output folder comes from the configuration, whose secrets need not be there."""
    monkeypatch.chdir(tmp_path)
    Path("asyncexport.toml").write_text('[sink]\npath = "elsewhere"\n[[accounts]]\nclient_id = { env = "UNSET" }\n')
    left(tmp_path / "elsewhere", record(Discovery(())), Exit.OK)
    assert called().exit_code == 0


def test_a_manifest_of_a_stranger(tmp_path: Path) -> None:
    """A manifest that is none ends in one line; one with odd contents is shown safely."""
    path = left(tmp_path, record(Discovery(())), Exit.OK)
    odd = {"format": 1, "jobs": [{"outcome": "\x1b"}], "refused": [{}], "skipped": [], "snapshot": "\n"}
    path.write_text(json.dumps(odd))
    result = called("--out", str(tmp_path))
    assert result.exit_code == 1
    assert "\x1b" not in result.stdout
    path.write_text("{}")
    result = called("--out", str(tmp_path))
    assert result.exit_code == 74
    assert "is no manifest of format 1" in result.stderr
