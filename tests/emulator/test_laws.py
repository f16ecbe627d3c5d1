"""How long exports take."""

from __future__ import annotations

import statistics

from asyncexport.emulator.laws import Constant, LogNormal


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
