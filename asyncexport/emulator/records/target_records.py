"""Rows of the targets file: keywords, products, categories, audiences, auto, themes, as in the official common model.

This file is the large one, so a row takes its randomness from one 64-bit draw. ``KINDS`` holds, per ad product, 64
places in the proportions of real accounts. Campaign-level targets exist for Sponsored Products negatives only and have
no ``adGroupId``; Sponsored Display targets have no ``campaignId``; some numbers come as text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from asyncexport.emulator.records.moments import stamp
from asyncexport.emulator.records.palette import Palette, delivery
from asyncexport.emulator.records.tree import CAMPAIGN_LEVEL, SB, SD, SP, STATES, Campaign, Group, leaf_id
from asyncexport.models import Filters

Details = Callable[[Palette, int], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One sort of target: its type, whether it excludes, and what makes its details from the row's bits."""

    type: str
    negative: bool
    details: Details


class Wanted:
    """A request's filters on targets, as sets; an empty filter lets everything pass."""

    def __init__(self, filters: Filters) -> None:
        self.states = frozenset(filters.states)
        self._types = frozenset(filters.target_types)
        self._levels = frozenset(filters.target_levels)
        self._negative = frozenset(filters.negative)

    def level(self, level: str) -> bool:
        """Whether targets of this level are wanted."""
        return not self._levels or level in self._levels

    def kind(self, kind: Kind) -> bool:
        """Whether targets of this kind are wanted."""
        return (not self._types or kind.type in self._types) and (not self._negative or kind.negative in self._negative)


def target_rows(palette: Palette, campaign: Campaign, wanted: Wanted) -> Iterator[dict[str, Any]]:
    """Yield the campaign's targets that are wanted: its own negatives first, then ad group by ad group."""
    if campaign.negatives and wanted.level("CAMPAIGN"):
        yield from _campaign_level(palette, campaign, wanted)
    if wanted.level("AD_GROUP"):
        for group in campaign.groups:
            yield from _ad_group_level(palette, campaign, group, wanted)


def _campaign_level(palette: Palette, campaign: Campaign, wanted: Wanted) -> Iterator[dict[str, Any]]:
    draw = palette.draws(campaign.salt)
    for number in range(campaign.negatives):
        bits = draw(64)
        kind = NEGATIVES[bits & 15]
        state = STATES[bits >> 6 & 15]
        if state in wanted.states and wanted.kind(kind):
            row: dict[str, Any] = {"campaignId": campaign.campaign_id}
            row["targetId"] = leaf_id(campaign, CAMPAIGN_LEVEL, number, kind=2)
            yield _filled(row, palette, campaign, kind, state, bits, level="CAMPAIGN", parents=(campaign.state,))


def _ad_group_level(palette: Palette, campaign: Campaign, group: Group, wanted: Wanted) -> Iterator[dict[str, Any]]:
    draw = palette.draws(group.salt)
    kinds = AUTOMATIC if campaign.automatic and campaign.product == SP else KINDS[campaign.product]
    parents = (campaign.state, group.state)
    for number in range(group.targets):
        bits = draw(64)
        kind = kinds[bits & 63]
        state = STATES[bits >> 6 & 15]
        if state in wanted.states and wanted.kind(kind):
            row: dict[str, Any] = {} if campaign.product == SD else {"campaignId": campaign.campaign_id}
            row["adGroupId"] = group.group_id
            row["targetId"] = leaf_id(campaign, group.place, number, kind=2)
            yield _filled(row, palette, campaign, kind, state, bits, level="AD_GROUP", parents=parents)


def _filled(
    row: dict[str, Any],
    palette: Palette,
    campaign: Campaign,
    kind: Kind,
    state: str,
    bits: int,
    *,
    level: str,
    parents: tuple[str, ...],
) -> dict[str, Any]:
    created = campaign.created + (bits >> 20 & 0xFFFFF) * (1 if bits >> 10 & 1 else 1_000)
    row["adProduct"] = campaign.product
    row["state"] = state
    if not kind.negative and bits >> 11 & 7:
        row["bid"] = {"currencyCode": palette.currency, "bid": palette.money(2 + (bits >> 14 & 511))}
    row["negative"] = kind.negative
    row["targetLevel"] = level
    row["targetDetails"] = kind.details(palette, bits >> 24)
    row["targetType"] = kind.type
    row.update(delivery("target", parents, state, bits >> 60))
    row["creationDateTime"] = stamp(created)
    row["lastUpdatedDateTime"] = stamp(created + (bits >> 30 & 0x3FFFFFFF))
    return row


def _matched(*matches: str) -> Details:
    return lambda _, bits: {"matchType": matches[bits % len(matches)]}


