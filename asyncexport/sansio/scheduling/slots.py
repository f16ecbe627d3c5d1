"""The slots of one endpoint: who has one, who is next, and which exports hold one that nobody waits for any more.

The API lets a client have a few exports in progress per endpoint (5 by default, officially) and counts them over all
profiles. A slot is taken before the POST and given back when the terminal status is seen, or when the request was
refused. If its answer was lost the server may be making the export all the same: then the *orphan* keeps the slot until
it must have ended, but orphans never keep the last one. An export that was accepted and that nobody waits for any more
is *forsaken*: it is in progress for certain, so it keeps its slot, the last one too, until it is seen to have ended, or
must have, or somebody takes it over; no time ends that while somebody looks at it. How many slots there are is the
:class:`Window`'s affair, who is next that of :class:`Lanes`. All is decided synchronously: :meth:`Slots.admit` returns
who may start, and the caller starts them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from asyncexport.sansio.scheduling.lanes import Lanes, Rank
from asyncexport.sansio.scheduling.window import Window

Waiting = TypeVar("Waiting", bound=Hashable)


@dataclass(slots=True)
class _Slot:
    """A slot that is taken. Its request went out at ``asked_at``; the export ``runs`` once it was accepted."""

    asked_at: float
    runs: bool = False


@dataclass(frozen=True, slots=True)
class _Orphan:
    """An export of ``whose`` that may be in progress ``until`` then."""

    whose: Hashable
    until: float


@dataclass(slots=True)
class _Kept:
    """The slot of a forsaken export: it must have ended by ``until``, unless it ``is_seen`` to run on."""

    until: float
    is_seen: bool = False

    @property
    def ends_at(self) -> float:
        """When it is free although nothing has happened."""
        return float("inf") if self.is_seen else self.until


class Slots(Generic[Waiting]):
    """The slots of one (client id, region, endpoint). ``name`` is for people. Times are in the clock's seconds."""

    def __init__(self, name: str, window: Window) -> None:
        self._name = name
        self._window = window
        self._held: dict[Waiting, _Slot] = {}
        self._orphans: list[_Orphan] = []
        self._forsaken: dict[str, _Kept] = {}
        self._lanes: Lanes[Waiting] = Lanes()

    @property
    def capacity(self) -> int:
        """How many exports may be in progress, as far as is known."""
        return self._window.limit

    @property
    def busy(self) -> int:
        """How many slots are taken; orphans take all but one at most."""
        return len(self._held) + self._unwatched

    @property
    def waiting(self) -> int:
        """How many jobs wait for a slot."""
        return len(self._lanes)

    def offer(self, job: Waiting, lane: Hashable, rank: Rank) -> None:
        """Let ``job`` wait in ``lane``."""
        self._lanes.offer(job, lane, rank)

    def admit(self, now: float) -> list[Waiting]:
        """Give every free slot to a waiting job and return those jobs, in the order in which they are to start."""
        self._orphans = [orphan for orphan in self._orphans if orphan.until > now]
        self._forsaken = {export_id: kept for export_id, kept in self._forsaken.items() if kept.ends_at > now}
        admitted: list[Waiting] = []
        while self._lanes and self._window.has_room(self.busy, now, asking=len(self._held) - self._running):
            job = self._lanes.take()
            self._held[job] = _Slot(now)
            admitted.append(job)
        return admitted

    def asks(self, job: Waiting, now: float) -> None:
        """The request of a job with a slot goes out now."""
        slot = self._held[job]
        slot.asked_at, slot.runs = now, False

    def adopted(self, job: Waiting) -> None:
        """The job's export was running before."""
        self._held[job].runs = True

    def accepted(self, job: Waiting) -> None:
        """The request of the job was accepted: its export is in progress."""
        slot = self._held[job]
        slot.runs = True
        self._window.accepted(self._running + self._unwatched, slot.asked_at)

    def refused(self, job: Waiting, whose: Hashable, now: float) -> bool | None:
        """The request was refused and the slot is free again: tell why, as :meth:`Window.refused` does."""
        slot = self._held.pop(job)
        asking = sum(not other.runs and other.asked_at < now for other in self._held.values())
        others = self._running + self._unwatched + asking
        return self._window.refused(others, whose, sent_at=slot.asked_at, now=now)

    def lost(self, job: Waiting, whose: Hashable, until: float) -> None:
        """The answer to the request was lost: the slot is the orphan's ``until`` then, and ``whose`` that is."""
        del self._held[job]
        self._orphans.append(_Orphan(whose, until))

    def orphaned(self, whose: Hashable, until: float) -> None:
        """Somebody says that an export of ``whose`` may be in progress ``until`` then: that may be known already."""
        if all(orphan.whose != whose for orphan in self._orphans):
            self._orphans.append(_Orphan(whose, until))

    def forsake(self, job: Waiting, export_id: str, until: float) -> None:
        """Nobody watches the job's export any more, which is in progress: it keeps the slot ``until`` then."""
        del self._held[job]
        self._forsaken[export_id] = _Kept(until)

    def seen(self, export_id: str) -> None:
        """From now on somebody looks at the export: no time ends what it keeps, if it keeps a slot."""
        if export_id in self._forsaken:
            self._forsaken[export_id].is_seen = True

    def unseen(self, export_id: str, until: float) -> None:
        """Nobody looks at the export any more: it keeps its slot ``until`` then at least."""
        if export_id in self._forsaken:
            self._forsaken[export_id] = _Kept(max(until, self._forsaken[export_id].until))

    def keeps(self, export_id: str) -> bool:
        """Tell whether the export has a slot that nobody watches."""
        return export_id in self._forsaken

    def ended(self, export_id: str, ended_at: float) -> None:
        """An export that nobody waits for was seen to have ended at ``ended_at``: its slot is free, if it has one."""
        if self._forsaken.pop(export_id, None) is not None:
            self._window.ended(ended_at)

    def take_over(self, job: Waiting, export_id: str, now: float) -> bool:
        """Give the job the slot that its export has kept, if it has kept one."""
        if self._forsaken.pop(export_id, None) is None:
            return False
        self._held[job] = _Slot(now, runs=True)
        return True

    def release(self, job: Waiting, ended_at: float = float("inf")) -> None:
        """The job's slot is free again: its export ended at ``ended_at``, or never came to be."""
        if job not in self._held:
            raise RuntimeError(f"{self!r}: a slot is given back that was not taken")
        if self._held.pop(job).runs:
            self._window.ended(ended_at)

    def withdraw(self, whose: Callable[[Waiting], bool]) -> list[Waiting]:
        """Take the waiting jobs out again that ``whose`` is true of, and return them: none of them will start."""
        return self._lanes.withdraw(whose)

    def next_moment(self, now: float) -> float | None:
        """Return when somebody who waits may be admitted although nothing has happened; None if nobody or never."""
        if not self._lanes:
            return None
        orphans = (orphan.until for orphan in self._orphans)
        kept = (kept.ends_at for kept in self._forsaken.values())
        moments = (self._window.next_moment(now), *orphans, *kept)
        return min((moment for moment in moments if moment is not None), default=None)

    @property
    def _running(self) -> int:
        return sum(slot.runs for slot in self._held.values())

    @property
    def _haunting(self) -> int:
        return min(len(self._orphans), self._window.limit - 1)

    @property
    def _unwatched(self) -> int:
        return self._haunting + len(self._forsaken)

    def __repr__(self) -> str:
        return f"<Slots {self._name} {self.busy}/{self.capacity} busy, {self.waiting} waiting>"
