"""What rows are painted with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from asyncexport.emulator.records.palette import Palette, delivery
from asyncexport.emulator.world import World

PROFILE = next(iter(World.generate().profiles.values()))


def test_a_palette_depends_on_profile_and_seed() -> None:
    """The same profile and seed give the same lists, another seed others."""
    one, same, other = Palette(PROFILE, 1), Palette(PROFILE, 1), Palette(PROFILE, 2)
    assert one.keywords == same.keywords != other.keywords
    assert one.asins == same.asins
    assert all(len(asin) == 10 for asin in one.asins)


def test_draws_repeat_for_the_same_salt() -> None:
    """Asking again with the same salt begins the same series."""
    palette = Palette(PROFILE, 1)
    first = [palette.draws(5)(64), palette.draws(6)(64)]
    assert first == [palette.draws(5)(64), palette.draws(6)(64)]
    assert first[0] != first[1]


@pytest.mark.parametrize(("currency", "cents", "amount"), [("EUR", 145, 1.45), ("EUR", 4_000, 40), ("JPY", 145, 145)])
def test_money_is_spelt_as_its_currency_is(currency: str, cents: int, amount: float) -> None:
    """Yen have no hundredths; whole amounts may come as integers."""
    money = Palette(replace(PROFILE, currency_code=currency), 1).money(cents)
    assert money == amount
    assert type(money) is type(amount)


def test_what_is_enabled_all_the_way_up_runs_as_a_rule() -> None:
    """Fourteen times in sixteen it runs; the list of reasons is absent or empty then."""
    answers = [delivery("target", ("ENABLED", "ENABLED"), "ENABLED", luck) for luck in range(16)]
    running = [answer for answer in answers if answer["deliveryStatus"] == "DELIVERING"]
    assert len(running) == 14
    assert [answer.get("deliveryReasons") for answer in running].count([]) == 1
    assert all(answer["deliveryReasons"] for answer in answers if answer not in running)


def test_parents_and_the_own_state_are_reasons() -> None:
    """An archived campaign, a paused ad group and a paused ad are each named."""
    assert delivery("ad", ("ARCHIVED", "PAUSED"), "PAUSED", 9) == {
        "deliveryStatus": "NOT_DELIVERING",
        "deliveryReasons": ["CAMPAIGN_ARCHIVED", "AD_GROUP_PAUSED", "AD_PAUSED"],
    }
