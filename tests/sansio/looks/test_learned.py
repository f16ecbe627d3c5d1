"""When to look at an export again, from what was learned."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport.sansio.looks.learned import LONGEST, LearnedPolling
from asyncexport.sansio.looks.polling import Ending, Polling
from tests.support import steady

Law = Callable[[Random], float]


def middle() -> float:
    return 0.5


@dataclass
class Course:
    """How exports went that were watched: looks and late seconds of each, and how long it took."""

    looks: list[int]
    late: list[float]
    took: list[float]

    def lateness(self, last: int = 200) -> float:
        """Late seconds as a share of all, over the last of them."""
        return sum(self.late[-last:]) / sum(self.took[-last:])


def watched(polling: Polling, law: Law, *, count: int = 600, memory: Law | None = None, exact: bool = True) -> Course:
    """Watch exports five at a time, by rounds; ``memory`` draws by what factor the remembered time is wrong."""
    rng, course = Random(1), Course([], [], [])
    for _ in range(count // 5):
        begun = []
        for _ in range(5):
            seconds = law(rng)
            remembered = None if memory is None else seconds * memory(rng)
            begun.append((seconds, polling.begin("ads", remembered, middle)))
        for seconds, watch in sorted(begun, key=lambda each: each[0]):
            before, age, looks = 0.0, watch.next_look(0.0), 1
            while age < seconds:
                before, age, looks = age, watch.next_look(age), looks + 1
            watch.ended(Ending(before, age, seconds if exact else None))
            watch.close()
            course.looks.append(looks)
            course.late.append(age - seconds)
            course.took.append(seconds)
    return course


def log_normal(median: float, sigma: float) -> Law:
    return lambda rng: median * math.exp(rng.gauss(0.0, sigma))


def test_the_typical_law() -> None:
    """About eleven looks see an export late by less than a twentieth of its time."""
    course = watched(LearnedPolling(10.0), log_normal(15.0, 1.0), count=1500)

    assert fmean(course.looks) < 12.5
    assert course.lateness(1500) < 0.05


@pytest.mark.parametrize("factor", [1.0, 10.0, 0.1], ids=["right", "ten times too long", "ten times too short"])
def test_memory_saves_looks(factor: float) -> None:
    """Where earlier nights are remembered, half the looks see exports sooner; also when all was off by the same."""
    course = watched(
        LearnedPolling(10.0), log_normal(15.0, 1.0), memory=lambda rng: factor * math.exp(rng.gauss(0.0, 0.2))
    )

    assert fmean(course.looks[-200:]) < 8.5
    assert course.lateness() < 0.04


def test_memory_that_says_nothing_is_not_followed() -> None:
    """Where what is remembered has nothing to do with what comes, the looks are those of the fresh law."""
    fresh = watched(LearnedPolling(10.0), log_normal(15.0, 0.5))
    misled = watched(LearnedPolling(10.0), log_normal(15.0, 0.5), memory=log_normal(1.0, 2.0))

    assert misled.lateness() < 1.3 * fresh.lateness()
    assert fmean(misled.looks[-200:]) < 1.3 * fmean(fresh.looks[-200:])


@pytest.mark.parametrize(
    ("law", "late"),
    [
        (log_normal(0.6, 0.0), 0.15),
        (log_normal(300.0, 0.0), 0.02),
        (lambda rng: rng.choice((1.0, 600.0)) * math.exp(rng.gauss(0.0, 0.1)), 0.02),
        (lambda rng: min(1500.0, 5.0 * rng.random() ** -0.8), 0.06),
        (log_normal(900.0, 0.5), 0.02),
        (log_normal(1.0, 0.5), 0.25),
    ],
    ids=["0.6 s", "300 s", "1 s or 600 s", "Pareto", "15 minutes", "1 s"],
)
@pytest.mark.parametrize("exact", [True, False], ids=["the server tells", "seen only"])
def test_laws_far_from_the_prior(law: Law, late: float, exact: bool) -> None:
    """A law of any shape is learned, with the server's own times and without: slots stand idle for a small share."""
    assert watched(LearnedPolling(10.0), law, exact=exact).lateness() < late * (1.0 if exact else 1.5)


def test_a_law_that_changes() -> None:
    """A server that becomes six times slower, or faster, is known again after some hundred exports."""
    polling = LearnedPolling(10.0)

    for median in (15.0, 90.0, 15.0):
        assert watched(polling, log_normal(median, 0.5)).lateness() < 0.08


