"""When to look at an export again: what is asked of whoever decides it, and the simplest answer.

The API never says when an export will be ready. Each look costs a request, each second between "ready" and "seen" costs
a slot. A :class:`Polling` decides between the two for one client and region; a :class:`Watch` does for one export.

:class:`Schedule` learns nothing: the first look comes early, and the distance to the next one grows with the time
already waited. Looks are then spread evenly over the logarithm of the generation time, and an export is noticed late by
at most about a fifth of the time it took, never by more than ``longest``. A little jitter keeps exports that were
requested together from being looked at together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from asyncexport.sansio.pacing.backoff import Spread

_USUAL_SECONDS = 25.0
_LONG_SECONDS = 200.0


@dataclass(frozen=True, slots=True)
class Ending:
    """What was seen of an export's end: it came between two ages, and ``exactly`` when by the server's own clock."""

    after: float
    by: float
    exactly: float | None = None

    @property
    def age(self) -> float:
        """The age at which it ended: what the server says, as far as it agrees with what was seen."""
        if self.exactly is None:
            return (self.after + self.by) / 2
        return min(self.by, max(self.after, self.exactly))


class Watch(Protocol):
    """The looks at one export. Ages are in seconds since its request was answered."""

    def next_look(self, age: float) -> float:
        """Return the age at which to look next, later than ``age``."""
        ...

    def ended(self, ending: Ending) -> None:
        """Say that it was seen to have ended."""
        ...

    def close(self) -> None:
        """Say that nobody looks any more, whether it ended or not."""
        ...


class Polling(Protocol):
    """Decides when exports are looked at. ``remembered`` is how long the same one took on earlier nights, if known."""

    def begin(self, endpoint: str, remembered: float | None, spread: Spread) -> Watch:
        """Watch an export that was just asked for."""
        ...

    def expected(self, endpoint: str, remembered: float | None) -> float:
        """Return how many seconds an export takes on average."""
        ...

    def surely_over(self, endpoint: str) -> float:
        """Return after how many seconds nearly every export (99.5 %) has ended."""
        ...


@dataclass(frozen=True, slots=True)
class Schedule:
    """Delays between looks, in seconds: ``first``, then ``growth`` times the one before, at most ``longest``.

    ``jitter`` is the part of each delay that is drawn at random: 0.1 means from 0.95 to 1.05 of it. A
    :class:`Polling` that learns nothing.
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

    def begin(self, endpoint: str, remembered: float | None, spread: Spread) -> Watch:  # noqa: ARG002
        """Watch an export: whatever it is, by the same delays."""
        return _Scheduled(self.delays(spread))

    def expected(self, endpoint: str, remembered: float | None) -> float:  # noqa: ARG002
        """Return what is remembered, or what exports usually take."""
        return _USUAL_SECONDS if remembered is None else remembered

    def surely_over(self, endpoint: str) -> float:  # noqa: ARG002
        """Return a time that few exports take."""
        return _LONG_SECONDS


class _Scheduled:
    """A watch that follows fixed delays."""

    def __init__(self, delays: Iterator[float]) -> None:
        self._delays = delays

    def next_look(self, age: float) -> float:
        return age + next(self._delays)

    def ended(self, ending: Ending) -> None:
        """Learn nothing."""

    def close(self) -> None:
        """Hold nothing."""
