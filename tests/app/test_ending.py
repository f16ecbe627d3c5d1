"""How a command's loop ends: nothing that a sink has left behind holds the process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from asyncexport.app.ending import ended
from asyncexport.app.exits import Exit
from asyncexport.errors import DiskFull
from tests.app.support import python

NO_TIME = 0.01
TOLD = "what was begun has not come back (a sink, or the lookup of a name); the process ends without it\n"


class Left:
    """What leaves the process, here only the call: frees what hangs, so that the test can go on."""

    def __init__(self, free: Callable[[], object]) -> None:
        self.statuses: list[int] = []
        self._free = free

    def __call__(self, status: int) -> None:
        """Note the status."""
        self.statuses.append(status)
        self._free()


def never(_status: int) -> None:
    """Leave, where nobody should."""
    raise AssertionError


async def fine() -> Exit:
    """Work that has nothing to tell."""
    return Exit.OK


async def full() -> Exit:
    """Work that fails."""
    raise DiskFull("no space left")


@pytest.mark.parametrize(("work", "status", "said"), [(fine, 0, ""), (full, 74, "error: no space left\n")])
def test_the_status_of_the_work(
    work: Callable[[], Awaitable[Exit]], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is what the work returns, or what its error stands for, which is told."""
    assert ended(work(), leave=never) == status  # type: ignore[arg-type]
    assert capsys.readouterr().err == said


def test_ctrl_c() -> None:
    """It ends the work and is a status like any other."""

    async def work() -> Exit:
        raise KeyboardInterrupt

    assert ended(work(), leave=never) == 130


def test_a_task_that_is_left_is_cancelled() -> None:
    """One that gives in is waited for, and the process goes on."""
    course: list[str] = []

    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            course.append("tidied up")

    async def work() -> Exit:
        tasks.append(asyncio.create_task(slow()))
        await asyncio.sleep(0)
        return Exit.OK

    tasks: list[asyncio.Task[None]] = []
    assert ended(work(), leave=never) == 0
    assert course == ["tidied up"]


def test_a_thread_that_comes_to_its_end_is_waited_for() -> None:
    """Whatever became of the task that began it."""
    began, may_end, course = threading.Event(), threading.Event(), list[str]()

    def write() -> None:
        began.set()
        may_end.wait()
        course.append("written")

    async def work() -> Exit:
        tasks.append(asyncio.create_task(asyncio.to_thread(write)))
        while not began.is_set():  # noqa: ASYNC110  a thread sets it
            await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(may_end.set)
        return Exit.OK

    tasks: list[asyncio.Task[None]] = []
    assert ended(work(), leave=never) == 0
    assert course == ["written"]


@pytest.mark.parametrize(("work", "status"), [(fine, 0), (full, 74)])
def test_a_task_that_is_deaf_is_left(
    work: Callable[[], Awaitable[Exit]], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """After the grace the process ends with the status that the work has, and says why so suddenly."""
    is_deaf = [True]

    async def deaf() -> None:
        while is_deaf[0]:
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    async def leaving() -> Exit:
        tasks.append(asyncio.create_task(deaf()))
        await asyncio.sleep(0)
        return await work()

    tasks: list[asyncio.Task[None]] = []
    left = Left(lambda: is_deaf.__setitem__(0, False))
    assert ended(leaving(), grace=NO_TIME, leave=left) == status
    assert left.statuses == [status]
    assert capsys.readouterr().err.endswith(TOLD)


def test_a_thread_that_hangs_is_left() -> None:
    """The task that began it is gone, the thread is not."""
    hanging = threading.Event()

    async def work() -> Exit:
        tasks.append(asyncio.create_task(asyncio.to_thread(hanging.wait)))
        await asyncio.sleep(0)
        return Exit.AGAIN

    tasks: list[asyncio.Task[bool]] = []
    left = Left(hanging.set)
    assert ended(work(), grace=NO_TIME, leave=left) == 75
    assert left.statuses == [75]


HANGS = """
import asyncio, threading
from asyncexport.app.ending import ended

async def deaf():
    while True:
        try:
            await asyncio.to_thread(threading.Event().wait)
        except asyncio.CancelledError:
            pass

async def work():
    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    print("all that is known", end="")
    return 74

ended(work(), grace=0.01)
print("never said")
"""


def test_the_process_ends() -> None:
    """What hangs keeps neither loop nor interpreter, and what was printed is not lost."""
    with python("-c", HANGS) as process:
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (74, "all that is known")
    assert err == TOLD
