"""When to look at an export again."""

from __future__ import annotations

from itertools import accumulate, islice

from hypothesis import given
from hypothesis import strategies as st

from asyncexport.sansio.polling import Schedule
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
