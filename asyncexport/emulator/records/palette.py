"""What the rows of one profile are painted with: its money, names, search terms, products, and why ads do not run.

A palette is made once per file and shared by all its rows, so that a row costs a few lookups instead of fresh draws.
Everything in it depends on the profile and the seed alone; what is drawn is kept for the profile's next files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from random import Random
from typing import Any, NamedTuple

from asyncexport.emulator.records.names import COMPANIES, keywords, title
from asyncexport.emulator.world import Advertiser

_NOT_RUNNING: dict[str, tuple[str, ...]] = {
    "campaign": ("CAMPAIGN_OUT_OF_BUDGET", "CAMPAIGN_PENDING_REVIEW", "ADVERTISER_PAYMENT_FAILURE", "CAMPAIGN_ENDED"),
    "group": ("AD_GROUP_LOW_BID", "AD_GROUP_INCOMPLETE", "CAMPAIGN_OUT_OF_BUDGET", "OTHER"),
    "target": ("TARGET_BLOCKED", "TARGET_POLICING_SUSPENDED", "CAMPAIGN_ENDED", "OTHER"),
    "ad": ("OUT_OF_STOCK", "NOT_IN_BUYBOX", "AD_MISSING_IMAGE", "CREATIVE_PENDING_REVIEW"),
}
_OWN_WORD = {"campaign": "CAMPAIGN", "group": "AD_GROUP", "target": "TARGET", "ad": "AD"}


class _Drawn(NamedTuple):
    titles: tuple[str, ...]
    keywords: tuple[str, ...]
    asins: tuple[str, ...]
    brands: tuple[tuple[str, str], ...]


@lru_cache(maxsize=64)
def _drawn(profile_id: str, seed: int) -> _Drawn:
    rng = Random(f"palette/{seed}/{profile_id}")
    return _Drawn(
        titles=tuple([title(rng) for _ in range(256)]),
        keywords=tuple(keywords(rng, 512)),
        asins=tuple([f"B0{rng.getrandbits(36):08X}"[:10] for _ in range(256)]),
        brands=tuple([(str(rng.randrange(10**5, 10**8)), rng.choice(COMPANIES)) for _ in range(64)]),
    )


class Palette:
    """What to choose from by index: ``titles`` 256, ``keywords`` 512, ``asins`` 256, ``brands`` 64."""

    def __init__(self, profile: Advertiser, seed: int) -> None:
        self.profile = profile
        self.currency = profile.currency_code
        self.whole_money = profile.currency_code == "JPY"
        self.titles, self.keywords, self.asins, self.brands = _drawn(profile.profile_id, seed)
        self._rng = Random()

    def draws(self, salt: int) -> Callable[[int], int]:
        """Return a function that gives so many random bits, the same ones for the same salt, until asked again."""
        self._rng.seed(salt)
        return self._rng.getrandbits

    def money(self, cents: int) -> float | int:
        """Turn an amount in hundredths into what stands in a row: yen have none, and whole amounts may be integers."""
        if self.whole_money:
            return cents
        return cents // 100 if cents % 1_000 == 0 else cents / 100


@cache
def delivery(kind: str, parents: tuple[str, ...], state: str, luck: int) -> Mapping[str, Any]:
    """Say whether something runs: ``parents`` are the states of campaign and ad group, ``luck`` is 4 bits.

    Something that is enabled all the way up runs 14 times in 16, else a reason of its own is named; archived or paused
    parents and its own state are reasons too. Now and then the list of reasons is there and empty.
    """
    reasons = [
        f"{word}_{above}" for word, above in zip(("CAMPAIGN", "AD_GROUP"), parents, strict=False) if above != "ENABLED"
    ]
    if state != "ENABLED":
        reasons.append(f"{_OWN_WORD[kind]}_{state}")
    if not reasons and luck >= 2:
        return (
            {"deliveryStatus": "DELIVERING", "deliveryReasons": []} if luck == 2 else {"deliveryStatus": "DELIVERING"}
        )
    return {"deliveryStatus": "NOT_DELIVERING", "deliveryReasons": reasons or [_NOT_RUNNING[kind][luck & 3]]}
