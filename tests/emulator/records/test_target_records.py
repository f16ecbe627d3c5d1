"""Rows of targets."""

from __future__ import annotations

import pytest

from asyncexport.emulator.records.target_records import KINDS
from asyncexport.emulator.records.tree import SB, SD, SP
from asyncexport.models import TARGET_TYPES, Entity, Filters
from tests.emulator.rowing import by_product, parsed

AVAILABLE = {
    SP: {"AUTO", "KEYWORD", "PRODUCT", "PRODUCT_CATEGORY", "THEME"},
    SB: {"AUTO", "KEYWORD", "PRODUCT", "PRODUCT_CATEGORY"},
    SD: {"AUTO", "PRODUCT", "PRODUCT_CATEGORY", "PRODUCT_AUDIENCE", "PRODUCT_CATEGORY_AUDIENCE", "AUDIENCE"},
}


@pytest.mark.parametrize("product", [SP, SB, SD])
def test_each_ad_product_has_exactly_the_types_it_may_have(product: str) -> None:
    """The types of a product's targets are those of the table of availability."""
    assert {row["targetType"] for row in by_product(Entity.TARGETS, product)} == AVAILABLE[product]


def test_kinds_fill_their_places() -> None:
    """Every product has 64 places, because a row chooses by six bits."""
    assert {product: len(kinds) for product, kinds in KINDS.items()} == {SP: 64, SB: 64, SD: 64}


def test_only_campaign_level_negatives_lack_an_ad_group() -> None:
    """A target without adGroupId is a Sponsored Products negative of the campaign level, and those exist."""
    without = [row for row in parsed(Entity.TARGETS) if "adGroupId" not in row]
    assert without
    assert all(row["negative"] and row["targetLevel"] == "CAMPAIGN" and row["adProduct"] == SP for row in without)
    assert all(row["targetLevel"] == "AD_GROUP" for row in parsed(Entity.TARGETS) if "adGroupId" in row)


def test_sponsored_display_targets_have_no_campaign() -> None:
    """Only Sponsored Display targets leave campaignId out."""
    assert all(("campaignId" in row) == (row["adProduct"] != SD) for row in parsed(Entity.TARGETS))


def test_targets_join_with_their_ad_groups() -> None:
    """Every adGroupId is one of the ad groups file, and its campaign is the same there."""
    groups = {row["adGroupId"]: row["campaignId"] for row in parsed(Entity.AD_GROUPS)}
    for row in parsed(Entity.TARGETS):
        if "adGroupId" in row:
            assert row.get("campaignId", groups[row["adGroupId"]]) == groups[row["adGroupId"]]


def test_negatives_have_no_bid() -> None:
    """A negative never bids; a positive one does, unless the ad group's default applies."""
    rows = parsed(Entity.TARGETS)
    assert not any("bid" in row for row in rows if row["negative"])
    positive = [row for row in rows if not row["negative"]]
    assert 0 < sum("bid" not in row for row in positive) < len(positive) / 4


def test_numbers_come_as_text_and_as_numbers() -> None:
    """Lookbacks and prices are spelt in both ways."""
    details = [row["targetDetails"] for row in parsed(Entity.TARGETS)]
    assert {type(each["lookback"]) for each in details if "lookback" in each} == {int, str}
    assert {type(each["productPriceGreaterThan"]) for each in details if "productPriceGreaterThan" in each} == {
        float,
        str,
    }


def test_keywords_in_another_language_occur() -> None:
    """Some keywords name their native spelling and locale."""
    assert any("nativeLanguageKeyword" in row["targetDetails"] for row in parsed(Entity.TARGETS))


@pytest.mark.parametrize(
    "parts",
    [
        [Filters(target_types=(kind,)) for kind in TARGET_TYPES],
        [Filters(target_levels=(level,)) for level in ("AD_GROUP", "CAMPAIGN")],
        [Filters(negative=(flag,)) for flag in (True, False)],
        [Filters(states=(state,)) for state in ("ENABLED", "PAUSED", "ARCHIVED")],
        [Filters((product,)) for product in (SP, SB, SD)],
    ],
    ids=["types", "levels", "negative", "states", "products"],
)
def test_filters_cut_the_file_into_disjoint_parts(parts: list[Filters]) -> None:
    """The parts of a split hold exactly the rows of the whole file, each once and unchanged."""
    pieces = [row for part in parts for row in parsed(Entity.TARGETS, part)]
    whole = parsed(Entity.TARGETS)
    assert len(pieces) == len(whole)
    assert {row["targetId"]: row for row in pieces} == {row["targetId"]: row for row in whole}
    assert sum(bool(parsed(Entity.TARGETS, part)) for part in parts) == len(parts)
