"""``asyncexport changes``: what a person and a program read about two nights."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from asyncexport.app.cli import main
from asyncexport.batch import Batch
from asyncexport.models import Filters
from asyncexport.sinks import JsonLines, Parquet
from asyncexport.sinks.tree import Tree
from tests.sinks.support import order, store

PRODUCT = "SPONSORED_PRODUCTS"


def night(sink: Tree, label: str, names: dict[str, str], filters: Filters | None = None, profile: str = "1") -> None:
    """Store one snapshot of campaigns."""
    rows = [{"campaignId": key, "adProduct": PRODUCT, "name": name} for key, name in names.items()]
    text = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    wanted = order(snapshot=label, filters=filters, profile_id=profile)
    asyncio.run(store(sink, wanted, (Batch(text, len(rows)),) if rows else ()))


def changes(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["changes", "--out", str(folder), "--from", "mon", "--to", "tue", *arguments])


def events(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    result = changes(folder, "--json", *arguments)
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    night(JsonLines(tmp_path), "mon", {"1": "one", "2": "two", "3": "three"})
    night(Parquet(tmp_path), "tue", {"2": "zwei", "3": "three", "4": "four"})
    return tmp_path


def test_as_a_person_reads_it(folder: Path) -> None:
    """A line for each change, and the numbers; formats may differ from night to night."""
    assert changes(folder).stdout.splitlines() == [
        "added campaigns of acme/EU/1: 4 'four'",
        "removed campaigns of acme/EU/1: 1 'one'",
        "changed campaigns of acme/EU/1: 2 'zwei', name: 'two' -> 'zwei'",
        "1 added, 1 changed, 1 removed, 1 same, 0 unsaid, 0 alone",
    ]


def test_as_a_program_reads_it(folder: Path) -> None:
    """One object a line, the last one the totals."""
    where = {"account": "acme", "region": "EU", "profile_id": "1", "entity": "campaigns"}
    assert events(folder) == [
        {"event": "added", **where, "id": "4", "name": "four"},
        {"event": "removed", **where, "id": "1", "name": "one"},
        {"event": "changed", **where, "id": "2", "name": "zwei", "field": "name", "old": "two", "new": "zwei"},
        {"event": "changes", "added": 1, "changed": 1, "removed": 1, "same": 1, "unsaid": 0, "alone": 0},
    ]


def test_files_that_are_the_same_are_not_read(tmp_path: Path) -> None:
    """Their rows are counted all the same."""
    for label in ("mon", "tue"):
        night(JsonLines(tmp_path), label, {"1": "one"})
    assert [event["same"] for event in events(tmp_path)] == [1]


def test_a_filter_hides_what_it_hides(tmp_path: Path) -> None:
    """Without ARCHIVED nothing is known to be gone."""
    night(JsonLines(tmp_path), "mon", {"1": "one", "2": "two"})
    night(JsonLines(tmp_path), "tue", {"2": "two"}, Filters(states=("ENABLED", "PAUSED")))
    assert [(event["removed"], event["unsaid"]) for event in events(tmp_path)] == [(0, 1)]


def test_a_profile_that_is_in_one_snapshot_only(folder: Path) -> None:
    """It is named and not compared; a profile that was not asked for is not looked at."""
    night(JsonLines(folder), "tue", {"9": "nine"}, profile="2")
    result = changes(folder, "--json")
    assert json.loads(result.stdout.splitlines()[-1])["alone"] == 1
    assert "only in tue, not compared: campaigns of acme/EU/2" in result.stderr
    assert events(folder, "--profile", "1", "--entity", "campaigns")[-1]["alone"] == 0


def test_a_label_that_is_none(folder: Path) -> None:
    """Exit status 2, naming label and folder."""
    result = CliRunner().invoke(main, ["changes", "--out", str(folder), "--from", "mon", "--to", "sun"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"there is no snapshot 'sun' in {folder}" in result.stderr
    result = CliRunner().invoke(main, ["changes", "--from", "../x", "--to", "sun"])
    assert result.exit_code == 2
    assert "--from '../x'" in result.stderr


@pytest.mark.parametrize(
    ("sink", "where"),
    [("type = 'duckdb'\npath = 'exports'", "a DuckDB file"), ("path = 's3://bucket/x'", "an object store")],
)
def test_rows_that_are_in_no_files_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sink: str, where: str
) -> None:
    """That is said, and no folder is read in their place but one that is named."""
    monkeypatch.chdir(tmp_path)
    Path("asyncexport.toml").write_text(f"[sink]\n{sink}")
    for label in ("mon", "tue"):
        night(JsonLines("exports"), label, {"1": label})
    labels = ["--from", "mon", "--to", "tue"]
    result = CliRunner().invoke(main, ["changes", *labels])
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"changes reads files on this machine; this configuration puts rows into {where}\n" in result.stderr
    assert CliRunner().invoke(main, ["changes", *labels, "--out", "exports"]).exit_code == 0
    result = CliRunner().invoke(main, ["changes", *labels, "--out", "s3://bucket/x"])
    assert result.exit_code == 2
    assert "changes reads files on this machine; --out s3://bucket/x is an object store" in result.stderr


def test_a_date_is_told_as_it_is_spelt(tmp_path: Path) -> None:
    """Also where the files hold it as a date."""
    for label, day in (("mon", "2026-11-01"), ("tue", "2026-11-02")):
        text = json.dumps({"campaignId": "1", "startDate": day}).encode() + b"\n"
        asyncio.run(store(Parquet(tmp_path), order(snapshot=label), (Batch(text, 1),)))
    assert [(each["old"], each["new"]) for each in events(tmp_path)[:-1]] == [("2026-11-01", "2026-11-02")]
