"""The README's recipe for reports: joined to the exports by id, whichever sink those are in."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from asyncexport.emulator.records.data import rows
from asyncexport.emulator.world import World
from asyncexport.models import Entity, Filters
from asyncexport.ports import Sink
from asyncexport.sinks import DuckDB, JsonLines, Parquet
from tests.sinks.support import store
from tests.sinks.tabular import batches_of, order_of
from tests.test_docs import blocks

WORLD = World.generate(seed=8, accounts=1, profiles=3, rows=3_000)
BLOCKS = {block.partition("\n")[0]: block for block in blocks("sql")}
Line = tuple[str | None, str | None, str | None, float | None, int, float]


def exported(entity: Entity) -> dict[str, list[bytes]]:
    """Return the rows of each profile."""
    return {key: list(rows(each, entity, Filters(), WORLD.seed)) for key, each in WORLD.profiles.items()}


async def stored(sink: Sink) -> None:
    for entity in (Entity.CAMPAIGNS, Entity.TARGETS):
        for profile_id, lines in exported(entity).items():
            order = order_of(entity, profile_id=profile_id, snapshot="2026-11-23")
            await store(sink, replace(order, export_id=f"{entity}{profile_id}"), batches_of(lines))


def report(folder: Path) -> Counter[Line]:
    """Write a report for each profile, keywords by number, one of them unknown; return what the join should give."""
    draw = random.Random(3)
    sums: dict[tuple[Any, ...], tuple[int, float]] = {}
    for profile_id, lines in exported(Entity.TARGETS).items():
        names = {row["campaignId"]: row["name"] for row in map(json.loads, exported(Entity.CAMPAIGNS)[profile_id])}
        found: list[dict[str, Any]] = [row for row in map(json.loads, lines) if "keyword" in row["targetDetails"]][:40]
        told: list[dict[str, Any]] = [
            {"keywordId": int(row["targetId"]), "clicks": draw.randrange(9), "cost": 0.25} for row in found * 2
        ]
        told.append({"keywordId": 5, "clicks": 1, "cost": 1.0})
        known = {int(row["targetId"]): row for row in found}
        for line in told:
            row: dict[str, Any] = known.get(int(line["keywordId"]), {})
            key = (
                names.get(row.get("campaignId")),
                row.get("targetDetails", {}).get("keyword"),
                row.get("state"),
                row.get("bid", {}).get("bid"),
            )
            clicks, cost = sums.get(key, (0, 0.0))
            sums[key] = (clicks + line["clicks"], cost + line["cost"])
        file = folder / f"reports/profile_id={profile_id}/report.json.gz"
        file.parent.mkdir(parents=True)
        file.write_bytes(gzip.compress(json.dumps(told).encode()))
    return Counter((*key, *values) for key, values in sums.items())


@pytest.mark.parametrize(
    ("where", "make"),
    [
        ("-- JSON Lines", lambda: JsonLines("exports")),
        ("-- Parquet", lambda: Parquet("exports")),
        ("-- DuckDB: its views show the newest snapshot", lambda: DuckDB("ads.duckdb")),
    ],
)
def test_a_report_with_what_it_left_out(
    where: str, make: Callable[[], Sink], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every line of the report once, with the fields of its keyword and campaign; an unknown id loses none."""
    monkeypatch.chdir(tmp_path)
    asyncio.run(stored(make()))
    expected = report(tmp_path)
    with duckdb.connect() as connection:
        connection.execute(BLOCKS[where])
        found = connection.execute(BLOCKS["-- the report with what it left out"]).fetchall()
    assert len(expected) > 50
    assert Counter(found) == expected


def test_the_other_queries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the README asks Parquet files and a history for can be asked."""
    monkeypatch.chdir(tmp_path)
    asyncio.run(stored(Parquet("exports")))
    asyncio.run(stored(DuckDB("ads.duckdb", mode="history")))
    parquet, history = (block for block in BLOCKS.values() if "as budget" in block)
    enabled = [row for lines in exported(Entity.CAMPAIGNS).values() for row in lines if b'"state":"ENABLED"' in row]
    with duckdb.connect("ads.duckdb") as connection:
        assert len(connection.execute(parquet).fetchall()) == len(enabled)
        assert connection.execute(history).fetchall() == []


NIGHTS: dict[str, dict[str, tuple[str | None, str]]] = {
    "mon": {"1": ("a", "ENABLED"), "2": ("b", "PAUSED")},
    "tue": {"1": ("a", "ENABLED"), "3": (None, "ENABLED")},
    "wed": {"1": ("a", "PAUSED"), "2": ("b", "PAUSED"), "3": (None, "ENABLED")},
    "thu": {"1": ("a", "ENABLED"), "2": ("b", "PAUSED")},
}


async def nights_in_parquet(profile_id: str, labels: list[str]) -> None:
    """Store some nights of campaigns, each generated on a day of its own."""
    for label in labels:
        found = [
            {"campaignId": key, "name": name, "state": state} for key, (name, state) in sorted(NIGHTS[label].items())
        ]
        usual = order_of(Entity.CAMPAIGNS, profile_id=profile_id, snapshot=label)
        order = replace(usual, generated_at=f"2026-11-{list(NIGHTS).index(label) + 1:02}T02:00:00Z")
        await store(Parquet("exports"), order, batches_of([json.dumps(row).encode() for row in found]))


def columns_of(query: str, columns: str) -> list[tuple[Any, ...]]:
    """Return some columns of what a query gives."""
    with duckdb.connect() as connection:
        return connection.execute(f"select {columns} from ({query})").fetchall()  # noqa: S608 - both are ours


def test_what_is_newest_in_a_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By when it was generated, profile by profile, whatever the labels are."""
    monkeypatch.chdir(tmp_path)
    asyncio.run(nights_in_parquet("1", ["wed", "mon", "tue"]))
    asyncio.run(nights_in_parquet("2", ["mon"]))
    query = BLOCKS["-- the newest snapshot of each profile in a tree of Parquet files"]
    newest = columns_of(query, "profile_id, snapshot, campaignId")
    assert sorted(newest) == [
        ("1", "wed", "1"),
        ("1", "wed", "2"),
        ("1", "wed", "3"),
        ("2", "mon", "1"),
        ("2", "mon", "2"),
    ]


def test_the_history_in_a_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that stay are one version; what went and came back, or changed and changed back, are two."""
    monkeypatch.chdir(tmp_path)
    asyncio.run(nights_in_parquet("1", list(NIGHTS)))
    asyncio.run(nights_in_parquet("2", ["mon"]))
    query = BLOCKS["-- the history of names and states in a tree of Parquet files"]
    days = "profile_id, campaignId, name, state, day(valid_from::timestamp), day(valid_to::timestamp)"
    assert sorted(columns_of(query, days), key=str) == [
        ("1", "1", "a", "ENABLED", 1, 3),
        ("1", "1", "a", "ENABLED", 4, None),
        ("1", "1", "a", "PAUSED", 3, 4),
        ("1", "2", "b", "PAUSED", 1, 2),
        ("1", "2", "b", "PAUSED", 3, None),
        ("1", "3", None, "ENABLED", 2, 4),
        ("2", "1", "a", "ENABLED", 1, None),
        ("2", "2", "b", "PAUSED", 1, None),
    ]
