"""Who is next at one endpoint."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from asyncexport.sansio.slots import Slots
from tests.support import steady


class SlotsInAnyOrder(RuleBasedStateMachine):
    """Offers, admissions, releases and withdrawals in any order, beside a plain account of them."""

    def __init__(self) -> None:
        super().__init__()
        self.slots: Slots[int] = Slots("campaigns@NA", 3)
        self.offered: list[int] = []
        self.left: Counter[int] = Counter()
        self.running = 0

    @rule(lane=st.sampled_from("abc"), first=st.booleans())
    def offer(self, lane: str, first: bool) -> None:
        self.slots.offer(len(self.offered), lane, first=first)
        self.offered.append(len(self.offered))

    @rule()
    def admit(self) -> None:
        waited = self.slots.waiting
        admitted = self.slots.admit()
        self.running += len(admitted)
        self.left.update(admitted)
        assert self.running == self.slots.capacity or len(admitted) == waited

    @precondition(lambda self: self.running)
    @rule()
    def release(self) -> None:
        self.slots.release()
        self.running -= 1

    @rule()
    def withdraw(self) -> None:
        self.left.update(self.slots.withdraw(lambda _: True))
        assert self.slots.waiting == 0

    @invariant()
    def no_job_is_lost_or_doubled(self) -> None:
        assert max(self.left.values(), default=1) == 1
        assert len(self.left) + self.slots.waiting == len(self.offered)

    @invariant()
    def the_capacity_is_kept(self) -> None:
        assert self.slots.busy == self.running <= self.slots.capacity


TestSlotsInAnyOrder = SlotsInAnyOrder.TestCase
TestSlotsInAnyOrder.settings = settings(steady, max_examples=40, stateful_step_count=40)


def test_more_jobs_than_slots() -> None:
    """As many start as there are slots, in the order in which they came; the next one when a slot is given back."""
    slots: Slots[str] = Slots("ads@EU", 2)
    for job in "abcd":
        slots.offer(job, "lane")

    assert slots.admit() == ["a", "b"]
    assert slots.admit() == []
    slots.release()
    assert slots.admit() == ["c"]
    assert (slots.capacity, slots.busy, slots.waiting) == (2, 2, 1)
    assert repr(slots) == "<Slots ads@EU 2/2 busy, 1 waiting>"


@steady
@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 30), min_size=1), st.integers(1, 7))
def test_lanes_of_different_length(lengths: dict[str, int], capacity: int) -> None:
    """Lanes take turns: until a lane is empty, no other lane starts more than one job more than it."""
    slots: Slots[str] = Slots("x", capacity)
    for lane, length in lengths.items():
        for _ in range(length):
            slots.offer(lane, lane)
    started: Counter[str] = Counter()
    while slots.waiting:
        for lane in slots.admit():
            started[lane] += 1
            waiting = [other for other in lengths if started[other] < lengths[other]]
            assert all(started[lane] <= started[other] + 1 for other in waiting)
        while slots.busy:
            slots.release()

    assert started == Counter(lengths)


def test_a_job_that_has_been_here_before() -> None:
    """A job that comes back stands at the front of its lane."""
    slots: Slots[str] = Slots("x", 1)
    slots.offer("a", "lane")
    slots.offer("b", "lane")
    slots.offer("again", "lane", first=True)

    assert slots.admit() == ["again"]


def test_a_lane_that_was_empty() -> None:
    """A lane that comes anew waits for its turn behind those that are there."""
    slots: Slots[str] = Slots("x", 1)
    slots.offer("a1", "a")
    slots.offer("b1", "b")
    slots.offer("b2", "b")
    order = slots.admit()
    slots.offer("a2", "a")
    for _ in range(3):
        slots.release()
        order += slots.admit()

    assert order == ["a1", "b1", "a2", "b2"]


def test_jobs_that_are_withdrawn() -> None:
    """What waits can be taken out whole; what runs goes on and gives its slot back."""
    slots: Slots[str] = Slots("x", 1)
    for job, lane in (("a1", "a"), ("a2", "a"), ("b1", "b")):
        slots.offer(job, lane)
    slots.admit()

    assert sorted(slots.withdraw(lambda _: True)) == ["a2", "b1"]
    assert (slots.busy, slots.waiting) == (1, 0)
    slots.release()
    assert slots.admit() == []


def test_a_slot_that_nobody_has() -> None:
    """Giving back more than was taken is a mistake of ours and said at once."""
    with pytest.raises(RuntimeError, match="<Slots x 0/1 busy, 0 waiting>: more slots released than taken"):
        Slots("x", 1).release()
