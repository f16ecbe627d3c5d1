"""Who is next among the jobs that wait at one endpoint.

Jobs stand in lanes, one for each ``lane`` value (an account), and lanes take turns, so that no account starves behind a
larger one. Within a lane the lowest *rank* is next. What has been asked for before comes first, the oldest first, since
the server gives an export up after a day. The others follow by ``arrival - 10 * expected`` seconds: of jobs that came
together the longest is first, so that no giant is left for the end (Graham's longest-first rule, 1969), and a job that
came earlier is passed only by those that take longer, for at most ten times as long as they take: nobody starves.

The key of a job never changes, so a lane is a heap: a job comes and goes in O(log n).
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Hashable
from itertools import count
from typing import Generic, TypeAlias, TypeVar

Waiting = TypeVar("Waiting")

Rank: TypeAlias = tuple[int, float]
"""What stands before what: lower is earlier."""

_AHEAD = 10.0


def asked_before(asked_at: float) -> Rank:
    """Return the rank of a job that was first asked for at ``asked_at``, in the clock's seconds."""
    return (0, asked_at)


def fresh(arrived_at: float, expected: float) -> Rank:
    """Return the rank of a job that came at ``arrived_at`` and is thought to take ``expected`` seconds."""
    return (1, arrived_at - _AHEAD * expected)


class Lanes(Generic[Waiting]):
    """Waiting jobs; ``len()`` of them. Equal ranks keep the order in which they came."""

    def __init__(self) -> None:
        self._lanes: dict[Hashable, list[tuple[Rank, int, Waiting]]] = {}
        self._turns: deque[Hashable] = deque()
        self._numbers = count()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def offer(self, job: Waiting, lane: Hashable, rank: Rank) -> None:
        """Let ``job`` wait in ``lane``."""
        queue = self._lanes.get(lane)
        if queue is None:
            queue = self._lanes[lane] = []
            self._turns.append(lane)
        heapq.heappush(queue, (rank, next(self._numbers), job))
        self._length += 1

    def take(self) -> Waiting:
        """Return the next job, which waits no longer. Raises ``IndexError`` if none waits."""
        lane = self._turns.popleft()
        queue = self._lanes[lane]
        _, _, job = heapq.heappop(queue)
        self._length -= 1
        if queue:
            self._turns.append(lane)
        else:
            del self._lanes[lane]
        return job

    def withdraw(self, whose: Callable[[Waiting], bool]) -> list[Waiting]:
        """Take the jobs out that ``whose`` is true of, and return them."""
        left: list[Waiting] = []
        for lane in list(self._turns):
            queue = self._lanes.pop(lane)
            left += [job for _, _, job in queue if whose(job)]
            if staying := [entry for entry in queue if not whose(entry[2])]:
                heapq.heapify(staying)
                self._lanes[lane] = staying
            else:
                self._turns.remove(lane)
        self._length -= len(left)
        return left

    def __repr__(self) -> str:
        return f"<Lanes {self._length} waiting in {len(self._turns)}>"
