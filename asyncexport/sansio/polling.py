"""When to look at an export again.

Small exports are ready in under a second (captured: 0.5 to 0.8 s), typical ones in 10 to 30 s, giants take many
minutes. So the first look comes early, and the distance to the next one grows with the time already waited: looks are
then spread evenly over the logarithm of the generation time, and an export is noticed late by at most about a fifth
of the time it took, never by more than ``longest``. A little jitter keeps exports that were requested together from
being looked at together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from asyncexport.sansio.backoff import Spread


@dataclass(frozen=True, slots=True)
class Schedule:
    """Delays between looks, in seconds: ``first``, then ``growth`` times the one before, at most ``longest``.

    ``jitter`` is the part of each delay that is drawn at random: 0.1 means from 0.95 to 1.05 of it.
    """

    first: float = 0.5
    growth: float = 1.25
    longest: float = 15.0
    jitter: float = 0.1

    def delays(self, spread: Spread) -> Iterator[float]:
        """Yield the delay before each look, without end."""
        delay = self.first
        while True:
            yield delay * (1.0 + self.jitter * (spread() - 0.5))
            delay = min(self.longest, delay * self.growth)
