"""The list of profiles."""

from __future__ import annotations

import pytest

from asyncexport.emulator.records.profile_list import profile_list, profile_object
from tests.emulator.calls import WORLD

GRANT = WORLD.grants[0]


def test_ids_are_numbers() -> None:
    """A profile id is a JSON number, and the account's facts are nested."""
    found = profile_object(GRANT.profiles[0])
    assert found["profileId"] == int(GRANT.profiles[0].profile_id)
    assert found["accountInfo"]["type"] == GRANT.profiles[0].type
    assert found["accountInfo"]["marketplaceStringId"] == GRANT.profiles[0].marketplace_id


def test_sellers_have_a_daily_budget() -> None:
    """The budget stands in sellers' profiles only."""
    assert all(("dailyBudget" in profile_object(each)) == (each.type == "seller") for each in WORLD.profiles.values())


def test_all_profiles_are_listed() -> None:
    """Without filters everything is there, the agency too."""
    assert [each["profileId"] for each in profile_list(GRANT.profiles, "", {})] == [
        int(each.profile_id) for each in GRANT.profiles
    ]


@pytest.mark.parametrize("kinds", ["seller", "vendor", "agency", "seller,vendor"])
def test_types_can_be_chosen(kinds: str) -> None:
    """The filter takes a list of types."""
    found = profile_list(GRANT.profiles, f"profileTypeFilter={kinds}&apiProgram=campaign", {})
    wanted = [int(each.profile_id) for each in GRANT.profiles if each.type in kinds.split(",")]
    assert [each["profileId"] for each in found] == wanted


@pytest.mark.parametrize("paying", [True, False])
def test_payment_can_be_asked_for(paying: bool) -> None:
    """The filter on valid payment methods is honoured."""
    found = profile_list(GRANT.profiles, f"validPaymentMethodFilter={str(paying).lower()}", {})
    assert len(found) == sum(each.valid_payment == paying for each in GRANT.profiles)
    assert all(each["accountInfo"]["validPaymentMethod"] == paying for each in found)


def test_the_weather_empties_doubles_and_spells_ids() -> None:
    """Each word does what it is called."""
    assert profile_list(GRANT.profiles, "", {"empty-list": ()}) == []
    assert len(profile_list(GRANT.profiles, "", {"doubled-list": ()})) == 2 * len(GRANT.profiles)
    assert all(isinstance(each["profileId"], str) for each in profile_list(GRANT.profiles, "", {"ids-as-text": ()}))
