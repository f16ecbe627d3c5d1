"""How many exports may be in progress over a night."""

from __future__ import annotations

import pytest

from benchmarks.night.caps import Cap, stairs


def test_a_cap_is_read_as_it_is_written() -> None:
    """A staircase goes to text and back."""
    assert str(Cap.parse("5,3@1800,8@7200")) == "5,3@1800,8@7200"
    assert [Cap.parse("5,3@10")(now) for now in (0.0, 9.9, 10.0, 99.0)] == [5, 5, 3, 3]
    assert eval(repr(Cap.parse("5,3@10"))).steps == ((0.0, 5), (10.0, 3))  # noqa: S307


@pytest.mark.parametrize("text", ["", "5,3", "5@10", "5,3@20,4@10", "five"])
def test_what_is_no_cap(text: str) -> None:
    """A cap begins at once and every step has a later second than the one before."""
    with pytest.raises(ValueError, match=r"."):
        Cap.parse(text)


def test_the_highest_cap() -> None:
    """The client may be told the most there ever is."""
    assert Cap.parse("5,3@10,8@20").highest == 8


@pytest.mark.parametrize(
    ("work", "began", "end"),
    [(50.0, 0.0, 10.0), (50.0, 5.0, 5.0 + 5.0 + 25.0 / 3), (65.0, 0.0, 15.0), (80.0 + 8.0, 0.0, 21.0)],
)
def test_when_work_is_done_at_the_earliest(work: float, began: float, end: float) -> None:
    """Slots times seconds are used up step by step."""
    assert Cap.parse("5,3@10,8@20").end_of(work, began) == pytest.approx(end)


def test_work_stands_still_while_the_api_is_away() -> None:
    """An outage adds its own length to what began before it and ends after it."""
    cap = Cap.parse("5")
    assert cap.end_of(100.0, 0.0, away=(10.0, 40.0)) == pytest.approx(50.0)
    assert cap.end_of(100.0, 20.0, away=(10.0, 40.0)) == pytest.approx(60.0)
    assert cap.end_of(40.0, 0.0, away=(10.0, 40.0)) == pytest.approx(8.0)


def test_slot_seconds() -> None:
    """Slots are added up over time, over every step between."""
    cap = Cap.parse("5,3@10,8@20")
    assert cap.slot_seconds(0.0, 10.0) == pytest.approx(50.0)
    assert cap.slot_seconds(5.0, 25.0) == pytest.approx(25.0 + 30.0 + 40.0)


def test_stairs_have_one_step_a_moment() -> None:
    """Comings and goings at the same moment make one step."""
    assert stairs([(2.0, -1), (1.0, 1), (1.0, 1), (2.0, 1), (3.0, -1)]) == [(1.0, 2), (2.0, 2), (3.0, 1)]
