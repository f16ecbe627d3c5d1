"""A server with a cap that moves and the client's slots before it, played event by event without a loop.

The server refuses beyond its cap, and beside that a share of everything by chance; the client sees ends late. What the
client does with a refusal is what the engine does: the cap's sends the job back to the front at once, the rate's after
a rest.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from random import Random

from asyncexport.sansio.pacing.chance import Chance
from asyncexport.sansio.scheduling.lanes import asked_before, fresh
from asyncexport.sansio.scheduling.slots import Slots
from asyncexport.sansio.scheduling.window import Window

LATENCY = 0.05
LOOK = 2.0


@dataclass
class Play:
    """One endpoint through a night.

    ``cap`` of the time; ``law`` draws seconds; ``chance`` of a 429 for any call. Each job has a profile of its own,
    unless there are only so many ``profiles``.
    """

    cap: Callable[[float], int]
    told: int | None = None
    law: Callable[[Random], float] = lambda random: random.lognormvariate(2.708, 1.0)
    chance: float = 0.0
    exact: bool = True
    jobs: int = 1000
    profiles: int | None = None
    seed: int = 1
    refusals: list[float] = field(default_factory=list)
    by_chance: int = 0
    ended_at: float = 0.0
    most: int = 0
    work: float = 0.0
    limits: list[tuple[float, int]] = field(default_factory=list)

    def run(self) -> Play:
        """Play until every job is done."""
        self._random = Random(self.seed)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._now = 0.0
        self._running: list[float] = []
        self._done = 0
        self._ask_at: dict[int, float] = {}
        self._heard = Chance()
        self.slots: Slots[int] = Slots("play", Window(self.told, self._heard))
        for job in range(self.jobs):
            self.slots.offer(job, "lane", fresh(0.0, 0.0))
        self._admit()
        while self._done < self.jobs:
            self._now, _, act = heapq.heappop(self._events)
            act()
        self.ended_at = self._now
        return self

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self._now + seconds, next(self._numbers), act))

    def _admit(self) -> None:
        for job in self.slots.admit(self._now):
            self._later(LATENCY / 2, lambda job=job: self._post(job))  # type: ignore[misc]
        self.limits.append((self._now, self.slots.capacity))
        moment = self.slots.next_moment(self._now)
        if moment is not None:
            self._later(moment - self._now, self._admit)

    def _post(self, job: int) -> None:
        """Answer on the server's side."""
        self._running = [end for end in self._running if end > self._now]
        if self._random.random() < self.chance:
            self.by_chance += 1
            self._later(LATENCY / 2, lambda: self._refused(job))
        elif len(self._running) >= self.cap(self._now):
            self.refusals.append(self._now)
            self._later(LATENCY / 2, lambda: self._refused(job))
        else:
            seconds = self.law(self._random)
            self._running.append(self._now + seconds)
            self.work += seconds
            self.most = max(self.most, len(self._running))
            self._later(LATENCY / 2, lambda: self._accepted(job, self._now + seconds))

    def _accepted(self, job: int, end: float) -> None:
        self.slots.accepted(job)
        seen = end + self._random.random() * min(LOOK, 0.1 * (end - self._now))
        for _ in range(8):
            self._heard.heard(throttled=self._random.random() < self.chance)
        self._later(seen - self._now, lambda: self._seen(job, end if self.exact else float("inf")))
        self._admit()

    def _seen(self, job: int, end: float) -> None:
        self.slots.release(job, end)
        self._done += 1
        self._admit()

    def _refused(self, job: int) -> None:
        rest = 0.0 if self.slots.refused(job, job % (self.profiles or self.jobs), self._now) else self._random.random()
        self._later(rest, lambda: self._back(job))
        self._admit()

    def _back(self, job: int) -> None:
        self.slots.offer(job, "lane", asked_before(0.0))
        self._admit()
