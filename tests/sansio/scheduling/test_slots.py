"""Who has a slot at one endpoint, and who is next."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from asyncexport.sansio.scheduling.lanes import Rank
from asyncexport.sansio.scheduling.slots import Slots
from asyncexport.sansio.scheduling.window import Window
from tests.support import steady

ANY: Rank = (1, 0.0)


def told(capacity: int) -> Slots[str]:
    """Return so many slots, which is known."""
    return Slots("x", Window(capacity, lambda: 0.001))


class SlotsInAnyOrder(RuleBasedStateMachine):
    """Offers, admissions, answers, releases and withdrawals in any order, beside a plain account of them."""

    def __init__(self) -> None:
        super().__init__()
        self.slots: Slots[int] = Slots("campaigns@NA", Window(3, lambda: 0.001))
        self.now = 0.0
        self.offered = 0
        self.left: Counter[int] = Counter()
        self.asking: list[int] = []
        self.running: list[int] = []

    @rule(lane=st.sampled_from("abc"), before=st.booleans())
    def offer(self, lane: str, before: bool) -> None:
        self.slots.offer(self.offered, lane, (int(not before), self.now))
        self.offered += 1

    @rule(seconds=st.sampled_from([0.0, 0.1, 100.0]))
    def admit(self, seconds: float) -> None:
        self.now += seconds
        admitted = self.slots.admit(self.now)
        self.asking += admitted
        self.left.update(admitted)

    @precondition(lambda self: self.asking)
    @rule(how=st.sampled_from(["accepted", "adopted", "refused", "lost", "released"]))
    def answer(self, how: str) -> None:
        job = self.asking.pop(0)
        if how == "refused":
            self.slots.refused(job, job, self.now)
        elif how == "lost":
            self.slots.lost(job, job, self.now + 50.0)
        elif how == "released":
            self.slots.release(job)
        else:
            self.slots.accepted(job) if how == "accepted" else self.slots.adopted(job)
            self.running.append(job)

    @precondition(lambda self: self.running)
    @rule(ago=st.sampled_from([0.0, 1.0, float("-inf")]))
    def release(self, ago: float) -> None:
        self.slots.release(self.running.pop(), self.now - ago)

    @precondition(lambda self: self.running)
    @rule(seconds=st.sampled_from([0.0, 50.0]))
    def forsake(self, seconds: float) -> None:
        job = self.running.pop()
        self.slots.forsake(job, str(job), self.now + seconds)

    @precondition(lambda self: self.running)
    @rule()
    def ask_again(self) -> None:
        job = self.running.pop()
        self.slots.asks(job, self.now)
        self.asking.append(job)

    @rule()
    def withdraw(self) -> None:
        self.left.update(self.slots.withdraw(lambda _: True))
        assert self.slots.waiting == 0

    @invariant()
    def no_job_is_lost_or_doubled(self) -> None:
        assert max(self.left.values(), default=1) == 1
        assert len(self.left) + self.slots.waiting == self.offered

    @invariant()
    def the_capacity_is_kept(self) -> None:
        taken = len(self.asking) + len(self.running)
        assert taken <= self.slots.busy <= 3
        assert 1 <= self.slots.capacity <= 3


TestSlotsInAnyOrder = SlotsInAnyOrder.TestCase
TestSlotsInAnyOrder.settings = settings(steady, max_examples=60, stateful_step_count=40)


def test_more_jobs_than_slots() -> None:
    """As many start as there are slots, in the order in which they came; the next one when a slot is given back."""
    slots = told(2)
    for job in "abcd":
        slots.offer(job, "lane", ANY)

    assert slots.admit(0.0) == ["a", "b"]
    assert slots.admit(0.0) == []
    slots.release("a")
    assert slots.admit(0.0) == ["c"]
    assert (slots.capacity, slots.busy, slots.waiting) == (2, 2, 1)
    assert repr(slots) == "<Slots x 2/2 busy, 1 waiting>"


def test_jobs_that_are_withdrawn() -> None:
    """What waits can be taken out whole; what runs goes on and gives its slot back."""
    slots = told(1)
    for job, lane in (("a1", "a"), ("a2", "a"), ("b1", "b")):
        slots.offer(job, lane, ANY)
    slots.admit(0.0)

    assert sorted(slots.withdraw(lambda _: True)) == ["a2", "b1"]
    assert (slots.busy, slots.waiting) == (1, 0)
    slots.release("a1")
    assert slots.admit(0.0) == []


def test_a_slot_that_nobody_has() -> None:
    """Giving back more than was taken is a mistake of ours and said at once."""
    with pytest.raises(RuntimeError, match="<Slots x 0/1 busy, 0 waiting>: a slot is given back that was not taken"):
        told(1).release("a")


def test_an_orphan_keeps_the_slot_until_it_must_have_ended() -> None:
    """The server may be making the export whose answer was lost, so nobody else is asked for in its place."""
    slots = told(2)
    for job in "abc":
        slots.offer(job, "lane", ANY)
    slots.admit(0.0)
    slots.accepted("a")
    slots.lost("b", "b", until=200.0)

    assert (slots.admit(199.0), slots.busy, slots.next_moment(199.0)) == ([], 2, 200.0)
    assert slots.admit(200.0) == ["c"]
    assert slots.next_moment(200.0) is None


def test_an_export_that_nobody_watches_keeps_its_slot() -> None:
    """Also the last one: it is in progress for certain, and one more would be refused."""
    slots = told(1)
    for job in "ab":
        slots.offer(job, "lane", ANY)
    slots.admit(0.0)
    slots.accepted("a")
    slots.forsake("a", "e-1", until=200.0)

    assert (slots.admit(199.0), slots.busy, slots.next_moment(199.0)) == ([], 1, 200.0)
    assert slots.admit(200.0) == ["b"]


def test_an_export_that_is_looked_at_keeps_its_slot() -> None:
    """No time ends that; when nobody looks any more it has what it had, or more, and whoever has no slot gets none."""
    slots = told(1)
    for job in "ab":
        slots.offer(job, "lane", ANY)
    slots.admit(0.0)
    slots.accepted("a")
    slots.forsake("a", "e-1", until=200.0)
    for export_id in ("e-1", "e-2"):
        slots.seen(export_id)

    assert (slots.admit(300.0), slots.busy, slots.next_moment(300.0)) == ([], 1, float("inf"))
    for export_id in ("e-1", "e-2"):
        slots.unseen(export_id, until=400.0)
    assert (slots.admit(399.0), slots.busy, slots.next_moment(399.0)) == ([], 1, 400.0)
    assert slots.admit(400.0) == ["b"]


def test_a_job_takes_the_slot_of_its_export_over() -> None:
    """Once, and only the one of that export."""
    slots = told(2)
    slots.offer("a", "lane", ANY)
    slots.admit(0.0)
    slots.accepted("a")
    slots.forsake("a", "e-1", until=200.0)

    assert [slots.take_over("b", export_id, 10.0) for export_id in ("e-2", "e-1", "e-1")] == [False, True, False]
    assert slots.busy == 1
    slots.release("b")
    assert slots.busy == 0


def test_orphans_leave_one_slot() -> None:
    """However many there may be, somebody is asked for."""
    slots = told(3)
    slots.offer("a", "lane", ANY)
    for whose in range(7):
        slots.orphaned(whose, until=100.0)

    assert slots.busy == 2
    assert slots.admit(0.0) == ["a"]


def test_an_orphan_that_is_told_of_again() -> None:
    """Every run may find it in the journal: it is one all the same. Requests that were lost are as many as they are."""
    slots = told(9)
    for job in "abc":
        slots.offer(job, "lane", ANY)
    slots.admit(0.0)
    for job in "ab":
        slots.lost(job, "mine", until=100.0)
    for whose in ("mine", "other", "other"):
        slots.orphaned(whose, until=100.0)
    assert slots.busy == 4


def test_a_cap_that_is_not_known_is_tried_one_by_one() -> None:
    """Beyond what was accepted there is one request at a time, and the next goes out at once when it was accepted."""
    slots: Slots[str] = Slots("x", Window(None, lambda: 0.001))
    for job in "abcdefgh":
        slots.offer(job, "lane", ANY)
    admitted = []
    for _ in range(6):
        (job,) = slots.admit(0.0)
        admitted.append(job)
        assert slots.admit(0.0) == []
        slots.accepted(job)
    (job,) = slots.admit(0.0)

    assert slots.refused(job, "profile", 0.1)
    assert (slots.capacity, slots.busy, slots.admit(0.1)) == (6, 6, [])
    slots.release(admitted[0], ended_at=1.0)
    assert len(slots.admit(1.0)) == 1


def test_a_slot_beyond_what_is_known_that_is_given_back_unanswered() -> None:
    """The next one tries."""
    slots: Slots[str] = Slots("x", Window(None, lambda: 0.001))
    for job in "abc":
        slots.offer(job, "lane", ANY)
    slots.admit(0.0)
    slots.accepted("a")
    assert slots.admit(0.0) == ["b"]
    slots.release("b")
    assert slots.admit(0.0) == ["c"]


@steady
@given(st.lists(st.sampled_from(["accepted", "refused"]), max_size=30))
def test_a_told_number_is_never_exceeded(answers: list[str]) -> None:
    """Whatever is answered, there are never more at once than were told, and always somebody is asked."""
    slots: Slots[int] = Slots("x", Window(4, lambda: 0.001))
    now, running = 0.0, []
    for job in range(200):
        slots.offer(job, "lane", ANY)
    for answer in answers:
        admitted = slots.admit(now)
        for job in admitted:
            if answer == "accepted":
                slots.accepted(job)
                running.append(job)
            else:
                slots.refused(job, job, now)
        assert slots.busy <= 4
        if not admitted and running:
            slots.release(running.pop(), now)
        now += 61.0
    while running:
        slots.release(running.pop(), now)
    assert slots.admit(now + 61.0)
