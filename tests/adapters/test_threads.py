"""Work is waited for, whatever is cancelled meanwhile."""

from __future__ import annotations

import asyncio
import threading

import anyio
import pytest

from asyncexport.adapters.pump import Piece
from asyncexport.adapters.threads import ended, in_thread


class Work:
    """Work that goes on until it is allowed to end."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.may_end = threading.Event()
        self.ended = False

    def __call__(self) -> str:
        self.begun.set()
        self.may_end.wait()
        self.ended = True
        return "done"


async def begun(work: Work) -> None:
    await asyncio.to_thread(work.begun.wait)


async def test_the_result_comes_back() -> None:
    """What the work returns is returned."""
    assert await in_thread(lambda: 42) == 42


async def test_an_error_comes_back() -> None:
    """What the work raises is raised, as itself."""

    def fail() -> None:
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        await in_thread(fail)


async def test_the_loop_goes_on_meanwhile() -> None:
    """The work blocks its thread and nothing else."""
    work = Work()
    task = asyncio.create_task(in_thread(work))
    await begun(work)
    work.may_end.set()
    assert await task == "done"


@pytest.mark.parametrize("times", [1, 3])
async def test_a_cancelled_task_waits_for_the_end(times: int) -> None:
    """Cancelled once or several times, it ends as cancelled, but not before the work has ended."""
    work = Work()
    task = asyncio.create_task(in_thread(work))
    await begun(work)
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert not task.done()
    work.may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.ended


async def test_a_cancelled_scope_waits_for_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """An anyio scope is obeyed in the same way, and its repeated cancelling does not make the loop spin."""
    work, waits = Work(), []
    real = Piece.told

    async def counted(piece: Piece[object]) -> None:
        waits.append(piece)
        await real(piece)

    async def cancel() -> None:
        await begun(work)
        scope.cancel()
        for _ in range(20):
            await asyncio.sleep(0)
        work.may_end.set()

    monkeypatch.setattr(Piece, "told", counted)
    canceller = asyncio.create_task(cancel())
    with anyio.CancelScope() as scope:
        await in_thread(work)
        await anyio.lowlevel.checkpoint()
    await canceller
    assert scope.cancelled_caught
    assert work.ended
    assert len(waits) == 2


async def test_cancellation_wins_over_an_error() -> None:
    """Who was cancelled is not told of a failure that nobody asks for any more."""
    work = Work()

    def fail() -> None:
        work()
        raise OSError("no")

    task = asyncio.create_task(in_thread(fail))
    await begun(work)
    task.cancel()
    await asyncio.sleep(0)
    work.may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_task_that_was_cancelled_itself() -> None:
    """Waiting for a task that somebody else cancels ends like that task."""
    running = asyncio.create_task(asyncio.sleep(3600))
    waiting = asyncio.create_task(ended(running))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
