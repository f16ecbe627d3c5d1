"""Rows of the campaigns and adGroups files, in the shapes of the official common models.

Optional fields are left out, never null; a field the documents do not know (``isMultiAdGroupsEnabled``) stands in some
rows, as it does in production.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from asyncexport.emulator.records.moments import DAY, date, stamp
from asyncexport.emulator.records.palette import Palette, delivery
from asyncexport.emulator.records.tree import SB, SD, SP, Campaign, Group
from asyncexport.emulator.store.bits import mix

_STRATEGIES = {
    SP: ("SALES_DOWN_ONLY", "SALES", "RULE_BASED", "ACOS_LIFT"),
    SB: ("NEW_TO_BRAND", "SALES", "MANUAL", "SALES"),
}
_PLACEMENTS = {SP: ("TOP_OF_SEARCH", "PRODUCT_PAGE", "REST_OF_SEARCH"), SB: ("HOME_PAGE", "PRODUCT_PAGE", "OTHER")}


def campaign_rows(palette: Palette, campaign: Campaign, states: frozenset[str]) -> Iterator[dict[str, Any]]:
    """Yield the campaign itself if its state is wanted."""
    if campaign.state not in states:
        return
    bits, more = mix(campaign.salt), mix(~campaign.salt)
    row: dict[str, Any] = {}
    if bits & 1:
        row["portfolioId"] = str(10**11 + (more >> 20))
    row["campaignId"] = campaign.campaign_id
    row["adProduct"] = campaign.product
    row["name"] = palette.titles[bits >> 1 & 255]
    row["startDate"] = date(campaign.created)
    if bits >> 9 & 3 == 0:
        row["endDate"] = date(campaign.created + DAY * (30 + (bits >> 11 & 255)))
    row["state"] = campaign.state
    if bits >> 19 & 3 == 0:
        row["tags"] = [{"key": "team", "value": palette.titles[bits >> 23 & 255]}] if bits >> 21 & 3 else []
    row.update(delivery("campaign", (), campaign.state, bits >> 60))
    row.update(_OWN_FIELDS[campaign.product](palette, campaign, more))
    row["budgetCaps"] = _budget(palette, more >> 28)
    row["lastUpdatedDateTime"] = stamp(campaign.created + (bits >> 26 & 0x3FFFFFFFF))
    row["creationDateTime"] = stamp(campaign.created)
    yield row


def ad_group_rows(palette: Palette, campaign: Campaign, states: frozenset[str]) -> Iterator[dict[str, Any]]:
    """Yield the campaign's ad groups whose state is wanted."""
    for group in campaign.groups:
        if group.state in states:
            yield _ad_group(palette, campaign, group)


def _ad_group(palette: Palette, campaign: Campaign, group: Group) -> dict[str, Any]:
    bits = mix(~group.salt)
    row: dict[str, Any] = {
        "adGroupId": group.group_id,
        "campaignId": campaign.campaign_id,
        "adProduct": campaign.product,
        "name": palette.titles[bits & 255],
        "state": group.state,
        **delivery("group", (campaign.state,), group.state, bits >> 60),
        "creationDateTime": stamp(group.created),
        "lastUpdatedDateTime": stamp(group.created + (bits >> 20 & 0x3FFFFFFFF)),
    }
    if campaign.product != SB:
        row["bid"] = {"defaultBid": palette.money(2 + (bits >> 8 & 511)), "currencyCode": palette.currency}
    if campaign.product == SD:
        row["creativeType"] = "VIDEO" if bits >> 17 & 3 == 0 else "IMAGE"
        row["optimization"] = {"goalSettings": {"goalType": "CONSIDERATION", "goalKpi": "CLICKS"}}
    return row


def _sponsored_products(palette: Palette, campaign: Campaign, bits: int) -> dict[str, Any]:
    optimization = _optimization(SP, bits)
    if bits >> 16 & 7 == 0:
        optimization["shopperCohortBidAdjustment"] = [
            {
                "shopperCohortType": "AUDIENCE_SEGMENT",
                "percentage": 20,
                "audienceSegments": [
                    {"audienceId": palette.brands[bits & 63][0], "audienceSegmentType": "SPONSORED_ADS_AMC"}
                ],
            }
        ]
    return {"optimization": optimization, "targetingSettings": "AUTO" if campaign.automatic else "MANUAL"}


def _sponsored_brands(palette: Palette, _: Campaign, bits: int) -> dict[str, Any]:
    optimization = _optimization(SB, bits)
    if bits >> 16 & 3 == 0:
        optimization["shopperSegmentBidAdjustment"] = [{"percentage": 200, "shopperSegment": "NEW_TO_BRAND_PURCHASE"}]
    fields: dict[str, Any] = {"costType": "VCPM" if bits >> 20 & 7 == 0 else "CPC", "optimization": optimization}
    fields["brandEntityId"] = f"ENTITY{palette.profile.account_id[-12:]}"
    if bits >> 24 & 3 == 0:
        fields["isMultiAdGroupsEnabled"] = bits >> 26 & 1 == 1
    return fields


def _sponsored_display(_: Palette, __: Campaign, bits: int) -> dict[str, Any]:
    return {"costType": "VCPM" if bits & 1 else "CPC", "targetingSettings": "T00030" if bits & 2 else "T00020"}


_OWN_FIELDS = {SP: _sponsored_products, SB: _sponsored_brands, SD: _sponsored_display}


def _optimization(product: str, bits: int) -> dict[str, Any]:
    placements = _PLACEMENTS[product][: bits & 3]
    return {
        "bidStrategy": _STRATEGIES[product][bits >> 2 & 3],
        "placementBidAdjustments": [
            {"percentage": bits >> 4 & 255, "placement": placement} for placement in placements
        ],
    }


def _budget(palette: Palette, bits: int) -> dict[str, Any]:
    amount = palette.money(100 + (bits & 0xFFFF))
    monetary: dict[str, Any] = {"currencyCode": palette.currency, "amount": amount}
    if bits >> 16 & 7 == 0:
        monetary["ruleAmount"] = amount * 2
    return {
        "recurrenceTimePeriod": "LIFETIME" if bits >> 20 & 15 == 0 else "DAILY",
        "budgetType": "MONETARY",
        "budgetValue": {"monetaryBudget": monetary},
    }
