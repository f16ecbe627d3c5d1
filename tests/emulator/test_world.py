"""What exists: grants, profiles, sizes."""

from __future__ import annotations

import pytest

from asyncexport.accounts import Region, Secret
from asyncexport.emulator.world import MARKETS, World


def test_the_same_seed_gives_the_same_world() -> None:
    """A world depends on its arguments alone."""
    assert World.generate(seed=4) == World.generate(seed=4)
    assert World.generate(seed=4) != World.generate(seed=5)


def test_profiles_are_dealt_out_to_accounts_and_accounts_to_regions() -> None:
    """Every account gets its share of the profiles, and regions are taken in turn."""
    world = World.generate(accounts=3, profiles=10, regions=("NA", "FE"))
    assert [grant.region for grant in world.grants] == [Region.NA, Region.FE, Region.NA]
    assert [len(grant.profiles) for grant in world.grants] == [4, 3, 3]
    assert len(world.profiles) == 10
    for grant in world.grants:
        countries = {market[0] for market in MARKETS[grant.region]}
        assert {profile.country_code for profile in grant.profiles} <= countries


def test_credentials_have_the_forms_of_login_with_amazon() -> None:
    """Client ids and refresh tokens begin as the real ones do, and no two grants share them."""
    grants = World.generate(accounts=3).grants
    assert all(grant.client_id.startswith("amzn1.application-oa2-client.") for grant in grants)
    assert all(grant.refresh_token.startswith("Atzr|") for grant in grants)
    assert len({grant.client_id for grant in grants}) == 3


def test_secrets_are_not_shown() -> None:
    """The repr of a grant holds neither of its secrets."""
    grant = World.generate().grants[0]
    assert grant.client_secret not in repr(grant)
    assert grant.refresh_token not in repr(grant)


def test_sizes_are_skewed_and_some_profiles_are_empty() -> None:
    """One profile in six has nothing; the largest has many times what the smallest has."""
    sizes = sorted(profile.campaigns for profile in World.generate(profiles=24, rows=200_000).profiles.values())
    assert sizes[:4] == [0] * 4
    assert sizes[4] > 0
    assert sizes[-1] > 10 * sizes[4]


def test_rows_decide_the_total() -> None:
    """Ten times the rows make about ten times the campaigns; no rows make none."""
    small, large = (
        sum(profile.campaigns for profile in World.generate(rows=rows).profiles.values()) for rows in (10**5, 10**6)
    )
    assert 9 < large / small < 11
    assert not any(profile.campaigns for profile in World.generate(rows=0).profiles.values())


def test_few_profiles_are_never_empty() -> None:
    """With fewer than four profiles each has at least one campaign."""
    assert all(profile.campaigns for profile in World.generate(accounts=1, profiles=3, rows=10).profiles.values())


def test_an_agency_is_there_when_asked_for() -> None:
    """The agency profile comes on top, in the first grant, without campaigns."""
    world = World.generate(profiles=4, agency=True)
    agencies = [profile for profile in world.grants[0].profiles if profile.type == "agency"]
    assert [profile.campaigns for profile in agencies] == [0]
    assert len(world.profiles) == 5


def test_sellers_and_vendors_have_ids_of_their_kinds() -> None:
    """A seller's account id begins with A, a vendor's with ENTITY; profile ids are whole numbers of 13 to 16 digits."""
    for profile in World.generate(profiles=40).profiles.values():
        assert profile.account_id.startswith("A" if profile.type == "seller" else "ENTITY")
        assert 12 < len(profile.profile_id) < 17


def test_a_grant_opens_its_own_profiles_only() -> None:
    """Whether a profile can be seen is a matter of the grant."""
    world = World.generate()
    ours, theirs = world.grants
    assert world.opens(ours, ours.profiles[0].profile_id)
    assert not world.opens(ours, theirs.profiles[0].profile_id)


@pytest.mark.parametrize("region", Region)
def test_a_grant_has_its_profiles_at_its_own_regions_host(region: Region) -> None:
    """Other hosts show none and open none; a host of all regions shows and opens them."""
    world = World.generate(accounts=1, regions=[Region.FE])
    (grant,) = world.grants
    assert grant.at(region) == (grant.profiles if region is Region.FE else ())
    assert world.opens(grant, grant.profiles[0].profile_id, region) == (region is Region.FE)
    assert grant.at(None) == grant.profiles


def test_accounts_are_sent_to_their_regions_hosts() -> None:
    """Names, secrets and regions are the grants', the API is the region's, the token host is one for all."""
    world = World.generate(accounts=3, regions=list(Region))
    accounts = world.accounts("https://api.test", download_hosts=["store.test"])
    assert [each.name for each in accounts] == [grant.account for grant in world.grants]
    assert [(each.region, each.api_url) for each in accounts] == [
        (Region.NA, "https://api.test/na"),
        (Region.EU, "https://api.test/eu"),
        (Region.FE, "https://api.test/fe"),
    ]
    assert {each.token_url for each in accounts} == {"https://api.test/auth/o2/token"}
    assert {each.download_hosts for each in accounts} == {("store.test",)}
    for each, grant in zip(accounts, world.grants, strict=True):
        assert isinstance(each.client_secret, Secret)
        assert isinstance(each.refresh_token, Secret)
        assert (each.client_id, each.client_secret.reveal(), each.refresh_token.reveal()) == (
            grant.client_id,
            grant.client_secret,
            grant.refresh_token,
        )


@pytest.mark.parametrize("wrong", [{"accounts": 0}, {"profiles": -1}, {"rows": -1}, {"regions": ()}])
def test_an_impossible_world_is_refused(wrong: dict[str, int]) -> None:
    """Counts nothing can be made of are an error."""
    with pytest.raises(ValueError, match="a world needs"):
        World.generate(**wrong)  # type: ignore[arg-type]
