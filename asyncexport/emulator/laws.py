"""How long the server takes over an export: a law, drawn per export from the seed, in seconds.

A draw depends on the seed, the profile, the entity and how many exports of these two came before, and on nothing else:
in whatever order a client asks, the same question takes the same time. Observed: below a second for tiny
accounts, 10 to 30 s as a rule, minutes in the tail, 15 minutes at the 99th percentile of what is promised.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from typing import Protocol


class Law(Protocol):
    """A distribution of seconds. ``subject`` names profile and entity; ``turn`` counts the exports of this subject."""

    def seconds(self, seed: int, subject: str, turn: int) -> float: ...


@dataclass(frozen=True, slots=True)
class Constant:
    """Every export takes the same time."""

    value: float

    def seconds(self, seed: int, subject: str, turn: int) -> float:  # noqa: ARG002
        """Return the constant."""
        return self.value


@dataclass(frozen=True, slots=True)
class LogNormal:
    """The logarithm of the time is normal: ``median`` in seconds, ``sigma`` the spread of the logarithm.

    ``habit`` is the share of that spread which belongs to the subject rather than to the single export: 0 makes every
    draw anew, 0.99 lets the same profile and entity take nearly the same time every night.
    """

    median: float = 15.0
    sigma: float = 1.0
    habit: float = 0.0

    def seconds(self, seed: int, subject: str, turn: int) -> float:
        """Draw one time."""
        own = Random(f"{seed}/{subject}/{turn}").gauss(0.0, 1.0)
        usual = Random(f"{seed}/{subject}").gauss(0.0, 1.0) if self.habit else 0.0
        return self.median * math.exp(self.sigma * (math.sqrt(self.habit) * usual + math.sqrt(1 - self.habit) * own))
