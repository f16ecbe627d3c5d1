"""What the accounts manage: all asked at once, none able to stop the others."""

from __future__ import annotations

import pytest

from asyncexport import Account, Exporter, Region
from asyncexport.emulator.server import EmulatorServer
from asyncexport.errors import (
    AuthError,
    ProfileAccessDenied,
)
from asyncexport.sansio.pacing.backoff import Backoff
from asyncexport.testing import FakeClock, FakeTransport, json_response
from tests.engine.pulling import exporter, with_secrets
from tests.engine.support import (
    ACCOUNT,
    Events,
    token_response,
)


async def test_profiles_are_those_of_all_accounts(emulator: EmulatorServer) -> None:
    """Discovery asks every account and keeps ids exact."""
    async with exporter(emulator) as pulling:
        profiles = await pulling.profiles()
    assert {profile.profile_id for profile in profiles} == set(emulator.state.world.profiles)
    assert {profile.region for profile in profiles} == {Region.NA, Region.EU}


@pytest.mark.emulator(agency=True)
async def test_agency_profiles_are_set_aside_by_name(emulator: EmulatorServer) -> None:
    """They have no sponsored-ads exports, and a person can see that they were left out."""
    events = Events()
    async with exporter(emulator, events) as pulling:
        found = await pulling.discover()
    assert [profile.is_agency for profile in found.skipped] == [True]
    assert len(found.profiles) == 4
    assert len(events.of("profiles.discovered")) == 1


async def test_a_revoked_grant_refuses_its_account_and_no_other(emulator: EmulatorServer) -> None:
    """The other account goes on; asking for plain profiles raises what is in the way."""
    first, second = emulator.accounts()
    async with Exporter([with_secrets(first, refresh_token="Atzr|revoked"), second]) as pulling:
        found = await pulling.discover()
        assert [(refused.account, type(refused.error)) for refused in found.refused] == [(first.name, AuthError)]
        assert {profile.account for profile in found.profiles} == {second.name}
        with pytest.raises(AuthError, match="invalid_grant"):
            await pulling.profiles()
        with pytest.raises(AuthError):
            await pulling.check(with_secrets(first))
        await pulling.check(second)
    assert emulator.state.counters.requests["token"] == 2


async def test_a_restricted_account_gets_its_profiles_and_a_refusal_for_each_unlisted_one(
    emulator: EmulatorServer,
) -> None:
    """A profile that the region does not list is told, with what to check."""
    account = emulator.accounts()[0]
    async with exporter(emulator) as pulling:
        mine = [profile.profile_id for profile in await pulling.profiles() if profile.account == account.name]
    some = Account(
        "some",
        region=account.region,
        client_id=account.client_id,
        client_secret=account.client_secret,
        refresh_token=account.refresh_token,
        api_url=account.api_url,
        token_url=account.token_url,
        profiles=[mine[0], 4711],
    )
    async with Exporter([some]) as pulling:
        found = await pulling.discover()
    assert [profile.profile_id for profile in found.profiles] == mine[:1]
    (refused,) = found.refused
    assert refused.profile_id == "4711"
    assert isinstance(refused.error, ProfileAccessDenied)


@pytest.mark.parametrize("answer", ["[]", '[{"profileId": 1'], ids=["empty", "cut"])
async def test_no_profiles_is_never_a_success(answer: str) -> None:
    """An empty list is what a wrong region looks like, half a list is none: either is told, and nothing is pulled."""
    answers = [json_response(answer)] * 2
    async with Exporter(
        [ACCOUNT], transport=FakeTransport(token_response(), *answers), clock=FakeClock(), backoff=Backoff()
    ) as pulling:
        found = await pulling.discover()
    assert found.profiles == ()
    assert [refused.account for refused in found.refused] == ["acme"]


async def test_a_wrong_region_is_told_with_what_to_check(emulator: EmulatorServer) -> None:
    """The API lists the profiles of one region only; an account in another one lists none."""
    account, other = emulator.accounts()
    moved = Account(
        account.name,
        region="FE",
        client_id=account.client_id,
        client_secret=account.client_secret,
        refresh_token=account.refresh_token,
        api_url=account.api_url.rsplit("/", 1)[0] + "/fe",
        token_url=account.token_url,
    )
    async with Exporter([moved, other]) as pulling:
        found = await pulling.discover()
    assert {profile.account for profile in found.profiles} == {other.name}
    (refused,) = found.refused
    assert "manages no profile in FE: check the account's region" in str(refused.error)
