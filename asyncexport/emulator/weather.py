"""Weather: a plan of faults, written in words, that can say afterwards whether every one of them was met.

One fault a line (or between semicolons)::

    request entity=targets nth=2: return-429 retry-after-3
    poll profile=1234567890: no-url
    download every=5: broken-after-40% no-etag
    token: reset

that is, a stage, what a call must match, and what then happens. ``nth=K`` means the K-th matching call (default the
first), ``times=N`` that one and so many in all, ``every=K`` each K-th for ever. Only calls that would otherwise have
succeeded count, so that no fault is wasted on a call that fails anyway. One fault bites a call at most: another that
was due too keeps waiting for the next. Faults are filed by stage, profile and entity, so that a call looks at those
that concern it and no others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from asyncexport.emulator.words import ANY, RANGED, READY, STAGES, Met, Word, parse_word
from asyncexport.models import Entity


@dataclass(frozen=True, slots=True)
class Call:
    """What the server knows of a call that is about to succeed."""

    stage: str
    profile_id: str = ""
    entity: Entity | None = None
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
        return f"{' '.join(parts)}: {' '.join(map(str, self.words))}"

    def _turns(self) -> list[tuple[str, int]]:
        if self.every:
            return [("every", self.every)]
        return [("nth", self.nth if self.nth > 1 else 0), ("times", self.times if self.times > 1 else 0)]

    def fits(self, call: Call) -> bool:
        """Whether the call is of the sort that all its words need."""
        have = {ANY, READY if call.ready else ANY, RANGED if call.ranged else ANY}
        return all(word.needs in have for word in self.words)


def _conditions(texts: Iterable[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in texts:
        name, _, value = text.partition("=")
        if name == "profile" and value:
            found["profile_id"] = value
        elif name == "entity" and value in set(Entity):
            found["entity"] = Entity(value)
        elif name in {"nth", "times", "every"} and value.isdecimal() and int(value) > 0:
            found[name] = int(value)
        else:
            raise ValueError(f"weather: {text!r} is none of profile=ID, entity=NAME, nth=K, times=N, every=K")
    return found


@dataclass(slots=True)
class _Waiting:
    """A fault with its two counters: calls that matched, and calls it bit."""

    place: int
    fault: Fault
    seen: int = 0
    met: int = 0

    @property
    def due(self) -> bool:
        if self.fault.every:
            return self.seen % self.fault.every == 0
        return self.seen >= self.fault.nth

    @property
    def spent(self) -> bool:
        return not self.fault.every and self.met >= self.fault.times


class Weather:
    """A plan and how far it has come. It is used up by being met: make a new one from ``str(weather)`` to replay it."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._all = [_Waiting(place, fault) for place, fault in enumerate(faults)]
        self._filed: dict[tuple[str, str | None, Entity | None], list[_Waiting]] = {}
        for waiting in self._all:
            fault = waiting.fault
            self._filed.setdefault((fault.stage, fault.profile_id, fault.entity), []).append(waiting)

    @classmethod
    def parse(cls, text: str) -> Weather:
        """Read a plan; empty lines and lines that begin with ``#`` are left out. Raises ``ValueError``."""
        lines = (
            part.strip() for line in text.splitlines() if not line.lstrip().startswith("#") for part in line.split(";")
        )
        return cls(Fault.parse(line) for line in lines if line)

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The plan, in its order."""
        return tuple(waiting.fault for waiting in self._all)

    def meet(self, call: Call) -> Met:
        """Count the call and return the words that bite it: their arguments by name, empty for fair weather."""
        bitten: _Waiting | None = None
        for waiting in self._concerned(call):
            if not waiting.fault.fits(call):
                continue
            waiting.seen += 1
            if bitten is None and waiting.due:
                bitten = waiting
        if bitten is None:
            return {}
        bitten.met += 1
        if bitten.spent:
            self._filed[bitten.fault.stage, bitten.fault.profile_id, bitten.fault.entity].remove(bitten)
        return {word.name: word.args for word in bitten.fault.words}

    def unmet(self) -> tuple[Fault, ...]:
        """The faults that happened less often than planned; one of ``every=K`` is met once it happened at all."""
        return tuple(each.fault for each in self._all if each.met < (1 if each.fault.every else each.fault.times))

    def __str__(self) -> str:
        return "\n".join(str(fault) for fault in self.faults)

    def __repr__(self) -> str:
        return f"<Weather {len(self._all)} faults, {len(self.unmet())} unmet>"

    def _concerned(self, call: Call) -> list[_Waiting]:
        keys = {
            (call.stage, profile_id, entity) for profile_id in (None, call.profile_id) for entity in (None, call.entity)
        }
        found = [waiting for key in keys for waiting in self._filed.get(key, ())]
        found.sort(key=lambda waiting: waiting.place)
        return found
