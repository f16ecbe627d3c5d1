"""How likely a call is throttled by chance."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport.sansio.pacing.chance import Chance


def test_a_client_that_has_heard_nothing() -> None:
    """It expects one 429 in two thousand calls."""
    assert Chance()() == pytest.approx(0.0005)


@pytest.mark.parametrize("one_in", [1, 3, 20])
def test_a_steady_share(one_in: int) -> None:
    """It is learned within a few hundred calls, a little too low at first."""
    chance = Chance()
    for call in range(600):
        chance.heard(throttled=call % one_in == 0)
    assert chance() == pytest.approx(1 / one_in, rel=0.25)
    assert repr(chance) == f"<Chance {chance():.3f}>"


def test_a_share_that_was() -> None:
    """What is long ago is forgotten."""
    chance = Chance()
    for call in range(1000):
        chance.heard(throttled=call < 300)
    assert chance() < 0.005


@given(st.lists(st.booleans(), max_size=300))
def test_a_share_is_a_probability(answers: list[bool]) -> None:
    """Never none, never certain."""
    chance = Chance()
    for throttled in answers:
        chance.heard(throttled=throttled)
    assert 0.0 < chance() < 1.0


def test_a_client_that_is_slowed() -> None:
    """It takes every second 429 for chance, and more where more were seen."""
    chance, is_slowed = Chance(), True
    chance.doubt_while(lambda: is_slowed)
    assert chance() == 0.5
    for _ in range(200):
        chance.heard(throttled=True)
    assert chance() > 0.8
    is_slowed = False
    for _ in range(1000):
        chance.heard(throttled=False)
    assert chance() < 0.01
