"""When to look at an export again."""

from __future__ import annotations

import math
from itertools import accumulate, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport.sansio.looks.polling import Ending, Schedule
from tests.support import steady

FRACTIONS = st.floats(0, 1, exclude_max=True)


def middle() -> float:
    return 0.5


def test_the_looks_by_default() -> None:
    """The first look comes after half a second; the distance grows by a quarter each time, up to fifteen seconds."""
    delays = list(islice(Schedule().delays(middle), 40))

    assert delays[:4] == [0.5, 0.625, 0.78125, 0.9765625]
    assert delays[-1] == 15.0
    assert max(delays) == 15.0


def test_how_late_an_export_is_noticed() -> None:
    """Whenever an export is ready, it is noticed late by at most a fifth of its time and half a second."""
    looks = list(accumulate(islice(Schedule().delays(middle), 500)))

    for ready, seen in zip([0.0, *looks], looks, strict=False):
        assert seen - ready <= max(0.5, 0.2 * seen + 0.5)


@steady
@given(
    st.builds(
        Schedule,
        first=st.floats(0.01, 10),
        growth=st.floats(1, 3),
        longest=st.floats(10, 100),
        jitter=st.floats(0, 1),
    ),
    st.lists(FRACTIONS, min_size=1, max_size=100),
)
def test_any_schedule(schedule: Schedule, fractions: list[float]) -> None:
    """Each delay is within the jitter of its place in the series, which grows and never exceeds the longest."""
    drawn = list(islice(schedule.delays(iter(fractions).__next__), len(fractions)))
    expected = schedule.first

    for delay, fraction in zip(drawn, fractions, strict=True):
        assert delay == expected * (1.0 + schedule.jitter * (fraction - 0.5))
        assert 0 < delay <= schedule.longest * 1.5
        expected = min(schedule.longest, expected * schedule.growth)


def test_looks_without_end() -> None:
    """The series has no end: the export's deadline is kept elsewhere."""
    assert next(islice(Schedule().delays(middle), 100_000, None)) == 15.0


def test_a_watch_by_schedule() -> None:
    """Each look comes one delay after the last, whatever is remembered and whatever ended."""
    watch = Schedule().begin("ads", 600.0, middle)
    watch.ended(Ending(1.0, 2.0, 1.5))

    assert [watch.next_look(age) for age in (0.0, 0.6, 10.0)] == [0.5, 0.6 + 0.625, 10.0 + 0.78125]
    watch.close()


def test_what_a_schedule_expects() -> None:
    """It has learned nothing: what is remembered of an export counts, else what exports usually take."""
    assert Schedule().expected("ads", 600.0) == 600.0
    assert Schedule().expected("ads", None) == 25.0
    assert Schedule().surely_over("ads") == 200.0


@pytest.mark.parametrize(
    ("exactly", "age"),
    [(None, 2.0), (1.5, 1.5), (0.5, 1.0), (-7.0, 1.0), (9e9, 3.0), (math.inf, 3.0), (math.nan, 1.0)],
)
def test_the_age_at_the_end(exactly: float | None, age: float) -> None:
    """The server's word counts as far as it agrees with what was seen; without it, the middle of what was seen."""
    assert Ending(1.0, 3.0, exactly).age == age
