"""Seeded exports of every shape, made on the spot: what the decoder is measured with.

Records have the fields and the mean sizes of real ones; about one name in eight carries a fragment that looks like the
structure of the file, others hold characters beyond the basic plane. The same seed and size give the same bytes.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

SEED = 20_261_123
_NASTY = ("},{", '"}', '\\"},{\\\\"', '[{"', "\u2028", "\t\n", '},{"adProduct":"')
_WORDS = ("Shoe", "Brand", "Summer", "exact", "Running", "broad", "Sale", "B0", "DE", "phrase", "Sneaker", "women")
_FOREIGN = ("Laufschuh für Größe", "été", "清仓", "Ключ", "🎉", "𝔅rand")
_Record = dict[str, Any]


def _id(draw: random.Random) -> str:
    return str(draw.randrange(10**14, 10**15))


def _name(draw: random.Random) -> str:
    words = " ".join(draw.choices(_WORDS, k=draw.randint(3, 8)))
    kind = draw.random()
    return words + draw.choice(_NASTY if kind < 0.12 else _FOREIGN) if kind < 0.24 else words


def _moment(draw: random.Random) -> str:
    return (
        f"202{draw.randrange(6)}-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}T{draw.randrange(24):02}:11:12.345Z"
    )


def _tail(draw: random.Random) -> _Record:
    return {"creationDateTime": _moment(draw), "lastUpdatedDateTime": _moment(draw)}


def _state(draw: random.Random) -> _Record:
    return {
        "state": draw.choice(("ENABLED", "PAUSED", "ARCHIVED")),
        "deliveryStatus": draw.choice(("DELIVERING", "NOT_DELIVERING")),
        "deliveryReasons": draw.sample(("CAMPAIGN_PAUSED", "OUT_OF_BUDGET", "AD_GROUP_PAUSED", "PENDING_REVIEW"), 2),
    }


def campaign(draw: random.Random) -> _Record:
    """Return a campaign of about 1,070 bytes."""
    return {
        "adProduct": "SPONSORED_PRODUCTS",
        "campaignId": _id(draw),
        "portfolioId": _id(draw),
        "name": _name(draw),
        "startDate": "2024-02-03",
        "endDate": "2027-02-03",
        **_state(draw),
        "costType": "CPC",
        "brandEntityId": "ENTITY" + _id(draw),
        "targetingSettings": "MANUAL",
        "optimization": {
            "bidStrategy": "SALES_DOWN_ONLY",
            "placementBidAdjustments": [
                {"percentage": draw.randrange(900), "placement": place}
                for place in ("TOP_OF_SEARCH", "HOME_PAGE", "DETAIL_PAGE")
            ],
        },
        "budgetCaps": {
            "recurrenceTimePeriod": "DAILY",
            "budgetType": "MONETARY",
            "budgetValue": {"monetaryBudget": {"currencyCode": "EUR", "amount": draw.randrange(10**5) / 100}},
        },
        "tags": [{"key": "team", "value": _name(draw)}, {"key": "season", "value": _name(draw)}],
        "productLocation": "SOLD_ON_AMAZON",
        **_tail(draw),
    }


def ad_group(draw: random.Random) -> _Record:
    """Return an ad group of about 590 bytes."""
    return {
        "adProduct": "SPONSORED_PRODUCTS",
        "adGroupId": _id(draw),
        "campaignId": _id(draw),
        "name": _name(draw),
        **_state(draw),
        "creativeType": "STANDARD",
        "bid": {"defaultBid": draw.randrange(900) / 100, "currencyCode": "EUR"},
        "optimization": {"goalSetting": {"goal": "CONVERSIONS", "kpi": "CLICKS"}},
        **_tail(draw),
    }


def target(draw: random.Random) -> _Record:
    """Return a target of about 555 bytes."""
    return {
        "adProduct": "SPONSORED_PRODUCTS",
        "targetId": _id(draw),
        "adGroupId": _id(draw),
        "campaignId": _id(draw),
        **_state(draw),
        "negative": draw.random() < 0.2,
        "targetLevel": "AD_GROUP",
        "targetType": "KEYWORD",
        "bid": {"bid": draw.randrange(900) / 100, "currencyCode": "EUR"},
        "targetDetails": {"matchType": "PHRASE", "keyword": _name(draw), "nativeLanguageLocale": "de_DE"},
        **_tail(draw),
    }


def ad(draw: random.Random) -> _Record:
    """Return an ad of about 880 bytes."""
    return {
        "adProduct": "SPONSORED_BRANDS",
        "adId": _id(draw),
        "adGroupId": _id(draw),
        "campaignId": _id(draw),
        "adType": "PRODUCT_AD",
        "name": _name(draw),
        **_state(draw),
        "creative": {
            "products": [{"productIdType": "ASIN", "productId": f"B0{draw.randrange(10**8):08}"} for _ in range(3)],
            "headline": _name(draw),
            "brandName": _name(draw),
            "landingPage": {"type": "STORE", "url": f"https://example.com/stores/page/{_id(draw)}?tag={_id(draw)}"},
        },
        "moderation": [{"status": "APPROVED", "locale": "de_DE"}, {"status": "PENDING", "locale": "fr_FR"}],
        **_tail(draw),
    }


def _nested(draw: random.Random) -> _Record:
    inner = [{"adProduct": "SPONSORED_PRODUCTS", "value": _name(draw)} for _ in range(8)]
    return {"adProduct": "SPONSORED_PRODUCTS", "campaignId": _id(draw), "children": inner, **_tail(draw)}


def _array(size: int, record: Callable[[random.Random], _Record], between: str, **style: object) -> Iterator[str]:
    draw, made, start = random.Random(SEED), 0, "["
    encoder = json.JSONEncoder(**{"ensure_ascii": False, "separators": (",", ":"), **style})  # type: ignore[arg-type]
    while made < size:
        text = encoder.encode(record(draw))
        made += len(text)
        yield start + text
        start = between
    yield "]"


def _repeated(size: int, start: str, unit: str, end: str) -> Iterator[str]:
    yield start
    block = unit * (65_536 // len(unit))
    for _ in range(size // len(block)):
        yield block
    yield end


SHAPES: dict[str, Callable[[int], Iterator[str]]] = {
    "campaigns": lambda size: _array(size, campaign, ","),
    "adGroups": lambda size: _array(size, ad_group, ","),
    "targets": lambda size: _array(size, target, ","),
    "ads": lambda size: _array(size, ad, ","),
    "pretty": lambda size: _array(size, campaign, ",\n", indent=2, separators=(",", ": ")),
    "spaced": lambda size: _array(size, campaign, ", ", separators=(", ", ": ")),
    "escaped": lambda size: _array(size, campaign, ",", ensure_ascii=True),
    "lines": lambda size: _array(size, campaign, ",\n"),
    "nested": lambda size: _array(size, _nested, ","),
    "tiny": lambda size: _repeated(size, '[{"a":1}', ',{"a":1}', "]"),
    "empty": lambda size: _repeated(size, "[{}", ",{}", "]"),
    "blanks": lambda size: _repeated(size, '[{"a":1}', "," + 1000 * " " + '{"a":1}', "]"),
    "one-row": lambda size: _repeated(size, '[{"a":[1', ',{"b":[1,"text"]}', "]}]"),
    "one-string": lambda size: _repeated(size, '[{"a":"', '},{\\"adProduct\\":\\"\\\\', '"}]'),
}
"""By name: the text of an export of about so many bytes."""
