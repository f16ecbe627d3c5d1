"""Turns of transfers in one loop: one at a time, for a while, never across a wait."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from anyio.lowlevel import checkpoint

from asyncexport.engine.transfers.turns import TURN_SECONDS, Turn, Turns
from asyncexport.testing import FakeClock


class Line:
    """Transfers that take turns on a clock which only their work moves."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.turns = Turns(self.clock)
        self.done: list[str] = []

    async def work(self, name: str, seconds: float = TURN_SECONDS) -> str:
        """Take so long without waiting."""
        self.clock.advance(seconds)
        self.done.append(name)
        return name

    async def transfer(self, name: str, steps: int, seconds: float = TURN_SECONDS) -> None:
        """Do so many steps in as few turns as it takes."""
        async with self.turns.turn() as turn:
            for _ in range(steps):
                assert await turn.doing(self.work(name, seconds)) == name


async def test_the_loop_is_held_for_one_turn_however_many_are_ready() -> None:
    """Between two looks of the loop at everything that is ready one transfer has worked, not all of them."""
    line, looks = Line(), [0.0]

    async def look() -> None:
        while True:
            await asyncio.sleep(0)
            looks.append(line.clock.now())

    looking = asyncio.create_task(look())
    await asyncio.gather(*(line.transfer(str(at), 10) for at in range(16)))
    looking.cancel()

    assert line.clock.now() == pytest.approx(160 * TURN_SECONDS)
    assert max(after - before for before, after in pairwise(looks)) <= 1.01 * TURN_SECONDS


async def test_a_turn_lasts_for_several_small_steps() -> None:
    """Giving way costs more than a small step, so a turn goes on until its time is over."""
    line = Line()
    await asyncio.gather(line.transfer("a", 4, TURN_SECONDS / 2), line.transfer("b", 4, TURN_SECONDS / 2))
    assert "".join(line.done) == "aabbaabb"


async def test_who_waits_in_a_step_holds_nobody_up() -> None:
    """While a sink waits, the others decode; the turn is taken up again before the next step."""
    line, opened = Line(), asyncio.Event()

    async def waits() -> str:
        await opened.wait()
        return await line.work("slow")

    async def slow() -> None:
        async with line.turns.turn() as turn:
            assert await turn.doing(waits()) == "slow"
            await turn.doing(line.work("slow again"))

    waiting = asyncio.create_task(slow())
    await checkpoint()
    await line.transfer("b", 3)
    opened.set()
    await waiting
    assert line.done == ["b", "b", "b", "slow", "slow again"]


@pytest.mark.parametrize("is_waiting", [False, True], ids=["at-once", "after-a-wait"])
async def test_a_step_that_fails_gives_the_turn_back(is_waiting: bool) -> None:
    """An error leaves the block as itself, and the next transfer has its turn."""
    line = Line()

    async def fails() -> None:
        if is_waiting:
            await checkpoint()
        raise ValueError("no")

    async def transfer() -> None:
        async with line.turns.turn() as turn:
            await turn.doing(fails())

    with pytest.raises(ValueError, match="no"):
        await transfer()
    await asyncio.wait_for(line.transfer("b", 1), 5)


async def test_a_transfer_cancelled_in_a_step_can_clean_up_and_leaves_the_turn_to_others() -> None:
    """The cancellation arrives where the step waits, and what the step waits for then holds nobody up either."""
    line, begun, cleaned = Line(), asyncio.Event(), asyncio.Event()

    async def waits() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await checkpoint()
            cleaned.set()

    async def transfer() -> None:
        async with line.turns.turn() as turn:
            await turn.doing(waits())

    waiting = asyncio.create_task(transfer())
    await begun.wait()
    waiting.cancel()
    await asyncio.wait_for(line.transfer("b", 1), 5)
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert cleaned.is_set()


async def test_a_transfer_cancelled_in_the_line_leaves_it() -> None:
    """Who is cancelled while it waits for a turn has none to give back."""
    line = Line()

    async def transfer(turn: Turn) -> None:
        async with turn:
            raise AssertionError("it had its turn")

    async with line.turns.turn() as held:
        in_line = asyncio.create_task(transfer(line.turns.turn()))
        await checkpoint()
        assert (repr(held), repr(line.turns)) == ("<Turn held>", "<Turns of 1 ms, 1 waiting>")
        in_line.cancel()
        await asyncio.wait([in_line])
    assert in_line.cancelled()
    assert repr(held) == "<Turn given back>"
    await asyncio.wait_for(line.transfer("b", 1), 5)
