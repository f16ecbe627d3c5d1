"""Whether a host is down."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport.sansio.pacing.outage import LEAST_SECONDS, Outages, seconds_covered
from tests.support import steady

INTERVALS = st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)).map(lambda pair: (min(pair), max(pair))))


def down(patience: float = 3600.0) -> Outages:
    """Return what is known of a host that answered at 0 and has been down since."""
    outages = Outages(patience)
    outages.answered(0.0)
    for now in (1.0, 6.0, 12.0):
        outages.failed(now, f"caller {now}", sent_at=now)
    return outages


def test_a_row_of_failures() -> None:
    """Several callers that fail for ten seconds on end make an outage; it is news once."""
    outages = Outages(3600.0)

    assert not outages.failed(5.0, "one", sent_at=5.0)
    assert not outages.failed(14.9, "two", sent_at=14.9)
    assert outages.failed(15.0, "one", sent_at=15.0)
    assert not outages.failed(16.0, "two", sent_at=16.0)
    assert outages.is_down


def test_one_caller_alone() -> None:
    """However long it fails, it may be its request that the server chokes on."""
    outages = Outages(3600.0)
    assert not any(outages.failed(float(now), "one", sent_at=now) for now in range(0, 1000, 10))
    assert not outages.is_down


def test_one_caller_for_whom_others_wait() -> None:
    """What it meets is met by all of them."""
    outages = Outages(3600.0)
    assert not outages.failed(0.0, "one", sent_at=0.0, waiting=20)
    assert outages.failed(10.0, "one", sent_at=10.0, waiting=20)


def test_an_answer_among_failures() -> None:
    """It begins the row anew."""
    outages = Outages(3600.0)
    outages.failed(0.0, "one", sent_at=0.0)
    outages.failed(9.0, "two", sent_at=9.0)

    assert not outages.answered(9.5)
    assert not outages.failed(12.0, "one", sent_at=12.0)
    assert not outages.failed(21.0, "two", sent_at=21.0)
    assert outages.failed(22.0, "three", sent_at=22.0)


def test_failures_that_took_long_to_come() -> None:
    """The row begins when its first request was sent, but not before the last answer."""
    outages = Outages(3600.0)
    outages.answered(25.0)
    assert not outages.failed(30.0, "one", sent_at=0.0)
    assert not outages.failed(30.0, "two", sent_at=0.0)
    assert outages.failed(35.0, "three", sent_at=5.0)
    assert outages.intervals(0.0, 40.0) == [(25.0, 40.0)]


def test_the_end_of_an_outage() -> None:
    """Any answer ends it; that is news once, and what there was is remembered."""
    outages = down()
    assert outages.intervals(0.0, 20.0) == [(1.0, 20.0)]

    assert outages.answered(100.0)
    assert not outages.answered(101.0)
    assert not outages.is_down
    assert outages.intervals(0.0, 200.0) == [(1.0, 100.0)]
    assert outages.intervals(50.0, 200.0) == [(50.0, 100.0)]
    assert outages.intervals(100.0, 200.0) == []


def test_an_outage_without_end() -> None:
    """After the patience nobody waits any more; the host is down all the same."""
    outages = down(patience=600.0)
    assert not outages.is_hopeless(601.0)
    assert outages.is_hopeless(601.5)
    assert outages.is_down
    outages.answered(700.0)
    assert not outages.is_hopeless(5000.0)


def test_how_long_a_host_has_been_silent() -> None:
    """It counts from the first failure of the row, and is nothing once the host has answered."""
    outages = down()
    since = outages.silent_seconds(LEAST_SECONDS * 5)
    assert outages.silent_seconds(LEAST_SECONDS * 6) == since + LEAST_SECONDS
    outages.answered(LEAST_SECONDS * 6)
    assert outages.silent_seconds(LEAST_SECONDS * 7) == 0.0


def test_no_patience_at_all() -> None:
    """Then nothing is an outage."""
    assert not down(patience=0.0).is_down


@steady
@given(INTERVALS)
def test_what_intervals_cover(intervals: list[tuple[float, float]]) -> None:
    """Time counts once, however many intervals it lies in, and whatever their order."""
    covered = {second for began, ended in intervals for second in range(int(began), int(ended))}
    assert seconds_covered(intervals) == pytest.approx(len(covered))


def test_outages_in_words() -> None:
    """It says how many there were, and whether there is one."""
    outages = down()
    assert repr(outages) == "<Outages 0 over, down>"
    outages.answered(LEAST_SECONDS * 5)
    assert repr(outages) == "<Outages 1 over, none now>"
