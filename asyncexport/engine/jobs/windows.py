"""What all runs of an exporter share: the slots of every endpoint, and the places for transfers.

The API counts a client's exports, not a program's runs, so the windows belong to the exporter. Whoever wants a slot
leaves a *ticket*, which says whose it is and how to start it; whenever a slot is free the next ticket is started. What
was asked in vain *rests*: it holds no slot, and waits for one again when its time has come. An export that is in
progress when nobody watches it any more, since its run was left, its time was up or its looks are refused, keeps its
slot until it must have ended, but for as long as it has run already in any case; a ticket that comes for that very
export takes the slot over. As long as others wait for that slot the export is *in the way*: it is given to whoever asks
for such, to be seen out. The object store says when it is busy, and the system when it has no descriptor left; then
fewer transfers run at once, one for each time it is said. Places come back slowly, one after as many successes as there
are places, so that few run into the limit again.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Generic, TypeAlias, TypeVar

import anyio

from asyncexport.engine.jobs.reminders import Reminders
from asyncexport.models import Job, Limits
from asyncexport.ports import Clock
from asyncexport.sansio.pacing.chance import Chance
from asyncexport.sansio.scheduling.lanes import Rank
from asyncexport.sansio.scheduling.slots import Slots
from asyncexport.sansio.scheduling.window import Window

Waiting = TypeVar("Waiting")

Chances: TypeAlias = defaultdict[tuple[str, str], Chance]
"""How likely a look is throttled, by client id and region."""

Where: TypeAlias = tuple[str, str, str]
"""Whose slots: client id, region, endpoint."""


@dataclass(frozen=True, slots=True, eq=False)
class Ticket(Generic[Waiting]):
    """Something of ``owner`` that waits for a slot at one endpoint, and then has it.

    ``start`` is called with the ticket when it has a slot, and must return at once. ``export_id`` is that of the export
    it comes for, if it was asked for before.
    """

    owner: object
    waiting: Waiting
    start: Callable[[Ticket[Waiting]], object]
    client_id: str
    job: Job
    export_id: str = ""

    @property
    def window(self) -> Where:
        """The slots it is for."""
        return where(self.client_id, self.job)


@dataclass(frozen=True, slots=True)
class _Running:
    """An export in progress; by ``over_at`` nearly every one like it has ended."""

    export_id: str
    asked_at: float
    over_at: float


@dataclass(slots=True, eq=False)
class Forsaken:
    """An export in progress that keeps a slot of ``window`` though nobody waits for it; asked for at ``asked_at``.

    Whoever sees it out does so within ``scope``, which is cancelled when it is taken over. ``is_called`` once it has
    been in the way.
    """

    window: Where
    job: Job
    export_id: str
    asked_at: float
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    is_called: bool = False


def where(client_id: str, job: Job) -> Where:
    """Return whose slots a job needs."""
    return (client_id, job.profile.region.value, job.entity.value)


class Windows(Generic[Waiting]):
    """The windows of one exporter. Whoever uses them runs :meth:`keep_time` beside."""

    def __init__(self, limits: Limits, clock: Clock, chances: Chances) -> None:
        self._limits = limits
        self._clock = clock
        self._chances = chances
        self._reminders = Reminders(clock)
        self._slots: dict[Where, Slots[Ticket[Waiting]]] = {}
        self._held: dict[Ticket[Waiting], _Running | None] = {}
        self._cut_off: dict[Ticket[Waiting], float] = {}
        self._resting: dict[Ticket[Waiting], None] = {}
        self._leaving: set[object] = set()
        self._forsaken: dict[str, Forsaken] = {}
        self._in_the_way: deque[Forsaken] = deque()
        self._called = anyio.Event()
        self._due: dict[Where, float] = {}
        self._places = float(limits.downloads)
        self.transfers = anyio.CapacityLimiter(limits.downloads)

    async def keep_time(self) -> None:
        """Wake what rests and look at windows whose moment has come, until cancelled."""
        await self._reminders.ring()

    def enter(self, ticket: Ticket[Waiting], rank: Rank) -> None:
        """Let the ticket wait for a slot in its account's lane, where ``rank`` puts it.

        One whose export has kept its slot has that, now. One whose owner is leaving is dropped.
        """
        if ticket.owner in self._leaving:
            return
        slots = self._slots_at(ticket.window)
        if slots.take_over(ticket, ticket.export_id, self._clock.now()):
            if (forsaken := self._forsaken.pop(ticket.export_id, None)) is not None:
                forsaken.scope.cancel()
            self._start(ticket)
            return
        slots.offer(ticket, ticket.job.profile.account, rank)
        self._admit(ticket.window)

    def rest(self, ticket: Ticket[Waiting], seconds: float, rank: Rank) -> None:
        """Let the ticket, which has no slot, enter in so many seconds."""
        self._resting[ticket] = None

        def wake() -> None:
            if ticket in self._resting:
                del self._resting[ticket]
                self.enter(ticket, rank)

        self._reminders.set(self._clock.now() + seconds, wake)

    def asks(self, ticket: Ticket[Waiting]) -> None:
        """The request of the ticket's job goes out now."""
        self._slots[ticket.window].asks(ticket, self._clock.now())

    def adopted(self, ticket: Ticket[Waiting], export_id: str, over_in: float, *, age: float) -> None:
        """The export of the ticket's job was asked for ``age`` seconds ago; nearly every one is over in so many."""
        self._watch(ticket, export_id, over_in, age)
        self._slots[ticket.window].adopted(ticket)
        self._admit(ticket.window)

    def accepted(self, ticket: Ticket[Waiting], export_id: str, over_in: float) -> None:
        """The request was accepted: an export is in progress; nearly every one is over in so many seconds."""
        self._watch(ticket, export_id, over_in)
        self._slots[ticket.window].accepted(ticket)
        self._admit(ticket.window)

    def refused(self, ticket: Ticket[Waiting]) -> bool | None:
        """The request met a 429 and the slot is given back: tell why, as :meth:`Window.refused` does."""
        del self._held[ticket]
        by_cap = self._slots[ticket.window].refused(ticket, ticket.job.profile.profile_id, self._clock.now())
        self._admit(ticket.window)
        return by_cap

    def lost(self, ticket: Ticket[Waiting], seconds: float) -> None:
        """The answer to the request was lost: for so many seconds the slot is the orphan's."""
        del self._held[ticket]
        self._slots[ticket.window].lost(ticket, ticket.job.key, self._clock.now() + seconds)
        self._admit(ticket.window)

    def cut_off(self, ticket: Ticket[Waiting], seconds: float) -> None:
        """The answer to the request will be lost: when its owner is abandoned, the slot is the orphan's for so long."""
        self._cut_off[ticket] = seconds

    def orphaned(self, window: Where, key: tuple[str, ...], seconds: float) -> None:
        """An earlier run's request for the job of that key may have left an export that is in progress for so long."""
        self._slots_at(window).orphaned(key, self._clock.now() + seconds)

    def leave(self, ticket: Ticket[Waiting], ended_at: float = float("inf")) -> None:
        """Give the ticket's slot back, whose export ended at ``ended_at`` if that is known: the next ticket has it."""
        del self._held[ticket]
        self._slots[ticket.window].release(ticket, ended_at)
        self._admit(ticket.window)

    def ended(self, ticket: Ticket[Waiting]) -> None:
        """The ticket's export is over; the slot is kept for the next request."""
        self._held[ticket] = None

    def forsake(self, ticket: Ticket[Waiting], *, was_seen: bool = True) -> tuple[str, float] | None:
        """Nobody watches the ticket's export any more: the slot is free if none is in progress, or else its own.

        One that ``was_seen`` to outlive nearly all may take as long again. Return its id and for how many seconds it
        keeps the slot.
        """
        running = self._held[ticket]
        if running is None:
            self.leave(ticket)
            return None
        del self._held[ticket]
        now = self._clock.now()
        kept = max(0.0, running.over_at - now, now - running.asked_at if was_seen else 0.0)
        self._slots[ticket.window].forsake(ticket, running.export_id, now + kept)
        self._forsaken[running.export_id] = Forsaken(ticket.window, ticket.job, running.export_id, running.asked_at)
        self._admit(ticket.window)
        return running.export_id, kept

    async def next_in_the_way(self) -> Forsaken:
        """Return the next export that keeps a slot for which somebody waits; each is given out once.

        Whoever has it tells what came of it: :meth:`seen_out`, :meth:`left_alone` or :meth:`unwatched`.
        """
        while not self._in_the_way:
            await self._called.wait()
        export = self._in_the_way.popleft()
        if self._is_known(export):
            self._slots[export.window].seen(export.export_id)
        return export

    def seen_out(self, export: Forsaken, ended_at: float) -> None:
        """The export was seen to have ended at ``ended_at``: its slot is free."""
        if self._is_known(export):
            del self._forsaken[export.export_id]
        self._slots[export.window].ended(export.export_id, ended_at)
        self._admit(export.window)

    def left_alone(self, export: Forsaken) -> None:
        """Nobody can look at the export: it has its slot for its time."""
        if self._is_known(export):
            del self._forsaken[export.export_id]
            self._slots[export.window].unseen(export.export_id, 0.0)
            self._admit(export.window)

    def unwatched(self, export: Forsaken) -> None:
        """Whoever saw the export out is gone: somebody else may, and it may take as long again as it has."""
        if self._is_known(export):
            now = self._clock.now()
            self._slots[export.window].unseen(export.export_id, now + (now - export.asked_at))
            self._forsaken[export.export_id] = replace(export, scope=anyio.CancelScope(), is_called=False)
            self._admit(export.window)

    def withdraw(self, owner: object) -> list[Waiting]:
        """Take back and return everything of ``owner`` that still waits or rests."""
        found = [slots.withdraw(lambda ticket: ticket.owner is owner) for slots in self._slots.values()]
        rested = [ticket for ticket in self._resting if ticket.owner is owner]
        for ticket in rested:
            del self._resting[ticket]
        return [ticket.waiting for tickets in (*found, rested) for ticket in tickets]

    def close(self, owner: object) -> None:
        """Take back everything of ``owner`` that waits or rests, and let nothing of it wait any more: it is leaving."""
        self._leaving.add(owner)
        self.withdraw(owner)

    def abandon(self, owner: object) -> None:
        """Take back everything of ``owner``, which is gone: also what has a slot and will not give it back."""
        self.withdraw(owner)
        self._leaving.discard(owner)
        for ticket in [ticket for ticket in self._held if ticket.owner is owner]:
            if (seconds := self._cut_off.pop(ticket, None)) is None:
                self.forsake(ticket)
            else:
                self.lost(ticket, seconds)

    def store_is_busy(self) -> None:
        """The object store, or the system, asked for less."""
        self._allow(max(1.0, self._places - 1.0))

    def store_is_well(self) -> None:
        """A transfer went through."""
        self._allow(min(float(self._limits.downloads), self._places + 1.0 / self._places))

    def _allow(self, places: float) -> None:
        self._places = places
        if int(places) != self.transfers.total_tokens:
            self.transfers.total_tokens = int(places)

    def _slots_at(self, window: Where) -> Slots[Ticket[Waiting]]:
        if window not in self._slots:
            client_id, region, entity = window
            believed = Window(self._limits.told, self._chances[client_id, region])
            self._slots[window] = Slots(f"{entity}@{region}", believed)
        return self._slots[window]

    def _admit(self, window: Where) -> None:
        slots, now = self._slots[window], self._clock.now()
        for ticket in slots.admit(now):
            self._start(ticket)
        self._call_for(window)
        moment = slots.next_moment(now)
        if moment is not None and moment < self._due.get(window, float("inf")):
            self._due[window] = moment
            self._reminders.set(moment, lambda: self._look(window, moment))

    def _call_for(self, window: Where) -> None:
        """Let what keeps slots be seen out if somebody waits for them; forget what keeps none any more."""
        slots = self._slots[window]
        for export in [export for export in self._forsaken.values() if export.window == window]:
            if not slots.keeps(export.export_id):
                del self._forsaken[export.export_id]
            elif slots.waiting and not export.is_called:
                export.is_called = True
                self._in_the_way.append(export)
                self._called.set()
                self._called = anyio.Event()

    def _is_known(self, export: Forsaken) -> bool:
        """Tell whether this still stands for its export, which may have been taken over and forsaken again."""
        return self._forsaken.get(export.export_id) is export

    def _start(self, ticket: Ticket[Waiting]) -> None:
        self._held[ticket] = None
        ticket.start(ticket)

    def _watch(self, ticket: Ticket[Waiting], export_id: str, over_in: float, age: float = 0.0) -> None:
        now = self._clock.now()
        self._held[ticket] = _Running(export_id, asked_at=now - age, over_at=now + over_in)

    def _look(self, window: Where, moment: float) -> None:
        """The moment has come, unless an earlier one has taken its place since."""
        if self._due.get(window) == moment:
            del self._due[window]
            self._admit(window)

    def __repr__(self) -> str:
        return f"<Windows {', '.join(map(repr, self._slots.values())) or 'no slots yet'}>"
