"""What is remembered of a job from night to night."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport.errors import ConnectionLost
from asyncexport.models import Filters, Receipt
from asyncexport.notes import Committed, Dropped, Habit, Intended, Note, Requested, Split
from asyncexport.sansio.looks.habits import LARGEST_LOG, LONGEST_SECONDS, NIGHTS_IN_PARTS, Memory

RECEIPT = Receipt("export-1", rows=7, bytes=70, sha256="00", location="exports/x")
PARTS = (Filters(("SPONSORED_PRODUCTS",)), Filters(("SPONSORED_BRANDS",)), Filters(("SPONSORED_DISPLAY",)))
IN_PARTS = Committed(RECEIPT)


def taking(seconds: float | None) -> Committed:
    """Return the note of an export that took so long."""
    return Committed(RECEIPT, seconds)


def after(*notes: Note) -> Memory:
    """Return what is kept after these notes."""
    memory = Memory()
    for note in notes:
        memory = memory.after(note)
    return memory


def test_a_job_never_seen_before() -> None:
    """Nothing is expected of it."""
    assert Memory().habit == Habit()


@pytest.mark.parametrize("seconds", [0.4, 25.0, 3600.0])
def test_a_job_that_always_takes_the_same(seconds: float) -> None:
    """It is expected to do so again."""
    habit = after(*[taking(seconds)] * 5).habit
    assert habit.seconds == pytest.approx(seconds)
    assert habit.nights == 5


def test_one_odd_night() -> None:
    """Sixteen times as long once: expected is four times as long, the night after twice, and soon the usual again."""
    usual, odd = taking(10.0), taking(160.0)
    assert after(usual, usual, odd).habit.seconds == pytest.approx(40.0)
    assert after(usual, usual, odd, usual).habit.seconds == pytest.approx(20.0)
    assert after(usual, usual, odd, *[usual] * 6).habit.seconds == pytest.approx(10.0, rel=0.05)


@pytest.mark.parametrize(
    "note",
    [
        *[taking(seconds) for seconds in (None, 0.0, -5.0, 1e-9, math.inf, math.nan, LONGEST_SECONDS * 1.01)],
        Intended(),
        Requested("export-1"),
        Dropped(ConnectionLost("x"), keep=True),
    ],
    ids=str,
)
def test_a_note_that_says_nothing_about_time(note: Note) -> None:
    """What was not measured, or cannot have been, changes nothing."""
    before = after(taking(10.0))
    assert before.after(note) == before


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=20))
def test_whatever_seconds_are_noted(seconds: list[float]) -> None:
    """What is kept stays within its bounds, and what is expected between the shortest and the longest that was seen."""
    memory = after(*map(taking, seconds))
    sane = [each for each in seconds if 1 / LONGEST_SECONDS <= each <= LONGEST_SECONDS]
    assert memory.nights == len(sane)
    if sane:
        assert memory.log_seconds is not None
        assert abs(memory.log_seconds) <= LARGEST_LOG
        assert memory.habit.seconds is not None
        assert min(sane) * (1 - 1e-9) <= memory.habit.seconds <= max(sane) * (1 + 1e-9)


def test_a_job_that_was_split() -> None:
    """The next night begins with the parts it was last taken in; that it is committed in parts keeps them."""
    further = (*PARTS[:2], *(Filters(("SPONSORED_DISPLAY",), (state,)) for state in ("ENABLED", "PAUSED", "ARCHIVED")))
    assert after(taking(10.0), Split(PARTS)).habit.split == PARTS
    assert after(Split(PARTS), Split(further), IN_PARTS).habit == Habit(None, 1, further)


def test_two_weeks_in_parts() -> None:
    """Then it is asked for whole once, and if that was in vain not before two more weeks have gone by."""
    memory, asked_for_whole = after(Split(PARTS)), []
    for night in range(2 * NIGHTS_IN_PARTS + 1):
        if not memory.habit.split:
            asked_for_whole.append(night)
            memory = memory.after(Split(PARTS))
        memory = memory.after(IN_PARTS)
    assert asked_for_whole == [NIGHTS_IN_PARTS, 2 * NIGHTS_IN_PARTS]


def test_a_job_that_is_one_export_again() -> None:
    """Once it was made whole it is no longer split, and nights are counted anew."""
    habit = after(*[taking(10.0)] * 3, Split(PARTS), IN_PARTS, taking(40.0)).habit
    assert habit.seconds == pytest.approx(20.0)
    assert (habit.nights, habit.split) == (1, ())
