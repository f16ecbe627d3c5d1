"""Weather: a plan of faults, written in words, that can say afterwards whether every one of them was met.

One fault a line (or between semicolons)::

    request entity=targets nth=2: return-429 retry-after-3
    poll profile=1234567890: no-url
    download every=5: broken-after-40% no-etag
    token: reset

that is, a stage, what a call must match, and what then happens. ``nth=K`` means the K-th matching call (default the
first), ``times=N`` that one and so many in all, ``every=K`` each K-th for ever, ``until=S`` only those before second S
of the server's clock. Only calls that would otherwise have succeeded count, so that no fault is wasted on a call that
fails anyway. One fault bites a call at most: another that was due too keeps waiting for the next. Faults are filed by
stage, profile and entity, so that a call looks at those that concern it and no others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from asyncexport.emulator.faults import Call, Fault
from asyncexport.emulator.records.drawing import Subject, draw_faults
from asyncexport.emulator.records.words import Met
from asyncexport.models import Entity


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

    @classmethod
    def draw(cls, seed: int, subjects: Iterable[Subject], *, severity: float = 1.0) -> Weather:
        """Draw a plan that a good client survives, see :func:`asyncexport.emulator.records.drawing.draw_faults`."""
        return cls(draw_faults(seed, subjects, severity=severity))

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
