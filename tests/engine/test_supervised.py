"""The block that owns background work."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator

import anyio
import pytest
from anyio.streams.memory import MemoryObjectSendStream

from asyncexport.engine.supervised import Supervised


class Work:
    """Sends ``items`` and then ends as told; remembers what became of it."""

    def __init__(self, items: int, *, error: BaseException | None = None, lingers: bool = False) -> None:
        self._items = items
        self._error = error
        self._lingers = lingers
        self.sent = 0
        self.cleaned_up = False

    async def __call__(self, send: MemoryObjectSendStream[int]) -> None:
        """Do it."""
        try:
            for at in range(self._items):
                await send.send(at)
                self.sent += 1
            if self._error is not None:
                raise self._error
            if self._lingers:
                await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await asyncio.sleep(0)
            self.cleaned_up = True


async def collected(items: AsyncIterator[int]) -> list[int]:
    """Iterate to the end."""
    return [item async for item in items]


async def test_everything_that_is_sent_comes_out_and_then_it_ends() -> None:
    """The iteration ends when the work does."""
    async with Supervised(Work(3), buffer=math.inf) as items:
        assert await collected(items) == [0, 1, 2]


async def test_an_error_of_the_work_comes_out_as_itself_after_the_items() -> None:
    """What was sent before the error is still delivered; the error is no group."""
    group = ExceptionGroup("outer", [ExceptionGroup("inner", [ZeroDivisionError("bug")])])
    got: list[int] = []
    with pytest.raises(ZeroDivisionError, match="bug"):
        async with Supervised(Work(2, error=group), buffer=math.inf) as items:
            async for item in items:
                got.append(item)
    assert got == [0, 1]


async def test_an_exception_of_the_caller_comes_out_as_itself_and_ends_the_work() -> None:
    """The caller's code runs in nobody's task group."""
    work = Work(1, lingers=True)
    with pytest.raises(KeyError, match="mine"):
        async with Supervised(work, buffer=math.inf) as items:
            async for _ in items:
                raise KeyError("mine")
    assert work.cleaned_up


async def test_leaving_early_ends_the_work_and_waits_for_its_cleanup() -> None:
    """Nothing runs on behind the block."""
    work = Work(1, lingers=True)
    before = asyncio.all_tasks()
    async with Supervised(work, buffer=math.inf) as items:
        async for _ in items:
            break
    assert work.cleaned_up
    assert asyncio.all_tasks() == before


async def test_leaving_before_the_work_began_is_no_error() -> None:
    """A block that is left at once leaves nothing behind."""
    work = Work(1)
    async with Supervised(work, buffer=math.inf):
        pass
    assert work.sent == 0


async def test_an_error_of_work_that_nobody_iterated_is_not_lost() -> None:
    """Leaving cleanly after the work has failed raises what it failed with."""
    with pytest.raises(ZeroDivisionError):
        async with Supervised(Work(0, error=ZeroDivisionError()), buffer=math.inf):
            for _ in range(10):
                await asyncio.sleep(0)


async def test_without_a_buffer_the_work_waits_for_the_caller() -> None:
    """The caller's pace is the work's pace."""
    work = Work(10)
    async with Supervised(work, buffer=0) as items:
        async for item in items:
            for _ in range(5):
                await asyncio.sleep(0)
            assert work.sent <= item + 1


async def test_a_caller_cancelled_while_leaving_still_waits_for_the_work() -> None:
    """Cancellation during the cleanup is passed on after the cleanup, not instead of it."""
    work = Work(1, lingers=True)

    async def caller() -> None:
        async with Supervised(work, buffer=math.inf) as items:
            async for _ in items:
                asyncio.get_running_loop().call_soon(task.cancel)
                break

    task = asyncio.create_task(caller())
    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.cleaned_up


async def test_leaving_what_was_never_entered_is_a_mistake() -> None:
    """Misuse is told, not hung upon."""
    with pytest.raises(RuntimeError, match="without having been entered"):
        await Supervised(Work(0), buffer=0).__aexit__(None, None, None)


async def test_an_error_that_was_told_in_the_loop_is_not_told_again() -> None:
    """Whoever catches it around the loop has dealt with it."""
    async with Supervised(Work(0, error=ZeroDivisionError("bug")), buffer=math.inf) as items:
        with pytest.raises(ZeroDivisionError):
            await collected(items)


async def test_an_error_of_the_cleanup_is_told() -> None:
    """Work that fails while it is being ended does not fail in silence."""

    async def work(send: MemoryObjectSendStream[int]) -> None:
        try:
            await send.send(1)
            await anyio.sleep_forever()
        finally:
            raise ZeroDivisionError("cleanup")

    with pytest.raises(ZeroDivisionError, match="cleanup"):
        async with Supervised(work, buffer=math.inf) as items:
            async for _ in items:
                break


async def test_an_error_of_the_caller_wins_over_one_of_the_cleanup() -> None:
    """The first thing that went wrong is the thing to look at."""

    async def work(send: MemoryObjectSendStream[int]) -> None:
        try:
            await send.send(1)
            await anyio.sleep_forever()
        finally:
            raise ZeroDivisionError("cleanup")

    with pytest.raises(KeyError, match="mine"):
        async with Supervised(work, buffer=math.inf) as items:
            async for _ in items:
                raise KeyError("mine")
