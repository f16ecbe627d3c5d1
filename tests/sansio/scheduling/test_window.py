"""What is believed of the cap, from what is accepted and refused."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncexport.sansio.scheduling.window import OFFICIAL, Window
from tests.sansio.playing import Play
from tests.support import steady

LITTLE = 0.0005
HALF_AN_HOUR = 1800.0


def little() -> float:
    """Return the chance of a 429 in fair weather."""
    return LITTLE


def moving(*steps: tuple[float, int]) -> Callable[[float], int]:
    """Return a cap that is so much from each of these moments on."""

    def cap(now: float) -> int:
        return [value for at, value in steps if now >= at][-1]

    return cap


def found(level: int, chance: Callable[[], float] = little) -> Window:
    """Return a window that has found a cap at 0."""
    window = Window(None, chance)
    for each in range(1, level + 1):
        window.accepted(each, 0.0)
    for profile in range(2):
        window.refused(level, profile, sent_at=0.0, now=0.0)
    assert window.limit == level
    return window


def test_a_cap_that_stays() -> None:
    """It is found at once, and costs one refusal then and one each time that it is tried again."""
    for seed in range(5):
        play = Play(cap=moving((0.0, 5)), seed=seed).run()
        assert play.slots.capacity == 5
        assert max(limit for at, limit in play.limits if at < 1.0) == 5
        assert len(play.refusals) <= 3
        assert play.refusals[0] < 1.0


@pytest.mark.parametrize(
    ("before", "after", "most"),
    [(10, 5, 3), (5, 3, 6), (20, 5, 3), (5, 10, 3), (3, 8, 3), (20, 3, 8)],
)
def test_a_cap_that_moves(before: int, after: int, most: int) -> None:
    """It is found again for three refusals, a fall at once and a rise when it is tried; a deep fall costs more.

    Below the official cap three more are tried in the first half hour.
    """
    for seed in range(4):
        play = Play(cap=moving((0.0, before), (600.0, after)), jobs=1500, seed=seed).run()
        change = [at for at in play.refusals if 600.0 <= at < 600.0 + (HALF_AN_HOUR if after < before else 2000.0)]
        assert len(change) <= most
        later = [limit for at, limit in play.limits if at > 600.0 + HALF_AN_HOUR + 60.0]
        assert max(later) <= after + 1
        assert sorted(later)[len(later) // 2] == after


@pytest.mark.parametrize("seed", range(4))
def test_a_server_that_throttles_by_chance(seed: int) -> None:
    """A third of all calls throttled says nothing of the cap: a told window keeps its size, another finds it."""
    told = Play(cap=moving((0.0, 5)), told=5, chance=0.3, seed=seed).run()
    assert {limit for _, limit in told.limits} == {5}
    assert told.refusals == []
    auto = Play(cap=moving((0.0, 5)), chance=0.3, seed=seed).run()
    limits = sorted(limit for _, limit in auto.limits)
    assert limits[len(limits) // 2] == 5
    assert auto.by_chance > 300


def test_a_number_that_was_told_too_high() -> None:
    """The window finds the smaller one, and never asks for more than it was told."""
    play = Play(cap=moving((0.0, 3)), told=5, jobs=300).run()
    assert play.slots.capacity == 3
    assert len(play.refusals) <= 6


@settings(steady, max_examples=15, deadline=None)
@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=3),
    st.sampled_from([0.0, 0.01, 0.3]),
    st.booleans(),
    st.integers(0, 1000),
)
def test_whatever_the_server_does(caps: list[int], chance: float, exact: bool, seed: int) -> None:
    """Every job is done, no refusal is repeated without bound, and the cap is used."""
    cap = moving(*((at * 700.0, value) for at, value in enumerate(caps)))
    play = Play(cap=cap, chance=chance, exact=exact, jobs=250, seed=seed).run()
    assert play.slots.busy == 0
    assert len(play.refusals) <= 12 * len(caps) + play.by_chance
    assert play.most <= max(caps)


def test_one_refusal_below_the_official_cap() -> None:
    """A client has five slots at least, so the first refusal below is taken for one of the rate; the second is not."""
    window = Window(None, little)
    for level in range(1, 4):
        window.accepted(level, 0.0)
    assert not window.refused(3, "a", sent_at=0.0, now=0.0)
    assert window.has_room(3, 0.0, asking=0)
    assert window.refused(3, "b", sent_at=0.1, now=0.1)
    assert not window.has_room(3, 0.1, asking=0)


def test_a_profile_that_is_refused_again_and_again() -> None:
    """That is no second witness, however often it is repeated."""
    window = Window(3, little)
    assert not any(window.refused(2, "a", sent_at=at * 0.1, now=at * 0.1) for at in range(100))
    assert window.limit == 3
    assert window.has_room(2, 9.9, asking=0)


def test_a_profile_that_is_refused_again_after_a_rest() -> None:
    """That is a second witness: parts of one job are all of one profile, and nobody else can tell of the cap."""
    window = Window(5, little)
    assert window.refused(2, "a", sent_at=0.0, now=0.1) is None
    assert window.refused(2, "a", sent_at=9.9, now=10.0) is None
    assert window.refused(2, "a", sent_at=10.0, now=10.1)
    assert window.limit == 2


def test_one_profile_beyond_the_limit() -> None:
    """What can say nothing new is not tried; what waits is looked at again when it can."""
    window = Window(None, little)
    window.accepted(1, 0.0)
    assert window.refused(1, "a", sent_at=0.0, now=0.1) is None
    assert window.has_room(1, 0.1, asking=0)
    assert window.refused(1, "a", sent_at=0.1, now=0.2) is None
    assert not window.has_room(1, 9.9, asking=0)
    assert window.has_room(0, 9.9, asking=0)
    assert window.next_moment(9.9) == 10.0
    assert window.has_room(1, 10.0, asking=0)


@pytest.mark.parametrize("cap", [1, 2, 5])
@pytest.mark.parametrize("seed", range(3))
def test_all_jobs_of_one_profile(cap: int, seed: int) -> None:
    """The cap is found for three refusals, though nobody else meets it, and tried three times if it is that low."""
    play = Play(cap=moving((0.0, cap)), profiles=1, jobs=30, seed=seed).run()
    assert len([at for at in play.refusals if at < HALF_AN_HOUR]) <= 3 + 3 * (cap < OFFICIAL)
    assert play.slots.capacity == cap


def test_a_refusal_beside_nothing() -> None:
    """With nothing in progress no cap can refuse."""
    window = Window(5, little)
    assert not any(window.refused(0, profile, sent_at=0.0, now=0.0) for profile in range(20))
    assert window.limit == 5


def test_an_acceptance_at_the_same_level() -> None:
    """It ends the suspicion: refusals before and after it are not in a row."""
    window = Window(5, little)
    window.accepted(5, 0.0)
    for profile in range(10):
        assert not window.refused(4, profile, sent_at=1.0, now=1.0)
        window.accepted(5, 1.0)
    assert window.limit == 5


def test_a_level_that_was_refused() -> None:
    """It is tried again after half an hour, then after three hours, then after eighteen."""
    window = found(5)
    tried = []
    for minute in range(60 * 24):
        if window.has_room(5, minute * 60.0, asking=0):
            tried.append(minute)
            assert window.refused(5, minute, sent_at=minute * 60.0, now=minute * 60.0)
    assert tried == [30, 30 + 180, 30 + 180 + 1080]


def test_a_level_below_the_official_cap_that_was_refused() -> None:
    """It is tried again after three minutes, then after twice as long each time, at least every half hour."""
    window = found(3)
    tried = []
    for minute in range(120):
        if window.has_room(3, minute * 60.0, asking=0):
            tried.append(minute)
            assert window.refused(3, minute, sent_at=minute * 60.0, now=minute * 60.0)
    assert tried == [3, 3 + 6, 9 + 12, 21 + 24, 45 + 30, 75 + 30]


@pytest.mark.parametrize("seconds", [120.0, 600.0, 1500.0])
def test_slots_that_another_program_had_for_a_while(seconds: float) -> None:
    """They are back in use after as long again and three minutes, and the minute that the fall took, at most."""
    back = 600.0 + seconds
    play = Play(cap=moving((0.0, 5), (600.0, 3), (back, 5)), jobs=1000).run()
    reached = [at for at, limit in play.limits if limit == 5 and at > 640.0]
    assert back < reached[0] <= back + seconds + 180.0 + 60.0


def test_a_fall_that_is_no_repetition() -> None:
    """What was tried in vain at the official cap does not put off the tries at a lower one that is new."""
    window = found(5)
    window.accepted(6, HALF_AN_HOUR)
    for profile in range(2):
        window.refused(3, profile, sent_at=2000.0, now=2000.0)
    window.accepted(1, 2061.0)
    window.accepted(2, 2061.0)
    window.accepted(3, 2061.0)
    assert not window.has_room(3, 2179.0, asking=0)
    assert window.has_room(3, 2180.0, asking=0)


def test_a_cap_that_was_raised() -> None:
    """What is accepted beyond the bound starts the search anew."""
    window = found(5)
    window.accepted(6, HALF_AN_HOUR)
    assert window.limit == 6
    assert window.has_room(6, HALF_AN_HOUR, asking=0)
    assert not window.has_room(6, HALF_AN_HOUR, asking=1)
    assert repr(window) == "<Window of 6>"


def test_a_told_number_that_was_refused() -> None:
    """It is believed more than what was refused: tried after a minute, after six more, then every half hour."""
    window = Window(5, little)
    for profile in range(2):
        window.refused(3, profile, sent_at=0.0, now=0.0)
    assert window.limit == 3
    for tried, moment in enumerate([60.0, 420.0, 2220.0, 4020.0]):
        assert not window.has_room(3, moment - 1.0, asking=0)
        assert window.has_room(3, moment, asking=0)
        assert window.refused(3, f"{tried}", sent_at=moment, now=moment)
    window.accepted(4, 5820.0)
    assert window.has_room(4, 5820.0, asking=0)


def test_an_export_that_had_ended_before_the_refusal() -> None:
    """There were fewer in progress than we thought, so the cap is lower by as many."""
    window = found(5)
    window.ended(ended_at=-1.0)
    assert (window.limit, window.has_room(4, 1.0, asking=0)) == (4, False)
    window.ended(ended_at=1.0)
    assert window.limit == 4
    assert repr(window) == "<Window of 4, refused beyond 4>"


def test_exports_that_ended_between_a_refusal_and_the_next() -> None:
    """What was concluded from the first stands: refusals at a level that is known put nothing off."""
    window = found(5)
    assert window.refused(5, "c", sent_at=100.0, now=100.0)
    window.ended(ended_at=50.0)
    assert window.limit == 5
    assert window.has_room(5, HALF_AN_HOUR, asking=0)


def test_an_export_that_had_ended_before_a_refusal_by_chance() -> None:
    """Nothing was concluded from it, so there is nothing to put right."""
    share = [LITTLE]
    window = found(5, lambda: share[0])
    share[0] = 0.3
    window.ended(ended_at=-1.0)
    assert window.limit == 5


def test_an_export_that_had_ended_before_an_acceptance() -> None:
    """The level that seemed to be reached was not, and the old bound is tried no sooner for it."""
    window = found(5)
    window.accepted(6, HALF_AN_HOUR)
    assert window.refused(6, "x", sent_at=HALF_AN_HOUR + 1.0, now=HALF_AN_HOUR + 1.0)
    window.ended(ended_at=HALF_AN_HOUR - 1.0)
    assert window.limit == 5
    assert not window.has_room(5, 3 * HALF_AN_HOUR, asking=0)
    alone = Window(None, little)
    alone.accepted(1, 0.0)
    alone.accepted(2, 5.0)
    alone.ended(ended_at=4.0)
    assert alone.limit == 1


def test_a_bound_that_only_seemed_to_be_passed() -> None:
    """It stands again, with all the refusals that made it: one more is enough, and it is tried at once."""
    window = found(5, lambda: 0.3)
    for profile in range(4):
        window.refused(5, f"further {profile}", sent_at=1.0, now=1.0)
    window.accepted(6, HALF_AN_HOUR)
    assert window.refused(6, "x", sent_at=HALF_AN_HOUR, now=HALF_AN_HOUR) is None
    window.ended(ended_at=HALF_AN_HOUR - 1.0)
    assert repr(window) == "<Window of 5, refused beyond 5>"
    assert window.has_room(5, HALF_AN_HOUR + 1.0, asking=0)
    assert window.refused(5, "y", sent_at=HALF_AN_HOUR + 1.0, now=HALF_AN_HOUR + 1.0)
    assert not window.has_room(5, 3 * HALF_AN_HOUR, asking=0)


def test_a_cap_that_fell() -> None:
    """The window falls to a quarter, waits for room for a minute, and searches upward below the bound."""
    window = found(20)
    assert not window.refused(19, "a", sent_at=9.0, now=9.0)
    assert window.refused(19, "b", sent_at=9.1, now=9.1)
    assert window.limit == 4
    assert not window.has_room(4, 10.0, asking=0)
    assert window.has_room(3, 10.0, asking=0)
    assert window.next_moment(10.0) == pytest.approx(69.1)
    assert window.has_room(15, 70.0, asking=0)
    assert window.refused(15, "c", sent_at=70.0, now=70.0)
    assert not window.has_room(4, 189.0, asking=0)
    assert window.has_room(14, 191.0, asking=0)
    window.accepted(4, 80.0)
    assert window.has_room(4, 80.0, asking=0)


def test_refusals_that_go_on() -> None:
    """After the third in a row the window pauses, for longer and longer, until something is accepted."""
    window = Window(100, lambda: 0.9)
    pauses = []
    for profile in range(20):
        window.refused(5, profile, sent_at=0.0, now=0.0)
        pauses.append(window.next_moment(0.0) or 0.0)
    assert pauses[:5] == pytest.approx([0.0, 0.0, 0.1, 0.2, 0.4])
    assert pauses[-1] == 60.0
    assert not window.has_room(5, 1.0, asking=0)
    window.accepted(6, 1.0)
    assert window.has_room(5, 1.0, asking=0)


def test_a_bound_that_chance_explains_after_all() -> None:
    """When it turns out that many calls are throttled, a bound of few refusals is tried again at once."""
    share = [LITTLE]
    window = found(5, lambda: share[0])
    assert not window.has_room(5, 1.0, asking=0)
    share[0] = 0.3
    assert window.has_room(5, 1.0, asking=0)
    assert [window.refused(5, profile, sent_at=1.0, now=1.0) for profile in "abcd"] == [None] * 3 + [True]
    assert not window.has_room(5, 2.0, asking=0)


@given(st.integers(1, 40), st.randoms(use_true_random=False))
def test_the_limit_is_never_nothing(told: int, random: Random) -> None:
    """Whatever is heard, one export may be in progress, and never more than were told."""
    window = Window(told, little)
    now = 0.0
    for step in range(60):
        now += random.random() * 100.0
        level = random.randint(1, told)
        if random.random() < 0.5:
            window.refused(level, step, sent_at=now, now=now)
        elif random.random() < 0.5:
            window.accepted(level, now)
        else:
            window.ended(now - random.random() * 300.0)
        assert 1 <= window.limit <= told
        assert not window.has_room(told, now, asking=0)
