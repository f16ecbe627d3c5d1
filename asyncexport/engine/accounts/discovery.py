"""What the accounts manage: all of them asked at once, none able to stop the others."""

from __future__ import annotations

from collections.abc import Iterable

import anyio

from asyncexport.accounts import Account
from asyncexport.engine.accounts.desk import Desk
from asyncexport.errors import AsyncexportError, ProfileAccessDenied
from asyncexport.models import Discovery, Profile, Refused


async def discover(desks: Iterable[Desk]) -> Discovery:
    """Ask every account for its profiles; keep the order of the accounts.

    An account that restricts its profiles gets those, and a refusal for each that the API does not list. One that
    lists nothing at all is a refusal too: the API lists one region only, so that is what a wrong region looks like, and
    a night without that account must not pass for a success. Agency profiles are set aside, since they have no
    sponsored-ads exports.
    """
    desks = list(desks)
    found: dict[int, Discovery] = {}

    async def ask(at: int, desk: Desk) -> None:
        found[at] = await _of_account(desk)

    async with anyio.create_task_group() as tasks:
        for at, desk in enumerate(desks):
            tasks.start_soon(ask, at, desk)
    parts = [found[at] for at in range(len(desks))]
    return Discovery(
        profiles=tuple(profile for part in parts for profile in part.profiles),
        skipped=tuple(profile for part in parts for profile in part.skipped),
        refused=tuple(refused for part in parts for refused in part.refused),
    )


async def _of_account(desk: Desk) -> Discovery:
    account = desk.account
    try:
        profiles = await desk.api.profiles()
    except AsyncexportError as error:
        return Discovery((), refused=(Refused(account.name, account.region, error),))
    if not profiles and account.profiles is None:
        return Discovery((), refused=(Refused(account.name, account.region, _nothing(account)),))
    wanted, refused = _restricted(desk, profiles)
    return Discovery(
        profiles=tuple(profile for profile in wanted if not profile.is_agency),
        skipped=tuple(profile for profile in wanted if profile.is_agency),
        refused=refused,
    )


def _restricted(desk: Desk, profiles: tuple[Profile, ...]) -> tuple[tuple[Profile, ...], tuple[Refused, ...]]:
    account = desk.account
    if account.profiles is None:
        return profiles, ()
    listed = {profile.profile_id: profile for profile in profiles}
    asked = dict.fromkeys(account.profiles)
    missing = [profile_id for profile_id in asked if profile_id not in listed]
    refused = tuple(
        Refused(account.name, account.region, _unlisted(account.name, account.region.value, each), each)
        for each in missing
    )
    return tuple(listed[profile_id] for profile_id in asked if profile_id in listed), refused


def _nothing(account: Account) -> ProfileAccessDenied:
    return ProfileAccessDenied(
        f"account {account.name!r} manages no profile in {account.region.value}: "
        "check the account's region, and that the user who gave consent still manages advertisers there"
    )


def _unlisted(account: str, region: str, profile_id: str) -> ProfileAccessDenied:
    return ProfileAccessDenied(
        f"profile {profile_id} is not among the profiles of account {account!r} in {region}: "
        "check the id, the account's region, and that its user still manages the profile"
    )
