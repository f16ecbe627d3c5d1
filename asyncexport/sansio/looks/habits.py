"""What is remembered of a job from night to night, and how it fades.

An export takes about as long tonight as it took last night, and what differs between nights differs by factors. So the
*logarithm* of the seconds is kept, as a weighted mean in which the newest night counts for half: one odd night moves
what is expected by the square root of its oddness, and half of that is gone after each night that follows.

A job that was too large for one export begins the next night in the parts it was last taken in, so that the server's
long way to ``TIMED_OUT`` is gone once. Being too large may pass (a client tidies up, the server gets faster), so after
every fourteenth night in parts the job is asked for whole: if that is made, the split is forgotten; if it times out the
job is cut anew. So a split that is no longer needed lasts two weeks at most, and one that is costs one export in vain
every two weeks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from asyncexport.models import Filters
from asyncexport.notes import Committed, Habit, Note, Split

NIGHTS_IN_PARTS = 14
"""After so many nights in parts a job is asked for whole again."""

LONGEST_SECONDS = 86_400.0
"""What takes longer was not measured but waited for: the API keeps an export for a day."""

LARGEST_LOG = math.log(LONGEST_SECONDS)
"""The logarithms that are kept lie between this and its negative, some ten microseconds: nothing measured is less."""

_NEWEST = 0.5


@dataclass(frozen=True, slots=True)
class Memory:
    """What is kept of one job. ``nights``: how many it was learned from, or has been split for, where it is split."""

    log_seconds: float | None = None
    nights: int = 0
    split: tuple[Filters, ...] = ()

    @property
    def habit(self) -> Habit:
        """What tonight's run is told."""
        seconds = None if self.log_seconds is None else math.exp(self.log_seconds)
        whole_again = self.nights > 0 and self.nights % NIGHTS_IN_PARTS == 0
        return Habit(seconds, self.nights, () if whole_again else self.split)

    def after(self, note: Note) -> Memory:
        """Return what is kept after a note about the job."""
        match note:
            case Committed(seconds=float() | int() as seconds) if 1 / LONGEST_SECONDS <= seconds <= LONGEST_SECONDS:
                return Memory(self._mean(math.log(seconds)), (0 if self.split else self.nights) + 1)
            case Committed() if self.split:
                return replace(self, nights=self.nights + 1)
            case Split(parts=parts):
                return replace(self, nights=self.nights if self.split else 0, split=parts)
        return self

    def _mean(self, newest: float) -> float:
        return newest if self.log_seconds is None else self.log_seconds + _NEWEST * (newest - self.log_seconds)
