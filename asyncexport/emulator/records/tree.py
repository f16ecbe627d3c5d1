"""What hangs on what: campaigns, their ad groups, and how many targets and ads each ad group has.

The four files of a profile are made independently of each other and must join, so whatever two of them need (ids,
states, ad products, creation times) is drawn here, campaign by campaign, from bits that depend on the campaign's number
alone: no file depends on how far another was read, and nothing is held but one campaign. Ids are arithmetic: a
number is spread over 13 to 16 digits by a bijection, so that they look random, never collide within a profile and cost
no memory; Sponsored Brands ids have 18 digits and come in consecutive families.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from asyncexport.emulator.records.moments import DAY, FIRST_DAY
from asyncexport.emulator.store.bits import mix, spread_of
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
    """One campaign with its ad groups. ``negatives`` counts its campaign-level negative targets.

    ``root`` is the profile's own number, ``salt`` the campaign's, from which its rows draw.
    """

    number: int
    root: int
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
    root = Random(f"{seed}/{profile.profile_id}").getrandbits(60)
    for number in range(profile.campaigns):
        yield _campaign(number, root)


def leaf_id(campaign: Campaign, place: int, number: int, *, kind: int) -> str:
    """Return the id of a target (``kind`` 2, at most 256 an ad group) or an ad (``kind`` 3, at most 64)."""
    if campaign.product == SB:
        within = 16 + place * 256 + number if kind == 2 else 2_304 + place * 64 + number
        return str(int(campaign.campaign_id) + within)
    return _spread((campaign.number * 8 + place) * 256 + number, campaign.root + kind)


def _campaign(number: int, root: int) -> Campaign:
    bits = mix(root + number * 8)
    product = PRODUCTS[bits & 15]
    campaign_id = str(_FAMILY + root % 10**15 + number * _FAMILY_SIZE) if product == SB else _spread(number, root)
    created = _moment(bits >> 24 & 0xFFFFFFFF)
    places = range(_GROUPS[bits >> 8 & 255])
    return Campaign(
        number=number,
        root=root,
        campaign_id=campaign_id,
        product=product,
        state=STATES[bits >> 4 & 15],
        automatic=product != SB and bits >> 56 & 3 == 0,
        created=created,
        negatives=_NEGATIVES[bits >> 16 & 255] if product == SP else 0,
        salt=root + number * 8 + CAMPAIGN_LEVEL,
        groups=tuple(_group(product, created, campaign_id, number, place, root) for place in places),
    )


def _group(product: str, born: int, campaign_id: str, number: int, place: int, root: int) -> Group:
    salt = root + number * 8 + 1 + place
    bits = mix(salt)
    return Group(
        group_id=str(int(campaign_id) + 1 + place) if product == SB else _spread(number * 8 + place, root + 1),
        place=place,
        state=STATES[bits & 15],
        created=born + 1 + (bits >> 4 & 4_095),
        targets=(_TARGETS if product == SP else _FEW_TARGETS)[bits >> 16 & 255],
        ads=(_ADS if product == SP else _FEW_ADS)[bits >> 24 & 255],
        salt=salt,
    )


_GROUPS = spread_of(1.6, 1, 5)
_NEGATIVES = spread_of(5.0, 0, 60)
_TARGETS = spread_of(25.0, 3, 200)
_FEW_TARGETS = spread_of(12.0, 3, 200)
_ADS = spread_of(3.1, 1, 50)
_FEW_ADS = spread_of(1.2, 1, 50)


def _moment(bits: int) -> int:
    moment = (FIRST_DAY + 400 + (bits & 2_047)) * DAY + (bits >> 8) * 5 % DAY
    return moment if bits & 1 else moment - moment % 1_000


def _spread(number: int, shift: int) -> str:
    least: int = 10 ** (_DIGITS[number & 15] - 1)
    return str(least + (number * _STRIDE + shift) % (9 * least))
