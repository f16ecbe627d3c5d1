"""Keys of merged tables: what rows are told by, and what a snapshot may take away."""

from __future__ import annotations

from typing import Any

import pytest

from asyncexport.accounts import Region
from asyncexport.models import Entity, Filters, Job, Profile, Receipt
from asyncexport.sansio.tabular.columns import PROVENANCE
from asyncexport.sansio.tabular.merging import keyed, merge_key, tombstones, where_from

JOB = Job(Profile("acme", Region.EU, "7"), Entity.CAMPAIGNS, snapshot="night")
ORIGIN = where_from(JOB, Receipt("export-1", 1, 2, "", "", generated_at="2026-11-23T02:00:00Z"))
PROFILE = ("account", "region", "profile_id")


def one(row: dict[str, Any], *, versions: bool = False, **origin: str) -> dict[str, Any]:
    (found,) = keyed([row], Entity.CAMPAIGNS, ORIGIN | origin, versions=versions)
    return found


@pytest.mark.parametrize(
    ("filters", "entity", "key"),
    [
        (Filters(), Entity.ADS, (*PROFILE, "adProduct")),
        (Filters(ad_products=("SPONSORED_BRANDS",)), Entity.TARGETS, (*PROFILE, "adProduct")),
        (Filters(negative=(False,)), Entity.TARGETS, (*PROFILE, "adProduct", "negative")),
        (Filters(states=("ENABLED", "PAUSED")), Entity.ADS, (*PROFILE, "entity", "row_id")),
    ],
)
def test_the_merge_key(filters: Filters, entity: Entity, key: tuple[str, ...]) -> None:
    """Rows are gone only among those that were asked for; where that cannot be said a row replaces itself alone."""
    assert merge_key(filters.of(entity), entity) == key


def test_where_a_row_is_from() -> None:
    """Every row says whose it is and in which export it was."""
    row = one({"campaignId": "1"})

    assert {name: row[name] for name in PROVENANCE} == {
        "account": "acme",
        "region": "EU",
        "profile_id": "7",
        "entity": "campaigns",
        "snapshot": "night",
        "export_id": "export-1",
        "generated_at": "2026-11-23T02:00:00Z",
    }


def test_an_export_that_does_not_say_when() -> None:
    """A time that is not known is none."""
    assert where_from(JOB, Receipt("export-1", 1, 2, "", ""))["generated_at"] is None


@pytest.mark.parametrize(("identity", "row_id"), [("12", "12"), (12, "12"), (2**70, str(2**70))])
def test_what_a_row_is_told_by(identity: object, row_id: str) -> None:
    """A row is told by its id as text."""
    assert one({"campaignId": identity})["row_id"] == row_id


@pytest.mark.parametrize("nothing", [{}, {"campaignId": None}, {"campaignId": ""}])
def test_a_row_without_an_id(nothing: dict[str, Any]) -> None:
    """A row without an id is told by what it holds."""
    row_id = one({"name": "a", **nothing})["row_id"]

    assert len(row_id) == 32
    assert row_id == one({**nothing, "name": "a"})["row_id"] != one({"name": "b", **nothing})["row_id"]


@pytest.mark.parametrize(
    "other",
    [
        {"n": 1.0, "campaignId": "1", "tags": [{"b": 2, "a": 1}]},
        {"campaignId": "1", "n": 1, "tags": [{"a": 1, "b": 2}], "gone": None},
    ],
)
def test_the_version_of_a_row_that_is_spelt_anew(other: dict[str, Any]) -> None:
    """The order of fields, how a number is spelt, and nulls make no other version; nor does another export."""
    row = {"campaignId": "1", "n": 1, "tags": [{"a": 1, "b": 2}]}

    assert (
        one(other, versions=True, export_id="2", snapshot="later")["row_version"]
        == one(row, versions=True)["row_version"]
    )


@pytest.mark.parametrize("change", [{"n": 2}, {"n": 1.5}, {"n": "1"}, {"m": 1}, {"tags": [2, 1]}])
def test_the_version_of_a_row_that_has_changed(change: dict[str, Any]) -> None:
    """Any other value is another version, and so is the same row of another profile."""
    row = {"campaignId": "1", "n": 1, "tags": [1, 2]}
    version = one(row, versions=True)["row_version"]

    assert one(row | change, versions=True)["row_version"] != version
    assert one(row, versions=True, profile_id="8")["row_version"] != version
    assert one(row).keys().isdisjoint({"row_version", "_dlt_id"})


def test_integers_that_no_table_holds() -> None:
    """An integer beyond 64 bits is text wherever it stands; the largest that fits is none."""
    row = {"a": 2**63, "b": [{"c": -(2**63) - 1}], "d": 2**63 - 1, "e": -(2**63), "f": True, "g": 1.5}

    stored = one(row)
    assert {name: stored[name] for name in row} == {
        "a": "9223372036854775808",
        "b": [{"c": "-9223372036854775809"}],
        "d": 2**63 - 1,
        "e": -(2**63),
        "f": True,
        "g": 1.5,
    }


@pytest.mark.parametrize("name", ["account", "row_id", "profileId", "ExportID", "generated at", "tombstone", "_dlt_id"])
def test_a_field_that_has_the_name_of_our_column(name: str) -> None:
    """Where a row is from is never taken from the row, however the name is spelt; its own field goes aside."""
    row = one({"campaignId": "1", name: "theirs"})

    assert row == one({"campaignId": "1"}) | {f"api_{name}": "theirs"}


def test_tombstones() -> None:
    """There is one for every combination of what was asked for, and none if nothing can be gone."""
    words = {"adProduct": ("A", "B"), "negative": (True, False)}

    found = list(tombstones(words, ORIGIN))

    assert [(row["adProduct"], row["negative"]) for row in found] == [
        ("A", True),
        ("A", False),
        ("B", True),
        ("B", False),
    ]
    assert all(row.items() >= ORIGIN.items() and row["tombstone"] for row in found)
    assert list(tombstones(None, ORIGIN)) == []
    assert len(list(tombstones({}, ORIGIN))) == 1


def test_a_row_that_has_the_id_of_a_tombstone() -> None:
    """No row is told by what tombstones are told by."""
    (tombstone,) = tombstones({}, ORIGIN)

    assert one({"campaignId": tombstone["row_id"]})["row_id"] != tombstone["row_id"]
