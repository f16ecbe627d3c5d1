"""History: each version of a row with the time in which it held, and nothing said that the filters do not allow."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from asyncexport.batch import Batch
from asyncexport.errors import SinkRejected
from asyncexport.models import AD_PRODUCTS, Evidence, Filters, TransferOrder
from asyncexport.sinks import DuckDB
from asyncexport.sinks.duckdb import Mode
from tests.sinks.support import PARTS, order, part_of, store

Version = tuple[str | None, str, str, str | None]
"""Id, name, and of the nights 1 to 9 the first that had it and the first that did not."""

ACTIVE = Filters(states=("ENABLED", "PAUSED"))


class Nights:
    """A file, and snapshots that come in one after the other."""

    def __init__(self, path: Path, mode: Mode = "history") -> None:
        self.path = path
        self.sink = DuckDB(path, mode=mode)

    def order(
        self, number: int, filters: Filters | None = None, profile: str = "1", generated: int | None = None
    ) -> TransferOrder:
        """Return the order of one snapshot, ``generated`` in the night of its label or in another."""
        wanted = order(profile_id=profile, snapshot=f"night-{number}", filters=filters)
        moment = f"2026-11-0{number if generated is None else generated}T02:00:00Z"
        return replace(wanted, generated_at=moment, export_id=f"export-{number}")

    async def night(
        self,
        number: int,
        filters: Filters | None = None,
        profile: str = "1",
        generated: int | None = None,
        **names: Any,
    ) -> None:
        """Store one snapshot: campaigns by id and name, or by id and fields."""
        rows = [
            {"campaignId": key, "adProduct": AD_PRODUCTS[0], "state": "ENABLED"}
            | ({"name": value} if isinstance(value, str) else value)
            for key, value in names.items()
        ]
        wanted = self.order(number, filters, profile, generated)
        text = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        await store(self.sink, wanted, (Batch(text, len(rows)),) if rows else ())

    def versions(self, profile: str = "1") -> list[Version]:
        """Return every version of every row."""
        with duckdb.connect(self.path) as connection:
            return connection.execute(
                "select campaignId, name, strftime(valid_from, '%-d'), strftime(valid_to, '%-d') "
                "from snapshots.campaigns where profile_id = ? order by all",
                [profile],
            ).fetchall()

    def newest(self) -> list[tuple[str, str]]:
        """Return what the view shows."""
        with duckdb.connect(self.path) as connection:
            return connection.execute("select campaignId, name from campaigns order by all").fetchall()


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    return Nights(tmp_path / "ads.duckdb")


async def test_three_nights(nights: Nights) -> None:
    """A row that stays is one version; what is added, changed and removed is told to the night."""
    async with nights.sink:
        await nights.night(1, a="A", b="B", c="C")
        await nights.night(2, a="A", b="B2", d="D")
        await nights.night(3, a="A", b="B", d="D")
    assert nights.versions() == [
        ("a", "A", "1", None),
        ("b", "B", "1", "2"),
        ("b", "B", "3", None),
        ("b", "B2", "2", "3"),
        ("c", "C", "1", "2"),
        ("d", "D", "2", None),
    ]
    assert nights.newest() == [("a", "A"), ("b", "B"), ("d", "D")]


async def test_a_filter_that_leaves_archived_out_removes_nothing(nights: Nights) -> None:
    """What is missing may have been archived; what is there may still have changed. With all states it is said."""
    async with nights.sink:
        await nights.night(1, a="A", b="B")
        await nights.night(2, ACTIVE, a="A2")
        between = nights.newest()
        await nights.night(3, a="A2")
    assert between == [("a", "A2"), ("b", "B")]
    assert nights.versions() == [("a", "A", "1", "2"), ("a", "A2", "2", None), ("b", "B", "1", "3")]


async def test_a_filter_of_products_speaks_of_those(nights: Nights) -> None:
    """A row of another product, or of an unknown one, was not asked for."""
    brands = {"adProduct": "SPONSORED_BRANDS", "name": "B"}
    async with nights.sink:
        await nights.night(1, a="A", b=brands, c={"name": "C", "adProduct": None})
        await nights.night(2, Filters(("SPONSORED_PRODUCTS",)))
    assert nights.versions() == [("a", "A", "1", "2"), ("b", "B", "1", None), ("c", "C", "1", None)]


async def test_other_profiles_are_left_alone(nights: Nights) -> None:
    """A snapshot is of one profile."""
    async with nights.sink:
        await nights.night(1, a="A")
        await nights.night(1, profile="2", a="A")
        await nights.night(2, profile="2")
    assert (nights.versions(), nights.versions("2")) == ([("a", "A", "1", None)], [("a", "A", "1", "2")])


async def test_rows_without_an_id(nights: Nights) -> None:
    """They are what they hold: the same again is the same row, anything else another."""
    nameless = {"campaignId": None, "name": "N"}
    async with nights.sink:
        await nights.night(1, x=nameless)
        await nights.night(2, x=nameless)
        await nights.night(3, x=nameless | {"name": "M"})
    assert nights.versions() == [(None, "M", "3", None), (None, "N", "1", "3")]


async def test_what_has_no_column_makes_a_version_too(nights: Nights) -> None:
    """A field that is new to the tables is part of a row."""
    async with nights.sink:
        await nights.night(1, a={"name": "A"})
        await nights.night(2, a={"name": "A", "fresh": 1})
    assert nights.versions() == [("a", "A", "1", "2"), ("a", "A", "2", None)]


async def test_a_new_neighbour_makes_no_version(nights: Nights) -> None:
    """Rows that did not change stay what they were, in whichever order fields without a column come into sight."""
    two = {"name": "A", "zebra": 1, "apple": 2}
    async with nights.sink:
        await nights.night(1, a=two)
        await nights.night(2, b={"name": "B", "apple": 2}, a=two)
    assert nights.versions() == [("a", "A", "1", None), ("b", "B", "2", None)]


async def test_pulled_again_the_same_night_changes_nothing(nights: Nights) -> None:
    """Whatever is the same stays the version it was."""
    async with nights.sink:
        for _ in range(2):
            await nights.night(1, a="A", b="B")
    assert nights.versions() == [("a", "A", "1", None), ("b", "B", "1", None)]


async def test_a_time_that_is_not_told_or_lies_back(nights: Nights) -> None:
    """No version ends before it began, nor begins while another of the row holds."""
    async with nights.sink:
        await nights.night(3, a="A")
        await nights.night(3, generated=2, a="B")
        await nights.night(3, generated=5)
        await nights.night(3, generated=4, a="A")
        await store(nights.sink, replace(order(profile_id="1"), generated_at=""), ())
    assert nights.versions()[0] == ("a", "A", "3", "3")
    assert nights.versions()[1][:3] == ("a", "A", "5")
    assert nights.versions()[2] == ("a", "B", "3", "5")
    assert nights.newest() == []


@pytest.mark.parametrize("mode", ["latest", "history"])
async def test_an_older_snapshot_that_comes_later(tmp_path: Path, mode: Mode) -> None:
    """It is refused before anything is transferred, and what stands is left as it is; other profiles do not matter."""
    nights = Nights(tmp_path / "ads.duckdb", mode)
    async with nights.sink:
        await nights.night(3, a="new")
        with pytest.raises(SinkRejected, match="a newer snapshot, 'night-3', stands already"):
            async with nights.sink.open(nights.order(2)):
                pytest.fail("it was opened")
        await nights.night(2, profile="2", b="other")
    assert nights.newest() == [("a", "new"), ("b", "other")]


@pytest.mark.parametrize("mode", ["latest", "history"])
async def test_a_newer_snapshot_that_comes_in_between(tmp_path: Path, mode: Mode) -> None:
    """What was opened before it is refused at its commit, and so are parts that waited, each time they are found."""
    nights = Nights(tmp_path / "ads.duckdb", mode)
    async with nights.sink:
        for number in range(len(PARTS)):
            await store(nights.sink, replace(part_of(number), generated_at="2026-11-02T02:00:00Z"))
        with pytest.raises(SinkRejected, match="a newer snapshot"):
            async with nights.sink.open(nights.order(2, profile="123")) as writer:
                await nights.night(3, profile="123", a="new")
                writer.seal(Evidence(0, "gzip"))
        with pytest.raises(SinkRejected, match="a newer snapshot"):
            await nights.sink.settle(order().job, len(PARTS))
        with pytest.raises(SinkRejected, match="a newer snapshot"):
            await nights.sink.find(order())
    assert nights.newest() == [("a", "new")]


async def test_append_files_an_older_snapshot_below(tmp_path: Path) -> None:
    """The view goes by when a snapshot was generated; of two from one moment it shows the one committed last."""
    nights = Nights(tmp_path / "ads.duckdb", "append")
    async with nights.sink:
        await nights.night(3, a="new")
        await nights.night(2, a="old")
        after_older = nights.newest()
        await store(nights.sink, replace(nights.order(3), job=nights.order(4).job), ())
    assert (after_older, nights.newest()) == ([("a", "new")], [])
