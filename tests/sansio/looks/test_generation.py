"""The law of how long exports take, learned while they come in."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport.sansio.looks.generation import STEP, Generation, normal
from tests.support import steady

LONGEST = 10_800.0


def prior(x: float) -> float:
    return normal(math.log(15.0), 1.0, x)


def law() -> Generation:
    return Generation((0.05, LONGEST), prior)


def survival(learned: Generation, seconds: float, running: tuple[float, ...] = ()) -> float:
    """The share of exports that the law lets run longer, after learning anew."""
    bins = round((math.log(seconds) - learned.low) / STEP)
    return math.exp(-STEP * sum(learned.hazards(map(math.log, running))[:bins]))


def test_the_prior_is_the_law_before_anything_is_seen() -> None:
    """Half of a law with a median of 15 s is over after 15 s."""
    assert survival(law(), 15.0) == pytest.approx(0.5, abs=0.03)
    assert law().seen == 0.0


@pytest.mark.parametrize(("median", "sigma"), [(15.0, 1.0), (300.0, 0.5), (1.0, 0.3), (900.0, 1.0)], ids=str)
def test_a_law_far_from_the_prior_is_learned(median: float, sigma: float) -> None:
    """After a thousand exports the quartiles are where they belong, whatever was believed before."""
    learned, rng = law(), Random(1)
    for number in range(1000):
        learned.observe(math.log(median) + rng.gauss(0.0, sigma))
        if number % 25 == 0:
            learned.hazards([])

    for z, share in ((-0.6745, 0.75), (0.0, 0.5), (0.6745, 0.25)):
        assert survival(learned, median * math.exp(z * sigma)) == pytest.approx(share, abs=0.07)


def test_a_law_with_two_peaks_keeps_its_valley() -> None:
    """Half the exports take a second and half ten minutes: hardly any is expected to end in between."""
    learned, rng = law(), Random(1)
    for number in range(300):
        learned.observe(math.log(rng.choice((1.0, 600.0))))
        if number % 25 == 0:
            learned.hazards([])

    assert survival(learned, 5.0) - survival(learned, 200.0) < 0.03
    assert survival(learned, 5.0) == pytest.approx(0.5, abs=0.1)


def test_a_steady_law_becomes_sharp() -> None:
    """When all exports take the same time, nearly all are expected to end within a few per cent of it."""
    learned = law()
    for _ in range(200):
        learned.observe(math.log(300.0))
        learned.hazards([])

    assert survival(learned, 270.0) - survival(learned, 330.0) > 0.97


def test_running_exports_speak_against_a_short_law() -> None:
    """What has been seen to end was short; that five others still run after a minute says that not all are."""
    learned = law()
    for _ in range(5):
        learned.observe(math.log(1.0))

    assert survival(learned, 30.0, running=(60.0,) * 5) > survival(learned, 30.0) + 0.2


def test_what_is_old_is_forgotten() -> None:
    """A server that became six times slower is believed after as many exports as the memory holds."""
    learned = Generation((0.05, LONGEST), prior, memory=50.0)
    for seconds in [10.0] * 500 + [60.0] * 150:
        learned.observe(math.log(seconds))

    assert learned.seen == 50.0
    assert sum(learned.counts) == pytest.approx(50.0, rel=0.05)
    assert survival(learned, 40.0) > 0.85


def test_others_teach_until_something_is_seen_here() -> None:
    """What took ten minutes elsewhere is expected here as well, until forty exports have taken a second."""
    elsewhere, learned = law(), law()
    for _ in range(50):
        elsewhere.observe(math.log(600.0))
    believed = sum(learned.hazards([], elsewhere.counts)[: round(math.log(200.0 / 0.05) / STEP)])
    alone = sum(law().hazards([])[: round(math.log(200.0 / 0.05) / STEP)])
    for _ in range(40):
        learned.observe(math.log(1.0))
    seen = sum(learned.hazards([], elsewhere.counts)[: round(math.log(200.0 / 0.05) / STEP)])

    assert believed < 0.8 * alone
    assert seen > 2 * believed


def test_when_it_pays_to_learn_anew() -> None:
    """At once at the beginning, after each of the first exports or fifty looks, later after a twelfth part more."""
    learned, staleness = law(), []

    def after(looks: int, ends: int) -> None:
        for _ in range(looks):
            learned.looked()
        for _ in range(ends):
            learned.observe(2.0)
        staleness.append(learned.is_stale)

    after(0, 0)
    learned.hazards([])
    after(0, 0)
    after(51, 0)
    after(0, 100)
    learned.hazards([])
    after(0, 8)
    after(0, 1)

    assert staleness == [True, False, True, True, False, True]


def test_what_was_expected_surprises_less() -> None:
    """The surprise at an export is smaller the likelier its time was."""
    learned = law()

    assert learned.surprise(math.log(15.0)) < learned.surprise(math.log(150.0)) < learned.surprise(math.log(9000.0))


@steady
@given(st.lists(st.tuples(st.floats(-50.0, 50.0), st.floats(0.01, 1.0)), max_size=30), st.lists(st.floats(-50.0, 50.0)))
def test_any_observations(observed: list[tuple[float, float]], running: list[float]) -> None:
    """Whatever was seen, every bin has a finite hazard above zero: no time is impossible and none is certain."""
    learned = law()
    for x, weight in observed:
        learned.observe(x, weight)

    hazards = learned.hazards(running)

    assert all(0.0 < hazard < math.inf for hazard in hazards)
    assert "seen" in repr(learned)
