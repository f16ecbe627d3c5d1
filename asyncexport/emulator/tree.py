"""What hangs on what: campaigns, their ad groups, and how many targets and ads each ad group has.

The four files of a profile are made independently of each other and must join, so whatever two of them need (ids,
states, ad products, creation times) is drawn here, campaign by campaign, from a generator seeded with the campaign's
number alone: no file depends on how far another was read, and nothing is held but one campaign. Ids are arithmetic: a
number is spread over 13 to 16 digits by a bijection, so that they look random, never collide within a profile and cost
no memory; Sponsored Brands ids have 18 digits and come in consecutive families (``api.md`` 5, gotcha 26).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from asyncexport.emulator.moments import DAY, FIRST_DAY
from asyncexport.emulator.world import Advertiser

SP, SB, SD = "SPONSORED_PRODUCTS", "SPONSORED_BRANDS", "SPONSORED_DISPLAY"
PRODUCTS = (SP,) * 12 + (SB,) * 2 + (SD,) * 2
STATES = ("ENABLED",) * 9 + ("PAUSED",) * 3 + ("ARCHIVED",) * 4

_STRIDE = 2_862_933_555_777_941_761
_DIGITS = (15, 14, 15, 15, 15, 14, 15, 15, 16, 15, 15, 13, 15, 14, 15, 15)
_FAMILY = 144_115_188_075_855_872
_FAMILY_SIZE = 4_096
CAMPAIGN_LEVEL = 7
"""The place among a campaign's ad groups that its own, campaign-level targets take: no ad group has that number."""


@dataclass(frozen=True, slots=True)
class Group:
    """One ad group. ``place`` is its number within the campaign, ``created`` is in milliseconds since 1970."""

    group_id: str
    place: int
    state: str
    created: int
    targets: int
    ads: int
    salt: int


@dataclass(frozen=True, slots=True)
class Campaign:
    """One campaign with its ad groups. ``negatives`` counts its campaign-level negative targets."""

    number: int
    campaign_id: str
    product: str
    state: str
    automatic: bool
    created: int
    negatives: int
    salt: int
    groups: tuple[Group, ...]


def campaigns(profile: Advertiser, seed: int) -> Iterator[Campaign]:
    """Yield the profile's campaigns one after the other; the same arguments give the same ones."""
    root = Random(f"{seed}/{profile.profile_id}").getrandbits(62)
    rng = Random()
    for number in range(profile.campaigns):
        rng.seed(root + number)
        yield _campaign(rng, number, root)


def leaf_id(campaign: Campaign, place: int, number: int, *, kind: int) -> str:
    """Return the id of a target (``kind`` 2, at most 256 an ad group) or an ad (``kind`` 3, at most 64)."""
    if campaign.product == SB:
        within = 16 + place * 256 + number if kind == 2 else 2_304 + place * 64 + number
        return str(int(campaign.campaign_id) + within)
    return _spread((campaign.number * 8 + place) * 256 + number, kind)


def _campaign(rng: Random, number: int, root: int) -> Campaign:
    product = rng.choice(PRODUCTS)
    created = _moment(rng)
    campaign_id = str(_FAMILY + root % 10**15 + number * _FAMILY_SIZE) if product == SB else _spread(number, 0)
    groups = tuple(
        _group(rng, product, created, campaign_id, number, place)
        for place in range(min(5, 1 + int(rng.expovariate(0.6))))
    )
    return Campaign(
        number=number,
        campaign_id=campaign_id,
        product=product,
        state=rng.choice(STATES),
        automatic=product != SB and rng.random() < 0.3,
        created=created,
        negatives=min(60, int(rng.expovariate(0.2))) if product == SP else 0,
        salt=rng.getrandbits(62),
        groups=groups,
    )


def _group(rng: Random, product: str, born: int, campaign_id: str, number: int, place: int) -> Group:
    few = product != SP
    return Group(
        group_id=str(int(campaign_id) + 1 + place) if product == SB else _spread(number * 8 + place, 1),
        place=place,
        state=rng.choice(STATES),
        created=born + rng.randrange(1, 5_000),
        targets=min(200, 3 + int(rng.expovariate(0.08 if few else 0.04))),
        ads=min(50, 1 + int(rng.expovariate(0.8 if few else 0.32))),
        salt=rng.getrandbits(62),
    )


def _moment(rng: Random) -> int:
    moment = (FIRST_DAY + 400 + rng.randrange(2_500)) * DAY + rng.randrange(DAY)
    return moment if rng.getrandbits(1) else moment - moment % 1_000


def _spread(number: int, kind: int) -> str:
    least: int = 10 ** (_DIGITS[number & 15] - 1)
    return str(least + (number * _STRIDE + kind * 7_777_777_777) % (9 * least))
