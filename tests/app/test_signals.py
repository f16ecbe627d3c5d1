"""The first signal drains, the second stops, the third is the system's."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from asyncexport.app.exits import Exit
from asyncexport.app.signals import Interruption, interruptible


class Told:
    """What was said and done."""

    def __init__(self, *, grace: float = 25.0, drains: bool = True) -> None:
        self.said: list[str] = []
        self.drained = 0
        self.interruption = Interruption(grace=grace, tell=self.said.append)
        if drains:
            self.interruption.drain = self.drain

    def drain(self) -> None:
        self.drained += 1


def test_the_first_signal() -> None:
    """The first signal drains, gives the grace, and says what a second one would do."""
    told = Told()
    assert told.interruption.arrive(signal.SIGTERM) == 25.0
    assert told.interruption.status is Exit.TERMINATED
    assert told.drained == 1
    assert not told.interruption.final
    assert told.said == [
        "SIGTERM: starting nothing new; what is under way has 25 s to finish, a second signal stops it now"
    ]


def test_the_second_signal() -> None:
    """The second signal stops now; the status stays that of the first; a third changes nothing."""
    told = Told()
    told.interruption.arrive(signal.SIGINT)
    assert told.interruption.arrive(signal.SIGTERM) == 0.0
    assert told.interruption.final
    assert told.interruption.status is Exit.INTERRUPTED
    assert told.interruption.arrive(signal.SIGINT) is None
    assert told.drained == 1
    assert told.said[-1] == "SIGTERM: stopping now"


def test_nothing_to_drain() -> None:
    """Before anything is under way, or without grace, the first signal stops at once."""
    assert Told(drains=False).interruption.arrive(signal.SIGINT) == 0.0
    told = Told(grace=0)
    assert told.interruption.arrive(signal.SIGINT) == 0.0
    assert told.drained == 0
    assert repr(told.interruption) == "<Interruption after 1 signals, status 130>"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_signal_that_stops(number: signal.Signals, status: int) -> None:
    """The block is cancelled, left without an exception, and says how the process ought to end."""
    told = Told(grace=0)
    reached = False
    async with interruptible(told.interruption):
        os.kill(os.getpid(), number)
        await asyncio.Event().wait()
        reached = True
    assert not reached
    assert told.interruption.status == status


async def test_a_block_that_drains_in_time() -> None:
    """What finishes within the grace is not cancelled."""
    told = Told(grace=3600)
    drained = asyncio.Event()
    told.interruption.drain = drained.set
    async with interruptible(told.interruption):
        os.kill(os.getpid(), signal.SIGTERM)
        await drained.wait()
    assert told.interruption.status is Exit.TERMINATED


async def test_a_second_signal_within_the_grace() -> None:
    """The second signal cancels what the first one had left running."""
    told = Told(grace=3600)
    told.interruption.drain = lambda: os.kill(os.getpid(), signal.SIGINT)
    async with interruptible(told.interruption):
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()
    assert told.interruption.final


async def test_a_signal_while_the_block_is_being_cancelled() -> None:
    """A further signal while the block cleans up changes nothing and breaks nothing."""
    told = Told(grace=0)
    second = asyncio.Event()
    told.interruption = Interruption(grace=0, tell=lambda _: second.set() if told.interruption.final else None)
    async with interruptible(told.interruption):
        os.kill(os.getpid(), signal.SIGINT)
        try:
            await asyncio.Event().wait()
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            await second.wait()
    assert told.interruption.status is Exit.INTERRUPTED


async def test_handlers_afterwards() -> None:
    """After the block, and after the second signal, the handlers are what they were before."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with interruptible(Told().interruption):
        assert signal.getsignal(signal.SIGTERM) != before[1]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


async def test_a_timeout_of_the_block_itself() -> None:
    """A TimeoutError that is not ours comes out as itself."""
    with pytest.raises(TimeoutError, match="theirs"):
        async with interruptible(Told().interruption):
            raise TimeoutError("theirs")


async def test_being_cancelled_from_outside() -> None:
    """Cancellation that no signal asked for is passed on."""

    async def block() -> None:
        async with interruptible(Told().interruption):
            await asyncio.Event().wait()

    task = asyncio.create_task(block())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
