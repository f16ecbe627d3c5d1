"""Rows of campaigns and ad groups."""

from __future__ import annotations

from asyncexport.emulator.records.tree import SB, SD, SP
from asyncexport.models import Entity
from tests.emulator.rowing import by_product, parsed


def test_every_campaign_has_what_the_contract_requires() -> None:
    """The required fields of the common model stand in every row, and nothing is null."""
    for row in parsed(Entity.CAMPAIGNS):
        assert {"campaignId", "adProduct", "name", "state", "deliveryStatus", "budgetCaps"} <= row.keys()
        assert None not in row.values()
        monetary = row["budgetCaps"]["budgetValue"]["monetaryBudget"]
        assert monetary["amount"] > 0
        assert monetary["currencyCode"]


def test_optional_fields_are_there_in_some_rows_only() -> None:
    """Portfolio, end date and tags are left out of some rows and stand in others; empty tags occur."""
    rows = parsed(Entity.CAMPAIGNS)
    for name in ("portfolioId", "endDate", "tags", "deliveryReasons"):
        assert 0 < sum(name in row for row in rows) < len(rows)
    assert any(row.get("tags") == [] for row in rows)
    assert any("ruleAmount" in row["budgetCaps"]["budgetValue"]["monetaryBudget"] for row in rows)


def test_each_ad_product_has_its_own_fields() -> None:
    """Sponsored Products has targeting, Brands a brand and a cost type, Display no optimization."""
    assert all("optimization" in row and "costType" not in row for row in by_product(Entity.CAMPAIGNS, SP))
    assert {row["targetingSettings"] for row in by_product(Entity.CAMPAIGNS, SP)} == {"AUTO", "MANUAL"}
    assert all(row["brandEntityId"].startswith("ENTITY") for row in by_product(Entity.CAMPAIGNS, SB))
    assert all("optimization" not in row for row in by_product(Entity.CAMPAIGNS, SD))


def test_a_field_the_documents_do_not_know_stands_in_some_rows() -> None:
    """An undocumented field comes and goes, as in production."""
    brands = by_product(Entity.CAMPAIGNS, SB)
    assert 0 < sum("isMultiAdGroupsEnabled" in row for row in brands) < len(brands)


def test_bid_adjustments_occur() -> None:
    """Placements, cohorts and segments are adjusted in some campaigns, with empty lists among them."""
    optimizations = [row["optimization"] for row in parsed(Entity.CAMPAIGNS) if "optimization" in row]
    assert any(each["placementBidAdjustments"] == [] for each in optimizations)
    assert any("shopperCohortBidAdjustment" in each for each in optimizations)
    assert any("shopperSegmentBidAdjustment" in each for each in optimizations)


def test_an_ad_group_hangs_on_a_campaign_of_its_product() -> None:
    """Every ad group names a campaign of the campaigns file, and has that one's ad product."""
    products = {row["campaignId"]: row["adProduct"] for row in parsed(Entity.CAMPAIGNS)}
    for row in parsed(Entity.AD_GROUPS):
        assert products[row["campaignId"]] == row["adProduct"]


def test_ad_groups_have_bids_but_for_sponsored_brands() -> None:
    """A default bid stands in all but Sponsored Brands; goals and a creative type in Sponsored Display."""
    for row in parsed(Entity.AD_GROUPS):
        assert ("bid" in row) == (row["adProduct"] != SB)
        assert ("optimization" in row) == (row["adProduct"] == SD)
    assert {row["creativeType"] for row in by_product(Entity.AD_GROUPS, SD)} == {"IMAGE", "VIDEO"}


def test_moments_come_with_and_without_fractions() -> None:
    """Both spellings of a moment stand in one file."""
    stamps = [row["creationDateTime"] for row in parsed(Entity.CAMPAIGNS)]
    assert 0 < sum("." in stamp for stamp in stamps) < len(stamps)
