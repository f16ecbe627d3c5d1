"""History: each version of a row with the time in which it held, and nothing said that the filters do not allow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from asyncexport.errors import SinkRejected
from asyncexport.models import Evidence, Filters
from asyncexport.sinks.databases import Mode
from tests.sinks.nights import DuckDBNights, Nights, PostgresNights
from tests.sinks.support import PARTS, order, part_of, store

ACTIVE = Filters(states=("ENABLED", "PAUSED"))


@pytest.fixture(params=["duckdb", pytest.param("postgres", marks=pytest.mark.postgres)])
def in_mode(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Mode], Nights]:
    """Return what makes a database of a mode, in each of the two."""
    if request.param == "duckdb":
        return lambda mode: DuckDBNights(tmp_path / "ads.duckdb", mode)
    schema = request.getfixturevalue("schema")
    return lambda mode: PostgresNights(schema, mode)


@pytest.fixture
def nights(in_mode: Callable[[Mode], Nights]) -> Nights:
    return in_mode("history")


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
async def test_an_older_snapshot_that_comes_later(in_mode: Callable[[Mode], Nights], mode: Mode) -> None:
    """It is refused before anything is transferred, and what stands is left as it is; other profiles do not matter."""
    nights = in_mode(mode)
    async with nights.sink:
        await nights.night(3, a="new")
        with pytest.raises(SinkRejected, match="a newer snapshot, 'night-3', stands already"):
            async with nights.sink.open(nights.order(2)):
                pytest.fail("it was opened")
        await nights.night(2, profile="2", b="other")
    assert nights.newest() == [("a", "new"), ("b", "other")]


@pytest.mark.parametrize("mode", ["latest", "history"])
async def test_a_newer_snapshot_that_comes_in_between(in_mode: Callable[[Mode], Nights], mode: Mode) -> None:
    """What was opened before it is refused at its commit, and so are parts that waited, each time they are found."""
    nights = in_mode(mode)
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


async def test_append_files_an_older_snapshot_below(in_mode: Callable[[Mode], Nights]) -> None:
    """The view goes by when a snapshot was generated; of two from one moment it shows the one committed last."""
    nights = in_mode("append")
    async with nights.sink:
        await nights.night(3, a="new")
        await nights.night(2, a="old")
        after_older = nights.newest()
        await store(nights.sink, replace(nights.order(3), job=nights.order(4).job), ())
    assert (after_older, nights.newest()) == ([("a", "new")], [])