def test_an_endpoint_learns_from_the_others() -> None:
    """Where other endpoints take ten minutes, the first look at a new one comes later; its own law is its own."""
    polling = LearnedPolling(10.0)
    alone = polling.begin("targets", None, middle).next_look(0.0)
    watched(polling, log_normal(600.0, 0.3), count=100)
    taught = polling.begin("campaigns", None, middle)

    assert taught.next_look(0.0) > alone
    assert polling.expected("campaigns", None) < polling.expected("ads", None)


def test_earlier_nights_teach_the_fresh_law() -> None:
    """While nothing was seen in this night, what others are remembered to take is expected of the unknown, too."""
    polling = LearnedPolling(10.0)
    before = polling.expected("ads", None)
    for _ in range(100):
        polling.begin("ads", 900.0, middle)

    assert polling.expected("ads", None) > 5 * before


def test_what_is_expected() -> None:
    """A remembered export is expected to take what it took; what no export can take counts as not remembered."""
    polling = LearnedPolling(10.0)
    unknown = polling.expected("ads", None)

    assert 15.0 < unknown < 60.0
    assert 100.0 < polling.expected("ads", 100.0) < 300.0
    assert polling.expected("ads", 200.0) == pytest.approx(2 * polling.expected("ads", 100.0))
    assert polling.expected("ads", 1e9) == polling.expected("ads", 10_800.0)
    for nonsense in (0.0, -1.0, math.nan, math.inf):
        assert polling.expected("ads", nonsense) == unknown


def test_what_is_surely_over() -> None:
    """At first minutes, from what is known of the API; once a thousand exports took a second, seconds."""
    polling = LearnedPolling(10.0)
    assert 200.0 < polling.surely_over("ads") < 1000.0
    watched(polling, log_normal(1.0, 0.0), count=500)

    assert 1.0 <= polling.surely_over("ads") < 10.0


def test_a_budget_for_all_that_run() -> None:
    """The more exports run, the rarer each is looked at; when they are gone, looks are cheap again."""
    polling = LearnedPolling(10.0)
    alone = polling.price.seconds
    watches = [polling.begin(endpoint, None, middle) for endpoint in ("ads", "targets") for _ in range(50)]
    crowded = polling.price.seconds
    for watch in watches:
        watch.close()
        watch.close()

    assert crowded > 4 * alone
    assert polling.price.seconds == alone
    assert "ads, targets" in repr(polling)


def test_fewer_requests_a_second_are_fewer_looks() -> None:
    """The one setting moves along the frontier: fewer looks, later seen."""
    courses = [watched(LearnedPolling(looks), log_normal(15.0, 1.0)) for looks in (40.0, 10.0, 2.5)]
    looks, late = [fmean(course.looks) for course in courses], [course.lateness() for course in courses]

    assert looks == sorted(looks, reverse=True)
    assert late == sorted(late)


def test_jitter_keeps_looks_apart() -> None:
    """Exports that were asked for together are not looked at together."""
    early = LearnedPolling(10.0).begin("ads", None, lambda: 0.0).next_look(0.0)
    late = LearnedPolling(10.0).begin("ads", None, lambda: 0.999).next_look(0.0)

    assert early < late < 1.11 * early


AGES = st.floats(0.0, 1e6)
TIMES = st.none() | st.floats(allow_nan=True, allow_infinity=True)


@steady
@given(
    st.lists(st.tuples(TIMES, AGES, AGES, TIMES), max_size=20),
    TIMES,
    AGES,
    st.floats(0.0, 1.0, exclude_max=True),
    st.floats(0.01, 1000.0),
)
def test_whatever_was_learned(
    course: list[tuple[float | None, float, float, float | None]],
    remembered: float | None,
    age: float,
    share: float,
    looks: float,
) -> None:
    """Whatever was remembered, seen or told before, the next look is later than this one, by a minute at most."""
    polling = LearnedPolling(looks)
    for known, seen, later, exactly in course:
        watch = polling.begin("ads", known, middle)
        watch.next_look(seen)
        watch.ended(Ending(min(seen, later), max(seen, later), exactly))
        watch.close()
    watch = polling.begin("ads", remembered, lambda: share)

    assert age < watch.next_look(age) <= age + LONGEST
    assert 0.0 < polling.surely_over("ads") < math.inf
    assert 0.0 < polling.expected("ads", remembered) < math.inf
