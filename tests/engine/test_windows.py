"""What all runs of an exporter share."""

from __future__ import annotations

import pytest

from asyncexport.accounts import Region
from asyncexport.engine.windows import Chances, Ticket, Windows
from asyncexport.models import Entity, Job, Limits, Profile
from asyncexport.sansio.chance import Chance
from asyncexport.sansio.lanes import Rank
from asyncexport.testing import FakeClock

JOB = Job(Profile("acme", Region.EU, "1"), Entity.ADS)
OTHER = Job(Profile("acme", Region.EU, "1"), Entity.TARGETS)


class Runs:
    """Two runs before one window of one slot; ``started`` tells who got it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.windows: Windows[str] = Windows(Limits(in_progress=1), self.clock, Chances(Chance))
        self.started: list[str] = []

    def ask(self, owner: str, name: str, job: Job = JOB, rank: Rank = (1, 0.0)) -> Ticket[str]:
        """Let a ticket wait."""
        ticket = Ticket(owner, name, lambda ticket: self.started.append(ticket.waiting), "client", job)
        self.windows.enter(ticket, rank)
        return ticket


async def test_two_runs_share_the_slots_of_an_endpoint() -> None:
    """The second run's ticket starts when the first run gives its slot back."""
    runs = Runs()
    mine = runs.ask("a", "a1")
    runs.ask("b", "b1")
    assert runs.started == ["a1"]
    runs.windows.leave(mine)
    assert runs.started == ["a1", "b1"]


async def test_endpoints_have_slots_of_their_own() -> None:
    """Ads do not wait for targets."""
    runs = Runs()
    runs.ask("a", "a1")
    runs.ask("a", "a2", OTHER)
    assert runs.started == ["a1", "a2"]


async def test_a_run_that_ends_takes_its_tickets_back_and_gives_its_slots() -> None:
    """Nothing of an abandoned run starts, and what it held goes to the others."""
    runs = Runs()
    runs.ask("a", "a1")
    runs.ask("a", "a2")
    runs.ask("b", "b1")
    runs.windows.abandon("a")
    assert runs.started == ["a1", "b1"]


async def test_withdrawn_tickets_are_returned_and_never_start() -> None:
    """Only what waits, and only of that owner."""
    runs = Runs()
    held = runs.ask("a", "a1")
    runs.ask("a", "a2")
    runs.ask("b", "b1")
    assert runs.windows.withdraw("a") == ["a2"]
    runs.windows.leave(held)
    assert runs.started == ["a1", "b1"]


async def test_a_slot_is_given_back_once() -> None:
    """Twice would let one export too many in."""
    runs = Runs()
    ticket = runs.ask("a", "a1")
    runs.windows.leave(ticket)
    with pytest.raises(KeyError):
        runs.windows.leave(ticket)


async def test_a_busy_store_is_sent_fewer_transfers_until_it_is_well() -> None:
    """Each complaint takes a place away, down to one; as many successes as there are places give one back."""
    windows: Windows[str] = Windows(Limits(downloads=3), FakeClock(), Chances(Chance))
    for _ in range(5):
        windows.store_is_busy()
    places = [windows.transfers.total_tokens]
    for _ in range(6):
        windows.store_is_well()
        places.append(windows.transfers.total_tokens)
    assert places == [1, 2, 2, 2, 3, 3, 3]


async def test_windows_tell_about_themselves() -> None:
    """One true line."""
    runs = Runs()
    assert repr(runs.windows) == "<Windows no slots yet>"
    runs.ask("a", "a1")
    assert repr(runs.windows) == "<Windows <Slots ads@EU 1/1 busy, 0 waiting>>"
