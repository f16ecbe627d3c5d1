"""What listeners that measure have in common: they disturb nobody, and they forget.

Contract: whatever goes wrong in a :class:`Quiet` listener stays in it; the first time it is logged. :class:`Moments`
knows when things began that are under way, and forgets after a day what was never told to have ended: a run that is
left tells no end.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

from asyncexport.events import Event

DAY: Final = 24 * 3600.0

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

_log = logging.getLogger("asyncexport")


class Quiet(ABC):
    """A :data:`asyncexport.ports.Listener` that raises nothing."""

    _has_failed = False

    def __call__(self, event: Event) -> None:
        """Take an event."""
        try:
            self._listen(event)
        except Exception as error:  # noqa: BLE001  whatever a meter raises, exports go on
            if not self._has_failed:
                self._has_failed = True
                _log.warning("%s fails at %s: %s", type(self).__name__, event.name, type(error).__name__)

    @abstractmethod
    def _listen(self, event: Event) -> None: ...


class Moments(Generic[Key, Value]):
    """What is under way, each with the moment, in seconds, at which it began; a day later it is forgotten."""

    def __init__(self) -> None:
        self._begun: dict[Key, tuple[float, Value]] = {}

    def __len__(self) -> int:
        return len(self._begun)

    def begin(self, key: Key, now: float, value: Value) -> list[Value]:
        """Note that something begins; what began before is over. Return what has been forgotten by that."""
        self._begun.pop(key, None)
        self._begun[key] = (now, value)
        old = []
        while now - (oldest := next(iter(self._begun.items())))[1][0] > DAY:
            old.append(oldest[1][1])
            del self._begun[oldest[0]]
        return old

    def end(self, key: Key) -> tuple[float, Value] | None:
        """Note that something is over; return when it began and what it is, None if that is not known."""
        return self._begun.pop(key, None)
