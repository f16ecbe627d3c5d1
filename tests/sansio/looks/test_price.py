"""What a look costs, so that requests stay within a budget."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport.sansio.looks.price import Load, Price
from tests.support import steady

TYPICAL = Load(effort=0.18, fixed=1.5 / 26.0, seconds=26.0)
SHORT = Load(effort=0.6, fixed=1.5 / 1.2, seconds=1.2)


def price(looks: float, *loads: Load) -> Price:
    made = Price(looks)
    for load in loads:
        made.add(load)
    return made


def rate(load: Load, running: int, seconds: float) -> float:
    """The requests a second of so many exports at this price."""
    return running * (load.effort / math.sqrt(2 * seconds) + load.fixed)


@pytest.mark.parametrize("running", [40, 50, 60])
def test_many_exports_stay_within_the_budget(running: int) -> None:
    """The price is the one at which all that run cost 95 % of the budget."""
    assert rate(TYPICAL, running, price(10.0, *[TYPICAL] * running).seconds) == pytest.approx(9.5)


@pytest.mark.parametrize(("looks", "floor"), [(10.0, 0.1), (20.0, 0.025), (5.0, 0.4)])
def test_few_exports_are_looked_at_no_more_than_pays(looks: float, floor: float) -> None:
    """With little to do the price stays at a floor; half the requests a second, four times the floor."""
    assert price(looks).seconds == pytest.approx(floor)
    assert price(looks, TYPICAL).seconds == pytest.approx(floor)


def test_the_floor_for_short_exports() -> None:
    """A look at exports of a second costs at most 3 % of what they take."""
    assert price(10.0, SHORT).seconds == pytest.approx(0.036)


def test_short_exports_bend_the_budget() -> None:
    """When asking alone is beyond the budget, each export is still granted two to three looks."""
    seconds = price(10.0, *[SHORT] * 20).seconds
    looks = SHORT.seconds * (SHORT.effort / math.sqrt(2 * seconds)) + 0.5

    assert 2.0 < looks < 3.0


@steady
@given(st.lists(st.sampled_from([TYPICAL, SHORT])), st.floats(1e-300, 1e300))
def test_any_load(loads: list[Load], looks: float) -> None:
    """The price is above zero and finite, and what has ended costs nothing any more."""
    made = price(looks, *loads)
    assert 0.0 < made.seconds < math.inf
    for load in loads:
        made.remove(load)

    assert made.seconds == price(looks).seconds
    assert "0 running" in repr(made)


@given(st.integers(1, 100), st.floats(0.1, 100.0), st.floats(1.01, 10.0))
def test_a_smaller_budget_never_makes_looks_cheaper(running: int, looks: float, factor: float) -> None:
    """Whoever allows fewer requests pays at least as much for each."""
    loads = [TYPICAL] * running

    assert price(looks, *loads).seconds >= price(looks * factor, *loads).seconds
