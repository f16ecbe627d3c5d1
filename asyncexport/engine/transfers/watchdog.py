"""No call of a sink lasts for ever: what takes too long is cancelled, what ignores that is left behind.

Contract: :meth:`Watchdog.run` awaits a piece of work in a task of its own, in which every call of the sink stands
inside :meth:`Watchdog.calling`. A call that takes longer than ``seconds`` is cancelled and :class:`SinkError` raised in
its place, so that the sink's block is left by an error and rolls back; that call has ``seconds`` of its own. When the
caller is cancelled the work is cancelled once, so that the sink may still wait while it closes, for up to
:data:`GRACE_SECONDS`. A call that has been cancelled and does not end within these is abandoned: its task stays
behind, and the caller goes on with a :class:`SinkError` or with its own cancellation.

Plan. All calls of one transaction are made by the same task, since a sink may hold timeouts and task groups open
between them. A timer is set only once a call has suspended, and stands for the calls that follow: work whose sink never
waits costs one task and no timer. What is called for every batch, :meth:`Watchdog.doing`, begins unwatched and is
watched from where it first waits: most sinks never do. Only the timer and the caller cancel the work's task, so
whose cancellation arrives is always known, and one that nobody asked for is the sink's own fault.

Worst case: a call ends ``seconds`` + :data:`GRACE_SECONDS` after it began. What is abandoned is still there: a commit
may come about late, for the next run to find, and ``asyncio.run`` waits at its end for the task, and the interpreter
for a thread that hangs in the kernel, until a signal ends them (the command line waits some seconds, and leaves). Not
watched are work outside of the sink's calls, a call that blocks the loop, and anything at all where ``seconds`` is
infinite.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from asyncexport.adapters.alarm import call_later
from asyncexport.adapters.threads import settled
from asyncexport.errors import SinkError
from asyncexport.events import OddityNoticed
from asyncexport.ports import Clock, Listener

T = TypeVar("T")

GRACE_SECONDS = 30.0
"""So long a call may take to end once it has been cancelled."""


@dataclass(slots=True, eq=False)
class _Call:
    """A call under way: what the sink is to do, by when, and whether it has been cancelled."""

    doing: str
    due: float
    is_cancelled: bool = False


class Watchdog:
    """Watches one piece of work. ``name`` is the sink's, for messages; ``seconds`` bounds each of its calls."""

    def __init__(self, name: str, *, clock: Clock, seconds: float, listener: Listener) -> None:
        self._name = name
        self._clock = clock
        self._seconds = seconds
        self._listener = listener
        self._task: asyncio.Task[Any] | None = None
        self._over: asyncio.Future[None] | None = None
        self._unset: Callable[[], object] | None = None
        self._call: _Call | None = None
        self._abandoned = ""
        self._is_stopped = False

    async def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return what ``work()`` returns, raise what it raises. Raises :class:`SinkError` for what was abandoned."""
        if math.isinf(self._seconds):
            return await work()
        over = self._over = asyncio.get_running_loop().create_future()
        task: asyncio.Task[T] = asyncio.create_task(work())
        self._task = task
        task.add_done_callback(self._end)
        try:
            await self._until(over)
        finally:
            self._watch(None)
            if self._abandoned:
                self._listener(OddityNoticed(self._abandoned))
        if self._abandoned:
            raise SinkError(self._abandoned)
        if task.cancelled():
            raise SinkError(f"{self._name} cancelled itself")
        return task.result()

    @contextmanager
    def calling(self, doing: str) -> Iterator[None]:
        """Watch one call inside the work. Raises :class:`SinkError` in place of one that took too long."""
        if self._task is None:
            yield
            return
        call = self._call = _Call(doing, self._clock.now() + (GRACE_SECONDS if self._is_stopped else self._seconds))
        asyncio.get_running_loop().call_soon(self._look_after, call)
        try:
            with suppress(asyncio.CancelledError):
                yield
                if not call.is_cancelled:
                    return
        finally:
            self._call = None
            if call.is_cancelled and not self._is_stopped:
                self._task.uncancel()
        if self._is_stopped:
            raise asyncio.CancelledError
        if call.is_cancelled:
            raise SinkError(self._late(call))
        raise SinkError(f"{self._name} cancelled itself when it was to {doing}")

    async def doing(self, what: str, call: Coroutine[Any, Any, T]) -> T:
        """Return what a call inside the work returns, watched as by :meth:`calling` if it waits at all."""
        try:
            waits_for = call.send(None)
        except StopIteration as end:
            result: T = end.value
            return result
        except asyncio.CancelledError:
            with self.calling(what):
                raise
        with self.calling(what):
            return await _Begun(call, waits_for)

    async def _until(self, over: asyncio.Future[None]) -> None:
        try:
            await asyncio.shield(over)
        except asyncio.CancelledError:
            self._stop()
            with suppress(asyncio.CancelledError):
                await settled(over)
            raise

    def _stop(self) -> None:
        """Cancel the work for its caller; a call that has been cancelled already goes on to its end."""
        self._is_stopped = True
        call = self._call
        if call is None:
            self._watch(None)  # what comes now has less time
            self._cancel()
        elif not call.is_cancelled:
            self._cut_short(call)
            self._watch(call)

    def _look_after(self, call: _Call) -> None:
        if call is self._call and self._unset is None:
            self._watch(call)

    def _watch(self, call: _Call | None) -> None:
        """Set the timer for ``call`` instead of what it was set for."""
        if self._unset is not None:
            self._unset()
            self._unset = None
        if call is not None:
            self._unset = call_later(self._clock, max(0.0, call.due - self._clock.now()), self._ring)

    def _ring(self) -> None:
        """See to the call that is under way, which may have begun since the timer was set."""
        self._unset, call = None, self._call
        if call is not None and call.due <= self._clock.now():
            if call.is_cancelled:
                self._abandon(call)
                return
            self._cut_short(call)
        self._watch(call)

    def _cut_short(self, call: _Call) -> None:
        call.is_cancelled = True
        call.due = self._clock.now() + GRACE_SECONDS
        self._cancel()

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _abandon(self, call: _Call) -> None:
        late = f"did not end within {GRACE_SECONDS:.0f} s of being cancelled"
        self._abandoned = f"{self._name} {late}" if self._is_stopped else f"{self._late(call)} and {late}"
        self._abandoned += "; it is left behind and may still hold what it opened"
        self._end(None)

    def _end(self, task: asyncio.Task[Any] | None) -> None:
        """The work has ended, or is not waited for any more; then nobody else asks how it did."""
        if task is not None and not task.cancelled():
            task.exception()
        if self._over is not None and not self._over.done():
            self._over.set_result(None)

    def _late(self, call: _Call) -> str:
        return f"{self._name} did not {call.doing} within {self._seconds:g} s"

    def __repr__(self) -> str:
        return f"<Watchdog {self._name} {self._call.doing if self._call else 'idle'}>"


class _Begun(Generator[Any, Any, T]):
    """Awaits the rest of a coroutine, which has begun and waits for something."""

    def __init__(self, call: Coroutine[Any, Any, T], waits_for: object) -> None:
        self._call = call
        self._waits_for: object = waits_for
        self._is_passed_on = False

    def __await__(self) -> Generator[Any, Any, T]:
        return self

    def send(self, value: object) -> Any:  # noqa: ANN401  whatever the event loop's futures hand through
        if self._is_passed_on:
            return self._call.send(value)
        self._is_passed_on = True
        return self._waits_for

    def throw(self, *error: Any) -> Any:  # noqa: ANN401
        return self._call.throw(*error)
