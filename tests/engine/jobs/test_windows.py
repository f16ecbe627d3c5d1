"""What all runs of an exporter share."""

from __future__ import annotations

import anyio
import pytest

from asyncexport.accounts import Region
from asyncexport.engine.jobs.windows import Chances, Ticket, Windows
from asyncexport.models import Entity, Job, Limits, Profile
from asyncexport.sansio.pacing.chance import Chance
from asyncexport.sansio.scheduling.lanes import Rank
from asyncexport.testing import FakeClock

JOB = Job(Profile("acme", Region.EU, "1"), Entity.ADS)
OTHER = Job(Profile("acme", Region.EU, "1"), Entity.TARGETS)


class Runs:
    """Two runs before one window of one slot; ``started`` tells who got it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.windows: Windows[str] = Windows(Limits(in_progress=1), self.clock, Chances(Chance))
        self.started: list[str] = []

    def ask(self, owner: str, name: str, job: Job = JOB, rank: Rank = (1, 0.0), *, export_id: str = "") -> Ticket[str]:
        """Let a ticket wait."""
        ticket = Ticket(owner, name, lambda ticket: self.started.append(ticket.waiting), "client", job, export_id)
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


async def test_a_run_that_ends_takes_its_tickets_back_and_gives_the_slots_it_did_not_use() -> None:
    """Nothing of an abandoned run starts, and what it held without an export in progress goes to the others."""
    runs = Runs()
    runs.ask("a", "a1")
    runs.ask("a", "a2")
    runs.ask("b", "b1")
    runs.windows.abandon("a")
    assert runs.started == ["a1", "b1"]


def left_running() -> Runs:
    """Return two runs of which the first was left while its export was in progress; the second waits."""
    runs = Runs()
    mine = runs.ask("a", "a1")
    runs.ask("b", "b1")
    runs.windows.asks(mine)
    runs.windows.accepted(mine, "e-1", 60.0)
    runs.clock.advance(5.0)
    runs.windows.abandon("a")
    return runs


async def until(runs: Runs, moment: float) -> None:
    """Let the time pass."""
    async with anyio.create_task_group() as beside:
        beside.start_soon(runs.windows.keep_time)
        await runs.clock.sleep(moment - runs.clock.now())
        await anyio.lowlevel.checkpoint()
        beside.cancel_scope.cancel()


async def test_an_export_of_a_run_that_was_left_keeps_its_slot() -> None:
    """It is in progress on the server until nearly every export has ended."""
    runs = left_running()
    began = runs.clock.now() - 5.0
    await until(runs, began + 59.0)
    assert runs.started == ["a1"]
    await until(runs, began + 61.0)
    assert runs.started == ["a1", "b1"]


async def test_an_export_that_has_outlived_nearly_all_when_its_run_is_left() -> None:
    """It may take as long again, and keeps its slot for that."""
    runs = Runs()
    mine = runs.ask("a", "a1")
    runs.ask("b", "b1")
    runs.windows.asks(mine)
    runs.windows.accepted(mine, "e-1", 60.0)
    runs.clock.advance(100.0)
    left = runs.clock.now()
    assert runs.windows.forsake(mine) == ("e-1", 100.0)
    await until(runs, left + 99.0)
    assert runs.started == ["a1"]
    await until(runs, left + 101.0)
    assert runs.started == ["a1", "b1"]


async def test_an_export_that_nobody_could_look_at_for_longer_than_nearly_all_take() -> None:
    """It was not seen to run for so long, so its slot is free."""
    runs = Runs()
    mine = runs.ask("a", "a1")
    runs.ask("b", "b1")
    runs.windows.asks(mine)
    runs.windows.accepted(mine, "e-1", 60.0)
    runs.clock.advance(100.0)
    assert runs.windows.forsake(mine, was_seen=False) == ("e-1", 0.0)
    assert runs.started == ["a1", "b1"]


async def test_an_export_that_is_watched_beyond_its_time() -> None:
    """It keeps its slot as long as somebody looks at it; whoever stops leaves it as much time as it has taken."""
    runs = left_running()
    export = await runs.windows.next_in_the_way()
    await until(runs, 100.0)
    assert runs.started == ["a1"]
    runs.windows.unwatched(export)
    await until(runs, 199.0)
    assert runs.started == ["a1"]
    await until(runs, 201.0)
    assert runs.started == ["a1", "b1"]


async def test_an_export_that_was_watched_beyond_its_time_and_cannot_be_looked_at_any_more() -> None:
    """Its time is over, so its slot is free."""
    runs = left_running()
    export = await runs.windows.next_in_the_way()
    await until(runs, 100.0)
    runs.windows.left_alone(export)
    assert runs.started == ["a1", "b1"]


async def test_a_ticket_that_comes_for_an_export_has_the_slot_that_this_kept() -> None:
    """It is one export, so it counts once, and nobody waits for what is there."""
    runs = left_running()
    heir = runs.ask("c", "c1", export_id="e-1")
    assert runs.started == ["a1", "c1"]
    runs.windows.adopted(heir, "e-1", 55.0, age=5.0)
    runs.windows.leave(heir)
    assert runs.started == ["a1", "c1", "b1"]


async def test_a_request_that_is_cut_off() -> None:
    """Nobody gets the slot before its run is gone, and then only what orphans leave: here it is the last slot."""
    runs = Runs()
    mine = runs.ask("a", "a1")
    runs.ask("a", "a2")
    runs.windows.asks(mine)
    runs.windows.cut_off(mine, 60.0)
    assert runs.started == ["a1"]
    runs.windows.abandon("a")
    runs.ask("b", "b1")
    assert runs.started == ["a1", "b1"]
    assert repr(runs.windows) == "<Windows <Slots ads@EU 1/1 busy, 0 waiting>>"


async def test_a_slot_whose_export_has_ended_is_nobodys_when_its_run_is_left() -> None:
    """The next request for the job had not gone out."""
    runs = Runs()
    mine = runs.ask("a", "a1")
    runs.ask("b", "b1")
    runs.windows.asks(mine)
    runs.windows.accepted(mine, "e-1", 60.0)
    runs.windows.ended(mine)
    runs.windows.abandon("a")
    assert runs.started == ["a1", "b1"]


async def test_a_run_that_is_leaving() -> None:
    """Nothing of it starts any more, neither what waits nor what would come later, until it is gone."""
    runs = Runs()
    held = runs.ask("b", "b1")
    runs.ask("a", "a1")
    runs.windows.close("a")
    runs.ask("a", "a2")
    runs.windows.rest(
        Ticket("a", "a3", lambda ticket: runs.started.append(ticket.waiting), "client", JOB), 1.0, (1, 0.0)
    )
    runs.windows.leave(held)
    await until(runs, runs.clock.now() + 2.0)
    assert runs.started == ["b1"]
    runs.windows.abandon("a")
    runs.ask("a", "a4")
    assert runs.started == ["b1", "a4"]


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


async def test_an_export_that_is_in_the_way() -> None:
    """It is given out once, to be seen out; then its slot is the next ticket's."""
    runs = left_running()
    export = await runs.windows.next_in_the_way()
    assert (export.export_id, export.job, export.asked_at) == ("e-1", JOB, 0.0)
    runs.ask("b", "b2")
    runs.windows.seen_out(export, 4.0)
    assert runs.started == ["a1", "b1"]
    with anyio.move_on_after(0.0) as scope:
        await runs.windows.next_in_the_way()
    assert scope.cancelled_caught


