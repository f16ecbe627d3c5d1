"""An event loop whose every suspension is counted, so that a run can be cancelled at each of them in turn.

Plan: every task's coroutine is wrapped, and whenever one yields to the loop, whichever task it is, the counter goes up
by one; at the chosen count the *caller* is cancelled, as an embedding program or a signal would do it. Threads are
replaced by work that is done some turns of the loop later and cannot be stopped meanwhile, as a thread cannot be; with
a clock that jumps and a transport without sockets the same run then suspends in the same places each time.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from anyio.lowlevel import checkpoint

T = TypeVar("T")

_TURNS = 2
"""So many turns of the loop a piece of work is on its way in its thread."""


@dataclass
class Course:
    """What a run came to: ``steps`` suspensions, of which number ``cancel_at`` and the next ``times`` - 1 cancelled."""

    cancel_at: int = 0
    times: int = 1
    steps: int = 0
    result: object = None
    error: BaseException | None = None

    def step(self, caller: asyncio.Task[Any]) -> None:
        """One task has yielded to the loop."""
        if caller.done():
            return
        self.steps += 1
        if self.cancel_at and self.cancel_at <= self.steps < self.cancel_at + self.times:
            caller.cancel()


class _Stepping(Coroutine[Any, Any, T]):
    """A coroutine that tells of each of its suspensions, and is itself in everything else."""

    def __init__(self, inner: Coroutine[Any, Any, T], tell: Callable[[], None]) -> None:
        self._inner = inner
        self._tell = tell

    def send(self, value: Any) -> Any:
        waits_for = self._inner.send(value)
        self._tell()
        return waits_for

    def throw(self, *error: Any) -> Any:
        waits_for = self._inner.throw(*error)
        self._tell()
        return waits_for

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Generator[Any, None, T]:
        return self._inner.__await__()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class Turns(ThreadPoolExecutor):
    """Work that is done in the loop's own thread, some turns later; ``under_way`` counts what is not done yet."""

    def __init__(self) -> None:
        super().__init__(max_workers=1)
        self.under_way = 0

    def submit(self, work: Callable[..., T], /, *args: Any, **named: Any) -> Future[T]:
        """Take work on. It cannot be cancelled any more."""
        promise: Future[T] = Future()
        promise.set_running_or_notify_cancel()
        self.under_way += 1
        loop = asyncio.get_running_loop()

        def turn(left: int) -> None:
            if left:
                loop.call_soon(turn, left - 1)
                return
            self.under_way -= 1
            try:
                promise.set_result(work(*args, **named))
            except BaseException as error:
                promise.set_exception(error)
                if not isinstance(error, Exception):
                    raise

        loop.call_soon(turn, _TURNS)
        return promise


class Left(AssertionError):
    """Something is still there that should be gone."""


Work = Callable[[], Coroutine[Any, Any, object]]
Around = Callable[[], AbstractAsyncContextManager[Work]]

_COUNTED: ContextVar[bool] = ContextVar("counted", default=False)


def course_of(work: Work, *, cancel_at: int = 0, times: int = 1, debug: bool = False) -> Course:
    """Run ``work()`` in a loop of its own, cancelled as told; raise :class:`Left` if anything is left behind it."""

    @asynccontextmanager
    async def alone() -> AsyncIterator[Work]:
        yield work

    return course_within(alone, cancel_at=cancel_at, times=times, debug=debug, settling=0.0)


def course_within(
    around: Around, *, cancel_at: int = 0, times: int = 1, debug: bool = False, settling: float = 30.0
) -> Course:
    """Run the work that the block ``around()`` gives, like :func:`course_of`; what is in the block is not counted.

    What is left behind may take the block's own tasks up to ``settling`` seconds to notice.
    """
    course = Course(cancel_at, times)
    before = descriptors()
    with asyncio.Runner(debug=debug, loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(_supervised(around, course, settling))
    if left := descriptors() - before:
        raise Left(f"descriptors: {left}")
    return course


async def _supervised(around: Around, course: Course, settling: float) -> None:
    loop = asyncio.get_running_loop()
    loop.slow_callback_duration = math.inf
    turns = Turns()
    loop.set_default_executor(turns)
    complaints: list[str] = []
    loop.set_exception_handler(lambda _, context: complaints.append(str(context)))
    async with around() as work:
        tasks, files = asyncio.all_tasks(), descriptors()

        def left() -> str:
            now = (asyncio.all_tasks() - tasks, descriptors() - files, turns.under_way, complaints)
            return f"tasks {now[0]}, descriptors {now[1]}, threads {now[2]}, complaints {now[3]}" if any(now) else ""

        caller = _stepped(loop, work, course)
        await asyncio.wait({caller})
        loop.set_task_factory(None)
        until = loop.time() + settling
        while left() and loop.time() < until:
            await checkpoint()
        if left():
            raise Left(left())
    _take_down(course, caller)


def _take_down(course: Course, caller: asyncio.Task[object]) -> None:
    if caller.cancelled():
        course.error = asyncio.CancelledError()
    elif (error := caller.exception()) is not None:
        course.error = error
    else:
        course.result = caller.result()


def _stepped(loop: asyncio.AbstractEventLoop, work: Work, course: Course) -> asyncio.Task[object]:
    holder: list[asyncio.Task[object]] = []

    def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **named: Any) -> asyncio.Task[Any]:
        if _COUNTED.get():
            coroutine = _Stepping(coroutine, lambda: course.step(holder[0]))
        return asyncio.Task(coroutine, loop=loop, **named)

    loop.set_task_factory(factory)
    context = copy_context()
    context.run(_COUNTED.set, True)
    # A task made in another context runs in a copy of it, and so does whatever it starts.
    holder.append(context.run(loop.create_task, work()))
    return holder[0]


def descriptors() -> set[str]:
    """Return what this process has open: each descriptor's number and what it leads to."""
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(f"{descriptor.name} {descriptor.readlink()}")
    return found
