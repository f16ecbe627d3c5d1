"""Snapshots in a DuckDB file: each gives the rows that it had, in whichever mode they are kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from asyncexport.batch import Batch
from asyncexport.errors import ConfigError, SinkLocked, SinkRejected
from asyncexport.models import Entity, Filters
from asyncexport.sinks import DuckDB, JsonLines
from asyncexport.sinks.databases import Mode
from asyncexport.sinks.duck.versions import looking
from asyncexport.sinks.files.stored import snapshots
from tests.sinks.support import PARTS, order, part_of, store
from tests.sinks.tabular import batches_of, lines_of, order_of

MODES: tuple[Mode, ...] = ("append", "history")


async def night(sink: DuckDB, label: str, names: dict[str, str], day: int, filters: Filters | None = None) -> None:
    """Store one snapshot of campaigns, generated on a day of November."""
    rows = [{"campaignId": key, "adProduct": "SPONSORED_PRODUCTS", "name": name} for key, name in names.items()]
    text = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    wanted = replace(order(snapshot=label, filters=filters), generated_at=f"2026-11-{day:02}T02:00:00Z")
    await store(sink, wanted, (Batch(text, len(names)),))


def names_of(path: Path, label: str) -> dict[str, str]:
    """Return what one snapshot held."""
    with looking(str(path)) as look:
        (snapshot,) = look(label, Entity.CAMPAIGNS)
        return {row["campaignId"]: row["name"] for row in snapshot.rows()}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("entity", Entity)
async def test_rows_are_those_of_files(mode: Mode, entity: Entity, tmp_path: Path) -> None:
    """What a table gives equals what JSON Lines give, so that one shape is compared."""
    lines = lines_of(entity)
    await store(DuckDB(tmp_path / "ads.duckdb", mode=mode), order_of(entity), batches_of(lines))
    await store(JsonLines(tmp_path / "files"), order_of(entity), batches_of(lines))
    (from_files,) = snapshots(tmp_path / "files", "night", entity)
    expected = {str(without_nulls(row)) for row in from_files.rows()}
    with looking(str(tmp_path / "ads.duckdb")) as look:
        (snapshot,) = look("night", entity)
        assert {str(without_nulls(row)) for row in snapshot.rows()} == expected
        assert (snapshot.subject, snapshot.digests) == (from_files.subject, (snapshot.records[0].sha256,))


def without_nulls(value: object) -> object:
    """Return a value without what is null, in one order."""
    if isinstance(value, dict):
        return {name: without_nulls(each) for name, each in sorted(value.items()) if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else str(value)


@pytest.mark.parametrize("mode", MODES)
async def test_each_label_has_its_own_rows(mode: Mode, tmp_path: Path) -> None:
    """Also where a row came back, and where the same label was pulled again."""
    path = tmp_path / "ads.duckdb"
    sink = DuckDB(path, mode=mode)
    nights = {"mon": {"1": "a", "2": "b"}, "tue": {"1": "A"}, "wed": {"1": "a", "2": "b", "3": "c"}}
    for day, (label, names) in enumerate(nights.items(), 1):
        await night(sink, label, names, day)
    assert {label: names_of(path, label) for label in nights} == nights
    await night(sink, "wed", {"1": "Z"}, 2)
    assert names_of(path, "wed") == {"1": "Z"}
    assert names_of(path, "tue") == nights["tue"]


async def test_history_shows_what_was_known(tmp_path: Path) -> None:
    """A row that a filter hid stays as it was."""
    path = tmp_path / "ads.duckdb"
    sink = DuckDB(path, mode="history")
    await night(sink, "mon", {"1": "a", "2": "b"}, 1)
    await night(sink, "tue", {"1": "A"}, 2, Filters(states=("ENABLED",)))
    assert names_of(path, "tue") == {"1": "A", "2": "b"}


@pytest.mark.parametrize("mode", MODES)
async def test_parts(mode: Mode, tmp_path: Path) -> None:
    """They are one snapshot; a record that is none ends it."""
    path = tmp_path / "ads.duckdb"
    sink = DuckDB(path, mode=mode)
    for number in range(len(PARTS)):
        await store(sink, part_of(number))
    await sink.settle(order().job, len(PARTS))
    with looking(str(path)) as look:
        (snapshot,) = look("night", Entity.CAMPAIGNS)
        assert [record.part for record in snapshot.records] == list(range(len(PARTS)))
        assert list(look("night", Entity.ADS)) == list(look("noon", Entity.CAMPAIGNS)) == []
    with duckdb.connect(str(path)) as connection:
        connection.execute("update snapshots.ledger set record = 'x' where part = 0")
    with looking(str(path)) as look:
        assert list(look("night", Entity.CAMPAIGNS)) == []


async def test_files_without_older_snapshots(tmp_path: Path) -> None:
    """Each is a typed error that says why."""
    await store(DuckDB(tmp_path / "latest.duckdb", mode="latest"), order())
    with pytest.raises(ConfigError, match="mode 'latest'"), looking(str(tmp_path / "latest.duckdb")):
        pass
    duckdb.connect(str(tmp_path / "other.duckdb")).close()
    with pytest.raises(SinkRejected, match="holds no exports"), looking(str(tmp_path / "other.duckdb")):
        pass
    (tmp_path / "text.duckdb").write_text("no database")
    with pytest.raises(SinkRejected, match="no DuckDB database"), looking(str(tmp_path / "text.duckdb")):
        pass


async def test_a_file_that_is_open_to_be_written(tmp_path: Path) -> None:
    """It is not read meanwhile."""
    async with DuckDB(tmp_path / "ads.duckdb"):
        with pytest.raises(SinkLocked), looking(str(tmp_path / "ads.duckdb")):
            pass
