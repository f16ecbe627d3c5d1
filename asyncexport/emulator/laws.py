"""How long the server takes over an export: a law, drawn per export from the seed, in seconds.

A draw depends on the seed, the profile, the entity and how many exports of these two came before, and on nothing else:
in whatever order a client asks, the same question takes the same time. Observed: below a second for tiny
accounts, 10 to 30 s as a rule, minutes in the tail, 15 minutes at the 99th percentile of what is promised.

Every law but the constant is a function of one standard normal number, of which the share ``habit`` (of its variance)
belongs to the subject rather than to the single export: 0 makes every draw anew, 0.96 lets the same profile and entity
take the same time every night to within a factor of about e^(0.2 sigma).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from random import Random
from statistics import NormalDist
from typing import Protocol

_STANDARD = NormalDist()


class Law(Protocol):
    """A distribution of seconds. ``subject`` names profile and entity; ``turn`` counts the exports of this subject."""

    def seconds(self, seed: int, subject: str, turn: int) -> float: ...


class Habitual(Law, Protocol):
    """A law under which a subject has its usual time."""

    def usual(self, seed: int, subject: str) -> float:
        """Return what the subject takes as a rule: all that earlier nights could teach of the next one."""
        ...


@dataclass(frozen=True, slots=True)
class Constant:
    """Every export takes the same time."""

    value: float

    def seconds(self, seed: int, subject: str, turn: int) -> float:  # noqa: ARG002
        """Return the constant."""
        return self.value

    def usual(self, seed: int, subject: str) -> float:  # noqa: ARG002
        """Return the constant."""
        return self.value


class _Shaped(ABC):
    """A law that is ``_of`` a standard normal number."""

    __slots__ = ()
    habit: float

    def seconds(self, seed: int, subject: str, turn: int) -> float:
        """Draw one time."""
        own = Random(f"{seed}/{subject}/{turn}").gauss(0.0, 1.0)
        return self._of(self._custom(seed, subject) + math.sqrt(1 - self.habit) * own)

    def usual(self, seed: int, subject: str) -> float:
        """Return the time without what is the single export's own."""
        return self._of(self._custom(seed, subject))

    def _custom(self, seed: int, subject: str) -> float:
        return math.sqrt(self.habit) * Random(f"{seed}/{subject}").gauss(0.0, 1.0) if self.habit else 0.0

    @abstractmethod
    def _of(self, deviate: float) -> float: ...


@dataclass(frozen=True, slots=True)
class LogNormal(_Shaped):
    """The logarithm of the time is normal: ``median`` in seconds, ``sigma`` the spread of the logarithm."""

    median: float = 15.0
    sigma: float = 1.0
    habit: float = 0.0

    def _of(self, deviate: float) -> float:
        return self.median * math.exp(self.sigma * deviate)


@dataclass(frozen=True, slots=True)
class Bimodal(_Shaped):
    """Small accounts and large ones: a ``share`` takes about ``large`` seconds, the others about ``small``.

    ``sigma`` is the spread of the logarithm within each.
    """

    small: float = 1.0
    large: float = 120.0
    share: float = 0.2
    sigma: float = 0.2
    habit: float = 0.0

    def _of(self, deviate: float) -> float:
        place = _STANDARD.cdf(deviate)
        is_large = place >= 1.0 - self.share
        centre, low, width = (
            (self.large, 1.0 - self.share, self.share) if is_large else (self.small, 0.0, 1 - self.share)
        )
        within = min(max((place - low) / width, 1e-9), 1.0 - 1e-9)
        return centre * math.exp(self.sigma * _STANDARD.inv_cdf(within))


@dataclass(frozen=True, slots=True)
class Pareto(_Shaped):
    """A heavy tail: of the times above ``least`` seconds, the share above ``t`` is ``(least / t) ** alpha``.

    None is above ``longest``. At an ``alpha`` of 1.5 one export in a thousand takes a hundred times the least.
    """

    least: float = 8.0
    alpha: float = 1.5
    longest: float = 1500.0
    habit: float = 0.0

    def _of(self, deviate: float) -> float:
        beyond = max(_STANDARD.cdf(-deviate), 1e-12)
        return float(min(self.longest, self.least * beyond ** (-1.0 / self.alpha)))
