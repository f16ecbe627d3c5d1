"""Who is next at one endpoint: the window of exports that a client may have in progress.

The API lets a client have a few exports in progress per endpoint (5 by default, officially) and counts them over all
profiles. A slot is taken before the POST and given back when the terminal status is seen. Waiting jobs stand in lanes,
one for each ``lane`` value (an account), and lanes take turns, so that no account starves behind a larger one. All is
decided synchronously: :meth:`Slots.admit` returns who may start, and the caller starts them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Waiting = TypeVar("Waiting")


class Slots(Generic[Waiting]):
    """The slots of one (client id, region, endpoint). ``name`` is for people."""

    def __init__(self, name: str, capacity: int) -> None:
        self._name = name
        self._capacity = capacity
        self._busy = 0
        self._lanes: dict[Hashable, deque[Waiting]] = {}
        self._turns: deque[Hashable] = deque()

    @property
    def capacity(self) -> int:
        """How many exports may be in progress."""
        return self._capacity

    @property
    def busy(self) -> int:
        """How many slots are taken."""
        return self._busy

    @property
    def waiting(self) -> int:
        """How many jobs wait for a slot."""
        return sum(map(len, self._lanes.values()))

    def offer(self, job: Waiting, lane: Hashable, *, first: bool = False) -> None:
        """Let ``job`` wait in ``lane``: at its end, or at its front when it has been here before."""
        queue = self._lanes.get(lane)
        if queue is None:
            queue = self._lanes[lane] = deque()
            self._turns.append(lane)
        if first:
            queue.appendleft(job)
        else:
            queue.append(job)

    def admit(self) -> list[Waiting]:
        """Give every free slot to a waiting job and return those jobs, in the order in which they are to start."""
        admitted: list[Waiting] = []
        while self._turns and self._busy < self._capacity:
            admitted.append(self._next())
            self._busy += 1
        return admitted

    def release(self) -> None:
        """A slot is free again: its export ended, or never came to be."""
        if self._busy == 0:
            raise RuntimeError(f"{self!r}: more slots released than taken")
        self._busy -= 1

    def withdraw(self, whose: Callable[[Waiting], bool]) -> list[Waiting]:
        """Take the waiting jobs out again that ``whose`` is true of, and return them: none of them will start."""
        left: list[Waiting] = []
        for lane in list(self._turns):
            queue = self._lanes.pop(lane)
            left += filter(whose, queue)
            if staying := deque(job for job in queue if not whose(job)):
                self._lanes[lane] = staying
            else:
                self._turns.remove(lane)
        return left

    def _next(self) -> Waiting:
        lane = self._turns.popleft()
        queue = self._lanes[lane]
        job = queue.popleft()
        if queue:
            self._turns.append(lane)
        else:
            del self._lanes[lane]
        return job

    def __repr__(self) -> str:
        return f"<Slots {self._name} {self._busy}/{self._capacity} busy, {self.waiting} waiting>"