async def test_an_export_that_nobody_waits_for_the_slot_of() -> None:
    """It is in nobody's way until somebody comes."""
    runs = Runs()
    mine = runs.ask("a", "a1")
    runs.windows.asks(mine)
    runs.windows.accepted(mine, "e-1", 60.0)
    runs.windows.abandon("a")
    with anyio.move_on_after(0.0) as scope:
        await runs.windows.next_in_the_way()
    assert scope.cancelled_caught
    runs.ask("b", "b1", OTHER)
    runs.ask("b", "b2")
    assert (await runs.windows.next_in_the_way()).job == JOB


async def test_who_sees_an_export_out_and_is_gone() -> None:
    """The export is given out again, unless somebody has taken it over or nobody could look at it."""
    runs = left_running()
    export = await runs.windows.next_in_the_way()
    runs.windows.unwatched(export)
    again = await runs.windows.next_in_the_way()
    assert again.export_id == "e-1"
    runs.ask("b", "heir", export_id="e-1")
    assert again.scope.cancel_called
    runs.windows.unwatched(again)
    with anyio.move_on_after(0.0) as scope:
        await runs.windows.next_in_the_way()
    assert scope.cancelled_caught


async def test_who_sees_an_export_out_that_was_taken_over_and_forsaken_again() -> None:
    """What is told of it now is not of the export that is in the way: that is given out, and keeps its slot."""
    runs = left_running()
    old = await runs.windows.next_in_the_way()
    heir = runs.ask("c", "c1", export_id="e-1")
    runs.windows.adopted(heir, "e-1", 55.0, age=5.0)
    runs.windows.abandon("c")
    new = await runs.windows.next_in_the_way()
    runs.windows.left_alone(old)
    runs.windows.unwatched(old)
    runs.windows.unwatched(new)
    with anyio.fail_after(0.0):
        assert (await runs.windows.next_in_the_way()).export_id == "e-1"
    assert runs.started == ["a1", "c1"]


async def test_an_export_that_is_given_out_after_it_was_taken_over_and_forsaken_again() -> None:
    """Nobody looks for what it was, so what it is now keeps its slot for its time alone."""
    runs = left_running()
    heir = runs.ask("c", "c1", export_id="e-1")
    runs.windows.adopted(heir, "e-1", 55.0, age=5.0)
    runs.windows.withdraw("b")
    runs.windows.abandon("c")
    assert (await runs.windows.next_in_the_way()).scope.cancel_called
    await until(runs, 100.0)
    runs.ask("d", "d1")
    assert runs.started == ["a1", "c1", "d1"]


async def test_forsaken_exports_whose_time_is_over() -> None:
    """They are forgotten when the next one is, though nobody waits for their slots."""
    runs = Runs()
    for number in range(3):
        ticket = runs.ask("a", f"a{number}")
        runs.windows.asks(ticket)
        runs.windows.accepted(ticket, f"e-{number}", 60.0)
        runs.windows.abandon("a")
        runs.clock.advance(100.0)
    assert list(runs.windows._forsaken) == ["e-2"]


async def test_an_export_that_cannot_be_looked_at() -> None:
    """It keeps its slot for its time, and can be taken over."""
    runs = left_running()
    runs.windows.left_alone(await runs.windows.next_in_the_way())
    assert runs.started == ["a1"]
    runs.ask("b", "heir", export_id="e-1")
    assert runs.started == ["a1", "heir"]
