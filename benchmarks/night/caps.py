"""How many exports a client may have in progress, as a function of time: a staircase."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise


class Cap:
    """A cap that moves: ``steps`` are (second, slots from then on), the first at second 0. Callable with a time."""

    def __init__(self, *steps: tuple[float, int]) -> None:
        if not steps or steps[0][0] != 0.0 or any(one[0] >= other[0] for one, other in pairwise(steps)):
            raise ValueError("a cap begins at second 0 and its steps follow each other")
        self.steps = steps
        self._from = [second for second, _ in steps]

    @classmethod
    def parse(cls, text: str) -> Cap:
        """Read ``5`` or ``5,3@1800,8@7200``. Raises ``ValueError``."""
        steps = [step.partition("@") for step in text.split(",")]
        return cls(*((float(second or 0.0), int(slots)) for slots, _, second in steps))

    def __call__(self, now: float) -> int:
        """Return the cap at a time."""
        return self.steps[bisect_right(self._from, now) - 1][1]

    @property
    def highest(self) -> int:
        """The most it ever is."""
        return max(slots for _, slots in self.steps)

    @property
    def moves(self) -> int:
        """How often it changes."""
        return len(self.steps) - 1

    def end_of(self, work: float, began: float, *, away: tuple[float, float] = (0.0, 0.0)) -> float:
        """Return when ``work`` slot-seconds begun at ``began`` are done at the earliest.

        From ``away[0]`` to ``away[1]`` nothing is done at all.
        """
        ends = [*self._from[1:], away[0], away[1], float("inf")]
        now = began
        for end in sorted(end for end in ends if end > began):
            slots = 0 if away[0] <= now < away[1] else self(now)
            if work <= slots * (end - now) and slots:
                return now + work / slots
            work -= slots * (end - now)
            now = end
        raise AssertionError("a cap is never 0 for ever")

    def slot_seconds(self, began: float, ended: float) -> float:
        """Return the slots between two moments, added up over time."""
        ends = [end for end in self._from if began < end < ended]
        return sum(self(start) * (end - start) for start, end in pairwise([began, *ends, ended]))

    def __str__(self) -> str:
        first, *rest = self.steps
        return ",".join([str(first[1]), *(f"{slots}@{second:g}" for second, slots in rest)])

    def __repr__(self) -> str:
        return f"Cap.parse({str(self)!r})"


def stairs(times: Sequence[tuple[float, int]]) -> list[tuple[float, int]]:
    """Turn (time, +1 or -1) events into (time, level) steps, one for each moment at which something changed."""
    level = 0
    steps: list[tuple[float, int]] = []
    for time, change in sorted(times):
        level += change
        if steps and steps[-1][0] == time:
            steps[-1] = (time, level)
        else:
            steps.append((time, level))
    return steps
