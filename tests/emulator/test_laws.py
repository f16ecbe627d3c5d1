"""How long exports take."""

from __future__ import annotations

import statistics

import pytest

from asyncexport.emulator.laws import Bimodal, Constant, Habitual, LogNormal, Pareto


def test_a_constant_is_constant() -> None:
    """Every draw is the value."""
    assert {Constant(2.5).seconds(seed, "a", turn) for seed in range(3) for turn in range(3)} == {2.5}


def test_a_draw_depends_on_subject_and_turn_only() -> None:
    """The same question has the same answer, another turn another one."""
    law = LogNormal()
    assert law.seconds(1, "7/ads", 0) == law.seconds(1, "7/ads", 0)
    assert len({law.seconds(1, "7/ads", turn) for turn in range(20)}) == 20


def test_the_median_and_the_spread_are_those_asked_for() -> None:
    """Over many subjects the middle is the median and the logarithms spread as sigma says."""
    draws = [LogNormal(median=15, sigma=1).seconds(1, f"{number}/ads", 0) for number in range(4_000)]
    assert 14 < statistics.median(draws) < 16
    near = sum(15 / 2.718 < each < 15 * 2.718 for each in draws) / len(draws)
    assert 0.65 < near < 0.72


def test_habit_makes_the_same_subject_take_nearly_the_same_time() -> None:
    """With a habit near 1 one subject's draws lie together while subjects differ as before."""
    law = LogNormal(median=15, sigma=1, habit=0.99)
    one = [law.seconds(1, "7/ads", turn) for turn in range(50)]
    many = [law.seconds(1, f"{number}/ads", 0) for number in range(400)]
    assert max(one) / min(one) < 2
    assert max(many) / min(many) > 20


SHAPED: list[Habitual] = [LogNormal(habit=0.96), Bimodal(habit=0.96), Pareto(habit=0.96)]


@pytest.mark.parametrize("law", SHAPED, ids=lambda law: type(law).__name__)
def test_what_a_subject_takes_as_a_rule(law: Habitual) -> None:
    """Half of a subject's nights take longer than usual, and without a habit every subject has the same usual time."""
    usual = law.usual(1, "7/ads")
    longer = sum(law.seconds(1, "7/ads", turn) > usual for turn in range(400))
    assert 160 < longer < 240


def test_what_is_usual_without_a_habit() -> None:
    """Nothing is known of a subject but the law's middle."""
    assert {law.usual(1, str(number)) for law in (LogNormal(), Constant(15.0)) for number in range(5)} == {15.0}


def test_small_and_large_accounts() -> None:
    """A share takes about the large time, the others about the small one, nobody a time between."""
    draws = [Bimodal(1.0, 120.0, 0.2).seconds(1, f"{number}/ads", 0) for number in range(2_000)]
    large = [each for each in draws if each > 30.0]
    assert 0.17 < len(large) / len(draws) < 0.23
    assert 115 < statistics.median(large) < 125
    assert 0.95 < statistics.median(each for each in draws if each < 30.0) < 1.05


def test_a_heavy_tail() -> None:
    """None is faster than the least, none slower than the longest, and the share above t falls as a power of t."""
    draws = [Pareto(8.0, 1.5, 1500.0).seconds(1, f"{number}/ads", 0) for number in range(20_000)]
    assert min(draws) >= 8.0
    assert max(draws) <= 1500.0
    assert 0.028 < sum(each > 80.0 for each in draws) / len(draws) < 0.036
