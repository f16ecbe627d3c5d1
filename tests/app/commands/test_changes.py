"""``asyncexport changes``: what a person and a program read about two nights."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import obstore
import pytest
from click.testing import CliRunner, Result

from asyncexport.app.cli import main
from asyncexport.batch import Batch
from asyncexport.models import Filters
from asyncexport.sinks import DuckDB, JsonLines, Parquet
from asyncexport.sinks.databases import Mode
from asyncexport.sinks.files.tree import Tree
from tests.sinks.moto_server import Bucket
from tests.sinks.support import order, store

PRODUCT = "SPONSORED_PRODUCTS"


def night(
    sink: Tree | DuckDB,
    label: str,
    names: dict[str, str],
    filters: Filters | None = None,
    profile: str = "1",
    at: str = "2026-11-23T02:00:00Z",
) -> None:
    """Store one snapshot of campaigns."""
    rows = [{"campaignId": key, "adProduct": PRODUCT, "name": name} for key, name in names.items()]
    text = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    wanted = replace(order(snapshot=label, filters=filters, profile_id=profile), generated_at=at)
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


@pytest.mark.parametrize("mode", ["append", "history"])
def test_nights_in_a_duckdb_file(mode: Mode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are told apart as those in files are, whether every snapshot is kept or every version of a row."""
    monkeypatch.chdir(tmp_path)
    Path("asyncexport.toml").write_text("[sink]\ntype = 'duckdb'\npath = 'ads.duckdb'")
    sink = DuckDB("ads.duckdb", mode=mode)
    night(sink, "mon", {"1": "one", "2": "two", "3": "three"}, at="2026-11-23T02:00:00Z")
    night(sink, "tue", {"2": "zwei", "3": "three", "4": "four"}, at="2026-11-24T02:00:00Z")
    night(sink, "wed", {"2": "two"}, at="2026-11-25T02:00:00Z")
    night(sink, "wed", {"2": "two"}, at="2026-11-25T02:00:00Z", profile="9")

    for place in ([], ["--out", str(tmp_path / "ads.duckdb")]):
        result = CliRunner().invoke(main, ["changes", "--from", "mon", "--to", "tue", *place])
        assert (result.exit_code, result.stderr) == (0, "")
        assert sorted(result.stdout.splitlines()) == [
            "1 added, 1 changed, 1 removed, 1 same, 0 unsaid, 0 alone",
            "added campaigns of acme/EU/1: 4 'four'",
            "changed campaigns of acme/EU/1: 2 'zwei', name: 'two' -> 'zwei'",
            "removed campaigns of acme/EU/1: 1 'one'",
        ]
    result = CliRunner().invoke(main, ["changes", "--from", "mon", "--to", "wed", "--json"])
    assert json.loads(result.stdout.splitlines()[-1]) == {
        "event": "changes",
        "added": 0,
        "changed": 0,
        "removed": 2,
        "same": 1,
        "unsaid": 0,
        "alone": 1,
    }


def test_a_duckdb_file_without_older_snapshots(tmp_path: Path) -> None:
    """Status 2 says why there is nothing to compare with, or that nothing was exported into the file."""
    night(DuckDB(tmp_path / "ads.duckdb", mode="latest"), "mon", {"1": "one"})
    result = changes(tmp_path / "ads.duckdb")
    assert (result.exit_code, "has the mode 'latest'" in result.stderr) == (2, True)
    duckdb.connect(str(tmp_path / "other.duckdb")).close()
    result = changes(tmp_path / "other.duckdb")
    assert (result.exit_code, "holds no exports" in result.stderr) == (74, True)


def test_nights_in_postgresql(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are not read, which is said; a folder that is named is."""
    monkeypatch.chdir(folder)
    Path("asyncexport.toml").write_text("[sink]\ntype = 'postgres'\ndsn = { env = 'ADS_DSN' }")
    monkeypatch.setenv("ADS_DSN", "postgresql://ads:canary@db.example/ads")
    result = CliRunner().invoke(main, ["changes", "--from", "mon", "--to", "tue"])
    assert (result.exit_code, "puts rows into PostgreSQL" in result.stderr) == (2, True)
    assert changes(folder).exit_code == 0


def test_nights_in_a_bucket(bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects are compared as files are; of what is the same byte for byte nothing is read but the records."""
    monkeypatch.chdir(tmp_path)
    keys = "".join(f"{name} = '{value}'\n" for name, value in bucket.options.items())
    Path("asyncexport.toml").write_text(f"[sink]\npath = '{bucket.url}'\n{keys}")
    Path("asyncexport.toml").chmod(0o600)
    night(JsonLines(bucket.url, files=bucket.files()), "mon", {"1": "one", "2": "two"})
    night(Parquet(bucket.url, files=bucket.files()), "tue", {"2": "zwei"})
    for label in ("mon", "tue"):
        night(JsonLines(bucket.url, files=bucket.files()), label, {"1": "one"}, profile="2")
        night(JsonLines(bucket.url, files=bucket.files()), label, {}, profile=f"only-{label}")
    obstore.put(bucket.store(), "ads/nightly/entity=campaigns/snapshot=mon/profile_id=3/_part-0.receipt.json", b"{}")

    result = CliRunner().invoke(main, ["changes", "--from", "mon", "--to", "tue"])
    assert (result.exit_code, result.stdout.splitlines()) == (
        0,
        [
            "removed campaigns of acme/EU/1: 1 'one'",
            "changed campaigns of acme/EU/1: 2 'zwei', name: 'two' -> 'zwei'",
            "0 added, 1 changed, 1 removed, 1 same, 0 unsaid, 2 alone",
        ],
    )
    assert "only in mon, not compared: campaigns of acme/EU/only-mon" in result.stderr
    assert "canary" not in result.stdout + result.stderr


def test_a_date_is_told_as_it_is_spelt(tmp_path: Path) -> None:
    """Also where the files hold it as a date."""
    for label, day in (("mon", "2026-11-01"), ("tue", "2026-11-02")):
        text = json.dumps({"campaignId": "1", "startDate": day}).encode() + b"\n"
        asyncio.run(store(Parquet(tmp_path), order(snapshot=label), (Batch(text, 1),)))
    assert [(each["old"], each["new"]) for each in events(tmp_path)[:-1]] == [("2026-11-01", "2026-11-02")]