def _keyword(palette: Palette, bits: int) -> dict[str, Any]:
    details = {"matchType": _MATCHES[bits & 3], "keyword": palette.keywords[bits >> 2 & 511]}
    if bits >> 11 & 15 == 0:
        details["nativeLanguageKeyword"] = palette.keywords[bits >> 15 & 511]
        details["nativeLanguageLocale"] = "zh_CN"
    return details


def _product(palette: Palette, bits: int) -> dict[str, Any]:
    match = "PRODUCT_SIMILAR" if bits & 7 == 0 else "PRODUCT_EXACT"
    return {"matchType": match, "asin": palette.asins[bits >> 3 & 255]}


def _brand(palette: Palette, bits: int) -> dict[str, Any]:
    number, name = palette.brands[bits & 63]
    return {"productBrand": number, "productBrandResolved": name}


def _category(palette: Palette, bits: int) -> dict[str, Any]:
    details: dict[str, Any] = {
        "productCategoryId": str(10**7 + (bits & 0xFFFFF)),
        "productCategoryResolved": palette.titles[bits >> 4 & 255],
    }
    if bits >> 12 & 1:
        details.update(_brand(palette, bits >> 13))
    if bits >> 19 & 1:
        price = (bits >> 20 & 255) / 2
        details["productPriceGreaterThan"] = str(price) if bits >> 28 & 1 else price
        details["productRatingGreaterThan"] = 3.0
        details["productPrimeShippingEligible"] = bits >> 29 & 1 == 1
    return details


def _lookback(bits: int) -> dict[str, Any]:
    days = _DAYS[bits & 3]
    return {"event": "VIEW" if bits & 4 else "PURCHASE", "lookback": str(days) if bits & 8 else days}


def _category_audience(palette: Palette, bits: int) -> dict[str, Any]:
    return {**_category(palette, bits), **_lookback(bits >> 8)}


def _product_audience(_: Palette, bits: int) -> dict[str, Any]:
    return {"matchType": "PRODUCT_SIMILAR" if bits & 16 else "PRODUCT_EXACT", **_lookback(bits)}


def _audience(_: Palette, bits: int) -> dict[str, Any]:
    return {"audienceId": str(3 * 10**17 + (bits & 0xFFFFFFFFFF))}


_MATCHES = ("BROAD", "PHRASE", "EXACT", "EXACT")
_DAYS = (7, 14, 30, 365)
_AUTO_SP = _matched("SEARCH_CLOSE_MATCH", "SEARCH_LOOSE_MATCH", "PRODUCT_SUBSTITUTES", "PRODUCT_COMPLEMENTS")
_AUTO_SB = _matched("SEARCH_RELATED_TO_YOUR_BRAND", "SEARCH_RELATED_TO_YOUR_LANDING_PAGES")
_THEMES = _matched(
    "KEYWORDS_RELATED_TO_YOUR_BRAND", "KEYWORDS_RELATED_TO_GIFTS", "KEYWORDS_RELATED_TO_YOUR_PRODUCT_CATEGORY"
)

_KEYWORD = Kind("KEYWORD", negative=False, details=_keyword)
_NOT_KEYWORD = Kind("KEYWORD", negative=True, details=_keyword)
_PRODUCT = Kind("PRODUCT", negative=False, details=_product)
_NOT_PRODUCT = Kind("PRODUCT", negative=True, details=_product)
_CATEGORY = Kind("PRODUCT_CATEGORY", negative=False, details=_category)
_NOT_BRAND = Kind("PRODUCT_CATEGORY", negative=True, details=_brand)

NEGATIVES = (_NOT_KEYWORD,) * 12 + (_NOT_PRODUCT,) * 3 + (_NOT_BRAND,)
AUTOMATIC = (Kind("AUTO", negative=False, details=_AUTO_SP),) * 24 + (_NOT_KEYWORD,) * 30 + (_NOT_PRODUCT,) * 10
KINDS = {
    SP: (_KEYWORD,) * 40
    + (_PRODUCT,) * 9
    + (_CATEGORY,) * 3
    + (_NOT_KEYWORD,) * 7
    + (_NOT_PRODUCT,) * 2
    + (_NOT_BRAND,)
    + (Kind("THEME", negative=False, details=_THEMES),) * 2,
    SB: (_KEYWORD,) * 50
    + (_PRODUCT,) * 5
    + (_CATEGORY,) * 3
    + (_NOT_KEYWORD,) * 4
    + (Kind("AUTO", negative=False, details=_AUTO_SB),) * 2,
    SD: (_PRODUCT,) * 16
    + (_CATEGORY,) * 8
    + (Kind("PRODUCT_AUDIENCE", negative=False, details=_product_audience),) * 16
    + (Kind("PRODUCT_CATEGORY_AUDIENCE", negative=False, details=_category_audience),) * 12
    + (Kind("AUDIENCE", negative=False, details=_audience),) * 8
    + (Kind("AUTO", negative=False, details=_matched("PRODUCT_SIMILAR")),) * 4,
}
