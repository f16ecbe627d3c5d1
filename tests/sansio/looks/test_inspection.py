"""Where looks are best placed when a law is known."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport.sansio.looks.generation import STEP, Generation, normal
from asyncexport.sansio.looks.inspection import Inspection
from tests.support import steady

LOW = math.log(0.05)


def prior(x: float) -> float:
    return normal(math.log(15.0), 1.0, x)


def log_normal() -> Inspection:
    learned = Generation((0.05, 10_800.0), prior)
    return Inspection(learned.low, learned.hazards([]))


def looks(law: Inspection, price: float, within: float = 60.0) -> Iterator[float]:
    age = 0.0
    while age < 1000.0:
        age = law.next_look(age, price, within)
        yield age


def survival(seconds: float) -> float:
    return 0.5 * math.erfc(math.log(seconds / 15.0) / math.sqrt(2.0)) if seconds > 0.0 else 1.0


def costs(law: Inspection, price: float) -> tuple[float, float]:
    """Mean looks and mean late seconds of the log-normal law, by integration over its quantiles."""
    grid = [math.exp(math.log(15.0) - 4.0 + 8.0 * number / 20_000) for number in range(20_001)]
    placed = [*looks(law, price)]
    made, late, at = 0.0, 0.0, 0
    for before, after in pairwise(grid):
        while placed[at] < after:
            at += 1
        share = survival(before) - survival(after)
        made += share * (at + 1)
        late += share * (placed[at] - (before + after) / 2)
    return made, late


@pytest.mark.parametrize(
    ("price", "optimum"), [(0.02, 0.977), (0.05, 1.550), (0.1, 2.206), (0.2, 3.151), (0.5, 5.091)], ids=str
)
def test_looks_are_close_to_the_best_there_are(price: float, optimum: float) -> None:
    """Late seconds and price together are within 2 % of the optimum, which dynamic programming finds for this law."""
    made, late = costs(log_normal(), price)

    assert late + price * made < 1.02 * optimum


def test_a_higher_price_means_fewer_looks_and_later_ones() -> None:
    """Each doubling of the price saves looks and costs slot time."""
    figures = [costs(log_normal(), price) for price in (0.02, 0.05, 0.1, 0.2, 0.5)]

    assert sorted(figures, reverse=True) == figures
    assert sorted(late for _, late in figures) == [late for _, late in figures]


def test_the_mean_of_a_law() -> None:
    """Its mean is that of the log-normal law; the effort foretells how many looks there will be."""
    law = log_normal()

    assert law.mean == pytest.approx(15.0 * math.exp(0.5), rel=0.01)
    assert law.effort / math.sqrt(2 * 0.1) + 0.5 == pytest.approx(costs(law, 0.1)[0], rel=0.05)


def test_what_is_surely_over() -> None:
    """The age by which a share has ended is the quantile; beyond the last bin nothing is known."""
    law = log_normal()

    assert law.surely_over(0.5) == pytest.approx(15.0, rel=2 * STEP)
    assert law.surely_over(0.995) == pytest.approx(15.0 * math.exp(2.576), rel=2 * STEP)
    assert Inspection(LOW, [1e-9] * 10).surely_over(0.995) == pytest.approx(0.05 * math.exp(10 * STEP))


def test_one_look_right_after_a_sharp_peak() -> None:
    """Where all exports take 0.6 s and a look costs a sixth of it, the one look comes at their end, not in the tail."""
    peak = [0.01] * 200
    peak[round(math.log(0.6 / 0.05) / STEP)] = 60.0
    law = Inspection(LOW, peak)

    assert 0.58 < law.next_look(0.0, 0.1, 60.0) < 0.7


@steady
@given(
    st.lists(st.floats(1e-12, 200.0), min_size=1, max_size=100),
    st.floats(0.0, 1e6),
    st.floats(1e-9, 1e9),
    st.floats(1e-3, 1e4),
)
def test_any_law(hazards: list[float], age: float, price: float, within: float) -> None:
    """Whatever the law, the age and the price, the next look is later than this one and not beyond the bound."""
    look = Inspection(LOW, hazards).next_look(age, price, within)

    assert age <= look <= age + within
