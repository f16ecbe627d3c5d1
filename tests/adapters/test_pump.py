"""Blocking work in few threads: all of it is done, in order, and whoever waits is told."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.thread import BrokenThreadPool
from contextvars import ContextVar
from functools import partial
from typing import Any

import pytest

from asyncexport.adapters import pump
from asyncexport.adapters.pump import MOST, TURNS, Pumps, pumps
from asyncexport.adapters.threads import in_thread

NAME: ContextVar[str] = ContextVar("NAME")


@pytest.fixture(autouse=True)
async def ended() -> None:
    """Each test has an executor of its own, so that no pump of another test is in its way."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(MOST))


async def test_everything_is_done_once() -> None:
    """However much is put in at once, every piece of it is done and comes back to whoever put it in."""
    count = 5 * TURNS

    assert await asyncio.gather(*(in_thread(partial(int, at)) for at in range(count))) == list(range(count))


async def test_what_is_put_in_alone_begins_in_order() -> None:
    """With one thread the work is done in the order in which it came."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    done: list[int] = []
    await asyncio.gather(*(in_thread(partial(done.append, at)) for at in range(3 * TURNS)))

    assert done == list(range(3 * TURNS))


async def test_work_beside_work_that_blocks() -> None:
    """As long as there are threads nothing waits for a piece of work that blocks."""
    may_end = threading.Event()
    blocked = [asyncio.create_task(in_thread(may_end.wait)) for _ in range(MOST - 1)]
    await asyncio.sleep(0)
    await in_thread(lambda: None)
    may_end.set()

    assert await asyncio.gather(*blocked) == [True] * (MOST - 1)


async def test_never_more_threads_than_that() -> None:
    """More work than there are threads waits for them."""
    may_end, begun = threading.Event(), threading.Semaphore(0)

    def work() -> None:
        begun.release()
        may_end.wait()

    blocked = [asyncio.create_task(in_thread(work)) for _ in range(MOST + 1)]
    await asyncio.sleep(0)
    for _ in range(MOST):
        assert begun.acquire(timeout=30)
    assert repr(pumps()) == f"<Pumps {MOST} running, 1 waiting>"
    may_end.set()
    await asyncio.gather(*blocked)


async def test_others_have_the_threads_too() -> None:
    """What somebody else asks of the executor is not kept waiting until all our work is done."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    order: list[str] = []
    ours = [asyncio.create_task(in_thread(lambda: order.append("ours"))) for _ in range(2 * MOST * TURNS)]
    await asyncio.sleep(0)
    await asyncio.to_thread(order.append, "theirs")
    await asyncio.gather(*ours)

    assert order.index("theirs") <= MOST * TURNS + 1


async def test_the_context_goes_along() -> None:
    """Work sees the context variables of the task that put it in."""
    NAME.set("acme")

    assert await in_thread(NAME.get) == "acme"


async def test_an_executor_that_takes_nothing() -> None:
    """Where no thread can be had any more the work fails instead of waiting for ever."""
    executor = ThreadPoolExecutor(1)
    asyncio.get_running_loop().set_default_executor(executor)
    executor.shutdown()

    with pytest.raises(RuntimeError, match="shutdown"):
        await in_thread(lambda: None)
    assert repr(pumps()) == "<Pumps 0 running, 0 waiting>"


async def test_an_executor_that_takes_nothing_more() -> None:
    """What cannot have a thread of its own is left to one that works."""
    executor, may_end = ThreadPoolExecutor(1), threading.Event()
    asyncio.get_running_loop().set_default_executor(executor)
    first = asyncio.create_task(in_thread(may_end.wait))
    await asyncio.sleep(0)
    executor.shutdown(wait=False)
    second = asyncio.create_task(in_thread(lambda: 2))
    await asyncio.sleep(0)
    may_end.set()

    assert (await first, await second) == (True, 2)


async def test_an_executor_that_drops_what_it_took() -> None:
    """Work that an executor has taken and dropped when it was shut down fails, and nobody waits for it for ever."""
    executor, may_end = ThreadPoolExecutor(1), threading.Event()
    asyncio.get_running_loop().set_default_executor(executor)
    busy = executor.submit(may_end.wait)
    dropped = [asyncio.create_task(in_thread(lambda: None)) for _ in range(2)]
    await asyncio.sleep(0)
    executor.shutdown(wait=False, cancel_futures=True)
    may_end.set()

    async with asyncio.timeout(30):
        failures = await asyncio.gather(*dropped, return_exceptions=True)
    assert [str(failure) for failure in failures] == ["the executor was shut down before it did this work"] * 2
    assert busy.result()
    assert repr(pumps()) == "<Pumps 0 running, 0 waiting>"


async def test_an_executor_whose_threads_cannot_begin() -> None:
    """Where each thread fails before it takes work, the work fails as any other of that executor does."""
    broken = ThreadPoolExecutor(1, initializer=lambda: 1 / 0)
    asyncio.get_running_loop().set_default_executor(broken)

    async with asyncio.timeout(30):
        with pytest.raises(BrokenThreadPool):
            await in_thread(lambda: None)
    assert repr(pumps()) == "<Pumps 0 running, 0 waiting>"


class Refusing(ThreadPoolExecutor):
    """Raises for every call once it ``refuses``, and does it all the same, as where no thread can be started."""

    refuses = False

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Take the call, then raise."""
        taken = super().submit(call, *args, **kwargs)
        if self.refuses:
            raise RuntimeError("can't start new thread")
        return taken


async def test_a_call_that_was_refused_and_done() -> None:
    """What was given up is not done later, and the pumps are counted as they are."""
    executor = Refusing(1)
    asyncio.get_running_loop().set_default_executor(executor)
    done: list[str] = []
    executor.refuses = True
    may_end = threading.Event()
    ThreadPoolExecutor.submit(executor, may_end.wait)
    for _ in range(3):
        with pytest.raises(RuntimeError, match="can't start"):
            await in_thread(lambda: done.append("given up"))
    may_end.set()
    executor.refuses = False

    await in_thread(lambda: done.append("done"))
    executor.shutdown()
    assert repr(pumps()) == "<Pumps 0 running, 0 waiting>"
    assert done == ["done"]


def test_a_loop_that_is_closed() -> None:
    """Work that outlives its loop ends in its thread, and nobody is told."""
    may_end, executor = threading.Event(), ThreadPoolExecutor(1)
    loop = asyncio.new_event_loop()
    loop.set_default_executor(executor)

    async def begin() -> None:
        for _ in range(2 * TURNS):
            pumps().put(may_end.wait)

    loop.run_until_complete(begin())
    loop.close()
    may_end.set()
    executor.shutdown()


def test_loops_are_let_go() -> None:
    """What worked for a loop does not keep it."""

    async def work() -> weakref.ref[asyncio.AbstractEventLoop]:
        await in_thread(lambda: None)
        return weakref.ref(asyncio.get_running_loop())

    former = asyncio.run(work())
    gc.collect()
    assert former() is None


async def test_an_error_leads_to_nothing_else() -> None:
    """An error that was raised is not kept by what carried it."""
    piece = Pumps().put(lambda: 1 / 0)
    await piece.told()
    with pytest.raises(ZeroDivisionError):
        piece.result()

    assert piece._error is None
    assert repr(piece) == "<Piece over>"


def test_as_many_threads_as_the_executor() -> None:
    """There are pumps for as many threads as asyncio's own executor has."""
    assert ThreadPoolExecutor()._max_workers == pump.MOST
