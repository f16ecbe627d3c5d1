"""What exists: grants, and the profiles each of them may see. Facts only, drawn once from a seed.

``World.generate`` spreads profiles over grants and rows over profiles the way real portfolios look: a few large
advertisers hold most rows, many are small, some have nothing at all (their exports are the 22-byte ``[]``). Formats
of ids, currencies, time zones and marketplaces follow the official pages on profiles. The same arguments give the
same world.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from random import Random

from asyncexport.accounts import Account, Region
from asyncexport.emulator.records.names import COMPANIES
from asyncexport.emulator.regions import TOKEN_PATH, host_of

ROWS_PER_CAMPAIGN = 66
"""What one campaign brings on average over the four files: itself, 2.2 ad groups, 55 targets, 8 ads."""

MARKETS = {
    Region.NA: (
        ("US", "USD", "America/Los_Angeles", "ATVPDKIKX0DER"),
        ("CA", "CAD", "America/Los_Angeles", "A2EUQ1WTGCTBG2"),
        ("MX", "MXN", "America/Los_Angeles", "A1AM78C64UM0Y8"),
    ),
    Region.EU: (
        ("DE", "EUR", "Europe/Paris", "A1PA6795UKMFR9"),
        ("UK", "GBP", "Europe/London", "A1F83G8C2ARO7P"),
        ("FR", "EUR", "Europe/Paris", "A13V1IB3VIYZZH"),
        ("IN", "INR", "Asia/Kolkata", "A21TJRUUN4KGV"),
    ),
    Region.FE: (
        ("JP", "JPY", "Asia/Tokyo", "A1VC38T7YXB528"),
        ("AU", "AUD", "Australia/Sydney", "A39IBJ37TRP1C6"),
    ),
}


@dataclass(frozen=True, slots=True)
class Advertiser:
    """One profile as the server knows it. ``campaigns`` is its size: every other row hangs on a campaign."""

    profile_id: str
    name: str
    type: str
    country_code: str
    currency_code: str
    timezone: str
    marketplace_id: str
    account_id: str
    campaigns: int = 0
    valid_payment: bool = True


@dataclass(frozen=True, slots=True)
class Grant:
    """The consent one Login-with-Amazon client holds in one region, and the profiles it opens."""

    account: str
    region: Region
    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)
    profiles: tuple[Advertiser, ...] = ()

    def at(self, region: Region | None) -> tuple[Advertiser, ...]:
        """Return the profiles that the host of a region shows to the grant; None stands for a host of all regions."""
        return self.profiles if region in {None, self.region} else ()


@dataclass(frozen=True)
class World:
    """Everything that exists. ``seed`` also decides the rows, see :mod:`asyncexport.emulator.records.data`."""

    grants: tuple[Grant, ...]
    seed: int = 0

    @classmethod
    def generate(
        cls,
        *,
        seed: int = 0,
        accounts: int = 2,
        profiles: int = 12,
        rows: int = 20_000,
        regions: Sequence[Region | str] = (Region.NA, Region.EU),
        agency: bool = False,
    ) -> World:
        """Draw a world.

        ``profiles`` sellers and vendors are dealt out to ``accounts`` grants, which take their regions in turn;
        ``rows`` is roughly the number of rows of all files of all profiles together (a profile that is not empty has at
        least one campaign). With four profiles or more, one in six is empty. ``agency`` adds one agency profile to the
        first grant. Raises ``ValueError`` for counts or regions nothing can be made of.
        """
        if accounts < 1 or profiles < 0 or rows < 0 or not regions:
            raise ValueError("a world needs at least one account and one region, and no negative number of anything")
        rng = Random(f"world/{seed}")
        sizes = _sizes(rng, profiles, rows)
        ids = _profile_ids(rng, profiles + 1)
        where = [Region(region) for region in regions]
        hands = [range(first, profiles, accounts) for first in range(accounts)]
        grants = []
        for number, hand in enumerate(hands):
            region = where[number % len(where)]
            owned = [_advertiser(rng, region, ids[at], sizes[at]) for at in hand]
            if agency and number == 0:
                owned.append(_advertiser(rng, region, ids[profiles], 0, kind="agency"))
            grants.append(_grant(rng, f"account-{number + 1}", region, tuple(owned)))
        return cls(tuple(grants), seed)

    @cached_property
    def profiles(self) -> dict[str, Advertiser]:
        """Every profile by its id."""
        return {profile.profile_id: profile for grant in self.grants for profile in grant.profiles}

    def opens(self, grant: Grant, profile_id: str, region: Region | None = None) -> bool:
        """Whether the grant's owner may see the profile at the host of a region; None stands for a host of all."""
        return region in {None, grant.region} and profile_id in self._opened[grant.refresh_token]

    def accounts(self, api_url: str, *, download_hosts: Sequence[str]) -> list[Account]:
        """Return the grants, ready to use with the API at ``api_url``: each is sent to its own region's host."""
        return [
            Account(
                grant.account,
                region=grant.region,
                client_id=grant.client_id,
                client_secret=grant.client_secret,
                refresh_token=grant.refresh_token,
                api_url=host_of(api_url, grant.region),
                token_url=f"{api_url}{TOKEN_PATH}",
                download_hosts=download_hosts,
            )
            for grant in self.grants
        ]

    @cached_property
    def _opened(self) -> dict[str, frozenset[str]]:
        return {
            grant.refresh_token: frozenset(profile.profile_id for profile in grant.profiles) for grant in self.grants
        }


def _sizes(rng: Random, profiles: int, rows: int) -> list[int]:
    empty = profiles // 6 if profiles >= 4 else 0
    weights = [0.0] * empty + [1.0 / rank for rank in range(1, profiles - empty + 1)]
    total = sum(weights) or 1.0
    sizes = [max(1, round(rows * weight / total / ROWS_PER_CAMPAIGN)) if weight and rows else 0 for weight in weights]
    rng.shuffle(sizes)
    return sizes


def _profile_ids(rng: Random, count: int) -> list[str]:
    ids: dict[str, None] = {}
    while len(ids) < count:
        ids[str(rng.randrange(10**12, 10 ** rng.randint(13, 16)))] = None
    return list(ids)


def _advertiser(rng: Random, region: Region, profile_id: str, campaigns: int, *, kind: str = "") -> Advertiser:
    country, currency, timezone, marketplace = rng.choice(MARKETS[region])
    kind = kind or rng.choice(("seller", "seller", "seller", "vendor"))
    letters = "".join(rng.choices("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=13))
    return Advertiser(
        profile_id=profile_id,
        name=f"{rng.choice(COMPANIES)} {country}",
        type=kind,
        country_code=country,
        currency_code=currency,
        timezone=timezone,
        marketplace_id=marketplace,
        account_id=f"A{letters}" if kind == "seller" else f"ENTITY{letters}",
        campaigns=campaigns,
        valid_payment=rng.random() < 0.95,
    )


def _grant(rng: Random, account: str, region: Region, profiles: tuple[Advertiser, ...]) -> Grant:
    return Grant(
        account=account,
        region=region,
        client_id=f"amzn1.application-oa2-client.{rng.getrandbits(128):032x}",
        client_secret=f"amzn1.oa2-cs.v1.{rng.getrandbits(256):064x}",
        refresh_token=f"Atzr|IwEBI{rng.getrandbits(1200):x}",
        profiles=profiles,
    )
