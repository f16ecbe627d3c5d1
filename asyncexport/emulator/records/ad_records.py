"""Rows of the ads file, in the shapes of the official common model.

Sellers' product ads name the product twice (ASIN and SKU), vendors' once; some Sponsored Brands ads have no ``adId``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from asyncexport.emulator.records.moments import stamp
from asyncexport.emulator.records.palette import Palette, delivery
from asyncexport.emulator.records.tree import SB, SD, SP, STATES, Campaign, Group, leaf_id
from asyncexport.emulator.store.bits import mix


def ad_rows(palette: Palette, campaign: Campaign, states: frozenset[str]) -> Iterator[dict[str, Any]]:
    """Yield the campaign's ads whose state is wanted."""
    for group in campaign.groups:
        for number in range(group.ads):
            bits = mix(group.salt << 6 | number)
            if STATES[bits & 15] in states:
                yield _ad(palette, campaign, group, number, bits)


def _ad(palette: Palette, campaign: Campaign, group: Group, number: int, bits: int) -> dict[str, Any]:
    state = STATES[bits & 15]
    created = group.created + (bits >> 4 & 0xFFFF) * 1_000
    row: dict[str, Any] = {}
    if campaign.product != SB or bits >> 20 & 15:
        row["adId"] = leaf_id(campaign, group.place, number, kind=3)
    row["adGroupId"] = group.group_id
    row["campaignId"] = campaign.campaign_id
    row["adProduct"] = campaign.product
    if campaign.product != SP and bits >> 24 & 1:
        row["name"] = palette.titles[bits >> 25 & 255]
    ad_type, creative = _CREATIVES[campaign.product][bits >> 33 & 3]
    row["adType"] = ad_type
    row["state"] = state
    row.update(delivery("ad", (campaign.state, group.state), state, bits >> 60))
    row["creative"] = creative(palette, bits >> 30)
    row["creationDateTime"] = stamp(created)
    row["lastUpdatedDateTime"] = stamp(created + (bits >> 30 & 0x3FFFFFFF))
    if campaign.product == SB:
        row["adVersionId"] = str(1 + (bits >> 40 & 7))
    return row


def _products(palette: Palette, bits: int, count: int) -> list[dict[str, str]]:
    return [{"productIdType": "ASIN", "productId": palette.asins[bits >> at & 255]} for at in range(count)]


def _product_ad(palette: Palette, bits: int) -> dict[str, Any]:
    products = _products(palette, bits, 1)
    if palette.profile.type == "seller":
        products.append({"productIdType": "SKU", "productId": f"SKU-{bits & 0xFFFF:05d}"})
    return {"products": products}


def _asset(bits: int) -> dict[str, Any]:
    return {
        "assetId": f"amzn1.assetlibrary.asset1.{bits * 0x9E3779B97F4A7C15 % 2**128:032x}",
        "assetVersion": "version_v1",
    }


def _picture(bits: int, width: int, height: int) -> dict[str, Any]:
    return {**_asset(bits), "formatProperties": {"top": bits & 15, "left": 0, "width": width, "height": height}}


def _landing(kind: str, bits: int) -> dict[str, str]:
    page = f"{bits & 0xFFFFFFFF:08X}-89AB-CDEF-0123-456789ABCDEF"
    return {"landingPageType": kind, "landingPageUrl": f"https://www.amazon.com/stores/page/{page}"}


def _collection(palette: Palette, bits: int) -> dict[str, Any]:
    return {
        "products": _products(palette, bits, 3),
        "headline": palette.titles[bits & 255],
        "brandLogo": _picture(bits >> 3, 400, 400),
        "brandName": palette.brands[bits & 63][1],
        "landingPage": _landing("PRODUCT_LIST", bits),
        "customImages": [_picture(bits >> 5, 1200, 628)],
    }


def _spotlight(palette: Palette, bits: int) -> dict[str, Any]:
    cards = [
        {
            "headline": palette.titles[bits >> at & 255],
            "landingPage": _landing("STORE", bits >> at),
            "product": {"productIdType": "ASIN", "productId": palette.asins[bits >> at & 255]},
        }
        for at in range(1 + (bits & 1))
    ]
    return {"headline": palette.titles[bits & 255], "brandName": palette.brands[bits & 63][1], "cards": cards}


def _video(palette: Palette, bits: int) -> dict[str, Any]:
    return {
        "products": _products(palette, bits, 1),
        "videos": [_asset(bits)],
        "landingPage": _landing("DETAIL_PAGE", bits),
        "headline": palette.titles[bits & 255],
    }


def _image(palette: Palette, bits: int) -> dict[str, Any]:
    headline = palette.titles[bits & 255]
    return {"headline": headline, "products": _products(palette, bits, 1), "brandLogo": _picture(bits >> 3, 600, 100)}


Creative = Callable[[Palette, int], dict[str, Any]]
_CREATIVES: dict[str, tuple[tuple[str, Creative], ...]] = {
    SP: (("PRODUCT_AD", _product_ad),) * 4,
    SB: (("PRODUCT_COLLECTION", _collection),) * 2 + (("STORE_SPOTLIGHT", _spotlight), ("VIDEO", _video)),
    SD: (("PRODUCT_AD", _product_ad), ("IMAGE", _image), ("IMAGE", _image), ("VIDEO", _video)),
}
