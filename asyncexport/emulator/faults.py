"""One fault of a plan: where it waits, what a call must match, and which words then happen.

It reads and prints as one line, ``STAGE CONDITIONS: WORDS``; :mod:`asyncexport.emulator.weather` says what that means.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from asyncexport.emulator.records.words import ANY, RANGED, READY, STAGES, Word, parse_word
from asyncexport.models import Entity


@dataclass(frozen=True, slots=True)
class Call:
    """What the server knows of a call that is about to succeed; ``now`` is the time on its clock."""

    stage: str
    profile_id: str = ""
    entity: Entity | None = None
    now: float = 0.0
    ready: bool = False
    ranged: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """One line of a plan."""

    stage: str
    words: tuple[Word, ...]
    profile_id: str | None = None
    entity: Entity | None = None
    nth: int = 1
    times: int = 1
    every: int = 0
    until: float = math.inf

    @classmethod
    def parse(cls, line: str) -> Fault:
        """Read one line. Raises ``ValueError`` that says what is wrong with it."""
        head, colon, tail = line.partition(": ")
        stage, *conditions = head.split() or [""]
        if not colon or stage not in STAGES:
            raise ValueError(
                f"weather: {line!r} does not read 'STAGE CONDITIONS: WORDS' with one of {', '.join(STAGES)}"
            )
        words = tuple(parse_word(word, stage) for word in tail.split())
        if not words:
            raise ValueError(f"weather: {line!r} says no word of what happens")
        return cls(stage, words, **_conditions(conditions))

    @classmethod
    def of(cls, stage: str, words: str, *, profile_id: str | None = None, entity: Entity | None = None) -> Fault:
        """Make a fault for the first matching call."""
        return cls(stage, tuple(parse_word(word, stage) for word in words.split()), profile_id, entity)

    def __str__(self) -> str:
        parts = [self.stage]
        if self.profile_id is not None:
            parts.append(f"profile={self.profile_id}")
        if self.entity is not None:
            parts.append(f"entity={self.entity.value}")
        parts += [f"{name}={value}" for name, value in self._turns() if value]
        if self.until < math.inf:
            parts.append(f"until={self.until:g}")
        return f"{' '.join(parts)}: {' '.join(map(str, self.words))}"

    def _turns(self) -> list[tuple[str, int]]:
        if self.every:
            return [("every", self.every)]
        return [("nth", self.nth if self.nth > 1 else 0), ("times", self.times if self.times > 1 else 0)]

    def fits(self, call: Call) -> bool:
        """Whether the call comes in time and is of the sort that all its words need."""
        if call.now >= self.until:
            return False
        have = {ANY, READY if call.ready else ANY, RANGED if call.ranged else ANY}
        return all(word.needs in have for word in self.words)


def _conditions(texts: Iterable[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in texts:
        name, _, value = text.partition("=")
        if name == "profile" and value:
            found["profile_id"] = value
        elif name == "entity" and value in frozenset(Entity):
            found["entity"] = Entity(value)
        elif name in {"nth", "times", "every"} and value.isdecimal() and int(value) > 0:
            found[name] = int(value)
        elif name == "until" and value.isdecimal():
            found["until"] = float(value)
        else:
            known = "profile=ID, entity=NAME, nth=K, times=N, every=K, until=SECONDS"
            raise ValueError(f"weather: {text!r} is none of {known}")
    return found
