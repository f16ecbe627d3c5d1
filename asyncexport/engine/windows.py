"""What all runs of an exporter share: the slots of every endpoint, and the places for transfers.

The API counts a client's exports, not a program's runs, so the windows belong to the exporter. Whoever wants a slot
leaves a *ticket*, which says whose it is and how to start it; whenever a slot is free the next ticket is started. The
object store says when it is busy; then fewer transfers run at once, and one more again for each that goes through.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import anyio

from asyncexport.models import Job, Limits
from asyncexport.sansio.slots import Slots

Waiting = TypeVar("Waiting")


@dataclass(frozen=True, slots=True, eq=False)
class Ticket(Generic[Waiting]):
    """Something of ``owner`` that waits for a slot at one endpoint, and then has it.

    ``start`` is called with the ticket when it has a slot, and must return at once.
    """

    owner: object
    waiting: Waiting
    start: Callable[[Ticket[Waiting]], object]
    client_id: str
    job: Job

    @property
    def window(self) -> tuple[str, str, str]:
        """The slots it is for: client id, region, endpoint."""
        return (self.client_id, self.job.profile.region.value, self.job.entity.value)


class Windows(Generic[Waiting]):
    """The windows of one exporter."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._slots: dict[tuple[str, str, str], Slots[Ticket[Waiting]]] = {}
        self._held: set[Ticket[Waiting]] = set()
        self.transfers = anyio.CapacityLimiter(limits.downloads)

    def enter(self, ticket: Ticket[Waiting], *, first: bool = False) -> None:
        """Let the ticket wait for a slot: at the end of its account's lane, or at its front."""
        _, region, entity = window = ticket.window
        if window not in self._slots:
            self._slots[window] = Slots(f"{entity}@{region}", self._limits.in_progress)
        self._slots[window].offer(ticket, ticket.job.profile.account, first=first)
        self._admit(window)

    def leave(self, ticket: Ticket[Waiting]) -> None:
        """Give the ticket's slot back: the next ticket has it."""
        self._held.remove(ticket)
        self._slots[ticket.window].release()
        self._admit(ticket.window)

    def withdraw(self, owner: object) -> list[Waiting]:
        """Take back and return everything of ``owner`` that still waits."""
        found = [slots.withdraw(lambda ticket: ticket.owner is owner) for slots in self._slots.values()]
        return [ticket.waiting for tickets in found for ticket in tickets]

    def abandon(self, owner: object) -> None:
        """Take back everything of ``owner``: what waits for a slot, and what has one and will not give it back."""
        self.withdraw(owner)
        for ticket in [ticket for ticket in self._held if ticket.owner is owner]:
            self.leave(ticket)

    def store_is_busy(self) -> None:
        """The object store asked for less."""
        self.transfers.total_tokens = max(1, self.transfers.total_tokens - 1)

    def store_is_well(self) -> None:
        """A transfer went through."""
        self.transfers.total_tokens = min(self._limits.downloads, self.transfers.total_tokens + 1)

    def _admit(self, window: tuple[str, str, str]) -> None:
        for ticket in self._slots[window].admit():
            self._held.add(ticket)
            ticket.start(ticket)

    def __repr__(self) -> str:
        return f"<Windows {', '.join(map(repr, self._slots.values())) or 'no slots yet'}>"
