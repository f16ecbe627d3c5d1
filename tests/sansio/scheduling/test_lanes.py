"""Who is next among the jobs that wait."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport.sansio.scheduling.lanes import Lanes, Rank, asked_before, fresh
from tests.support import steady

ANY: Rank = (1, 0.0)


def drained(lanes: Lanes[str]) -> list[str]:
    """Take everybody."""
    return [lanes.take() for _ in range(len(lanes))]


@steady
@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 30), min_size=1))
def test_lanes_of_different_length(lengths: dict[str, int]) -> None:
    """Lanes take turns: until a lane is empty, no other lane starts more than one job more than it."""
    lanes: Lanes[str] = Lanes()
    for lane, length in lengths.items():
        for _ in range(length):
            lanes.offer(lane, lane, ANY)
    started: Counter[str] = Counter()
    while lanes:
        lane = lanes.take()
        started[lane] += 1
        waiting = [other for other in lengths if started[other] < lengths[other]]
        assert all(started[lane] <= started[other] + 1 for other in waiting)

    assert started == Counter(lengths)


def test_a_lane_that_was_empty() -> None:
    """A lane that comes anew waits for its turn behind those that are there."""
    lanes: Lanes[str] = Lanes()
    for job in ("a1", "b1", "b2"):
        lanes.offer(job, job[0], ANY)
    first = lanes.take()
    lanes.offer("a2", "a", ANY)

    assert [first, *drained(lanes)] == ["a1", "b1", "a2", "b2"]


def test_jobs_that_were_asked_for_before() -> None:
    """They stand before all others, the oldest first, since the server gives an export up after a day."""
    lanes: Lanes[str] = Lanes()
    lanes.offer("giant", "lane", fresh(0.0, 1e6))
    lanes.offer("young", "lane", asked_before(5.0))
    lanes.offer("old", "lane", asked_before(-80_000.0))

    assert drained(lanes) == ["old", "young", "giant"]


def test_jobs_that_came_together() -> None:
    """The longest is first; equals keep the order in which they came."""
    lanes: Lanes[str] = Lanes()
    for job, seconds in (("short", 1.0), ("twin", 20.0), ("other", 20.0), ("giant", 600.0)):
        lanes.offer(job, "lane", fresh(0.0, seconds))

    assert drained(lanes) == ["giant", "twin", "other", "short"]


def test_a_short_job_does_not_wait_for_all_that_come_later() -> None:
    """Longer ones pass it only while it has waited less than ten times what they take more."""
    lanes: Lanes[str] = Lanes()
    lanes.offer("short", "lane", fresh(0.0, 1.0))
    lanes.offer("in time", "lane", fresh(289.0, 30.0))
    lanes.offer("too late", "lane", fresh(291.0, 30.0))

    assert drained(lanes) == ["in time", "short", "too late"]


@steady
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5)), max_size=40), st.sets(st.integers(0, 40)))
def test_what_is_withdrawn(offered: list[tuple[str, int]], unwanted: set[int]) -> None:
    """It is taken out and nothing else; what stays keeps its order."""
    whole: Lanes[int] = Lanes()
    spared: Lanes[int] = Lanes()
    for number, (lane, rank) in enumerate(offered):
        whole.offer(number, lane, (1, float(rank)))
        if number not in unwanted:
            spared.offer(number, lane, (1, float(rank)))
    there = {number for number in unwanted if number < len(offered)}

    assert set(whole.withdraw(lambda job: job in unwanted)) == there
    assert len(whole) == len(spared) == len(offered) - len(there)
    assert repr(whole).startswith(f"<Lanes {len(whole)} waiting")
    by_lane = {lane: [job for job in _taken(whole, spared) if offered[job][0] == lane] for lane in "abc"}
    assert all(jobs == sorted(jobs, key=lambda job: (offered[job][1], job)) for jobs in by_lane.values())


def _taken(whole: Lanes[int], spared: Lanes[int]) -> list[int]:
    taken = [whole.take() for _ in range(len(whole))]
    assert sorted(taken) == sorted(spared.take() for _ in range(len(spared)))
    return taken


def test_nobody_waits() -> None:
    """Nobody is next."""
    with pytest.raises(IndexError):
        Lanes[str]().take()
