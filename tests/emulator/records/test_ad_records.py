"""Rows of ads."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from asyncexport.emulator.records.data import rows
from asyncexport.emulator.records.tree import SB, SD, SP
from asyncexport.models import Entity, Filters
from tests.emulator.rowing import PROFILE, by_product, parsed

TYPES = {
    SP: {"PRODUCT_AD"},
    SB: {"PRODUCT_COLLECTION", "STORE_SPOTLIGHT", "VIDEO"},
    SD: {"PRODUCT_AD", "IMAGE", "VIDEO"},
}


@pytest.mark.parametrize("product", [SP, SB, SD])
def test_each_ad_product_has_exactly_the_ad_types_it_may_have(product: str) -> None:
    """The ad types are those of the common model's table."""
    assert {row["adType"] for row in by_product(Entity.ADS, product)} == TYPES[product]


def test_ads_join_with_their_ad_groups_and_campaigns() -> None:
    """Every ad names an ad group of the ad groups file, and the campaign that one belongs to."""
    groups = {row["adGroupId"]: row["campaignId"] for row in parsed(Entity.AD_GROUPS)}
    assert parsed(Entity.ADS)
    assert all(groups[row["adGroupId"]] == row["campaignId"] for row in parsed(Entity.ADS))


def test_some_sponsored_brands_ads_have_no_id() -> None:
    """The id is missing in a few Sponsored Brands rows and in no others."""
    missing = [row["adProduct"] for row in parsed(Entity.ADS) if "adId" not in row]
    assert set(missing) == {SB}
    assert len(missing) < len(by_product(Entity.ADS, SB)) / 4


@pytest.mark.parametrize(("kind", "count"), [("seller", 2), ("vendor", 1)])
def test_sellers_name_a_product_twice_and_vendors_once(kind: str, count: int) -> None:
    """A seller's product ad has ASIN and SKU, a vendor's the ASIN."""
    profile = replace(PROFILE, type=kind, campaigns=30)
    found = [orjson.loads(row) for row in rows(profile, Entity.ADS, Filters((SP,)), 1)]
    assert {len(row["creative"]["products"]) for row in found} == {count}


def test_versions_stand_in_sponsored_brands_only() -> None:
    """Only Sponsored Brands ads have a version, and none is null."""
    assert all(("adVersionId" in row) == (row["adProduct"] == SB) for row in parsed(Entity.ADS))


def test_state_filters_cut_the_file_into_disjoint_parts() -> None:
    """Asking for each state alone gives all ads, each once."""
    parts = [parsed(Entity.ADS, Filters(states=(state,))) for state in ("ENABLED", "PAUSED", "ARCHIVED")]
    assert sum(map(len, parts)) == len(parsed(Entity.ADS))
    assert all(parts)
