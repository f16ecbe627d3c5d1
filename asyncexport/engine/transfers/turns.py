"""Transfers in one loop take turns: one of them works at a time, for about a millisecond, and then the loop goes on.

Contract: who has a :class:`Turn` is the only one that decodes and writes. A turn ends with its block, when its time is
over, and as soon as its holder waits for anything, so that a sink that waits holds up nobody but its own transfer.

Why: yielding to the loop is not enough. A loop runs everything that is ready before it looks at its sockets and timers
again, so with sixteen transfers that are ready it would be held for sixteen times what each of them does before it
yields. The lock lets one be ready and the others wait for it.

Worst case: the loop is held for one turn and whatever its last step took: one batch of rows, some 32 KiB, or one row as
large as a row may be.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import Any, TypeVar

import anyio

from asyncexport.ports import Clock

T = TypeVar("T")

TURN_SECONDS = 0.001


class Turns:
    """What the transfers of one loop share. ``seconds``: how long a turn may last."""

    def __init__(self, clock: Clock, seconds: float = TURN_SECONDS) -> None:
        self._clock = clock
        self._seconds = seconds
        self._lock = anyio.Lock()

    def turn(self) -> Turn:
        """Return a turn, to be waited for by ``async with``."""
        return Turn(self._lock, self._clock, self._seconds)

    def __repr__(self) -> str:
        return f"<Turns of {self._seconds * 1000:g} ms, {self._lock.statistics().tasks_waiting} waiting>"


class Turn:
    """An async context manager: inside its block every step is handed to :meth:`doing`."""

    def __init__(self, lock: anyio.Lock, clock: Clock, seconds: float) -> None:
        self._lock = lock
        self._clock = clock
        self._seconds = seconds
        self._ends_at: float | None = None

    async def __aenter__(self) -> Turn:
        await self._begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_back()

    async def doing(self, step: Coroutine[Any, Any, T]) -> T:
        """Return what ``step`` returns. If it waits, or the turn is over by then, the next turn is waited for."""
        result = await _Telling(step, self._give_back)
        if self._ends_at is None or self._clock.now() >= self._ends_at:
            self._give_back()
            await self._begin()
        return result

    async def _begin(self) -> None:
        await self._lock.acquire()
        self._ends_at = self._clock.now() + self._seconds

    def _give_back(self) -> None:
        if self._ends_at is not None:
            self._ends_at = None
            self._lock.release()

    def __repr__(self) -> str:
        return f"<Turn {'given back' if self._ends_at is None else 'held'}>"


class _Telling(Generator[Any, Any, T]):
    """Awaits a coroutine and calls ``on_wait`` each time it waits."""

    def __init__(self, work: Coroutine[Any, Any, T], on_wait: Callable[[], None]) -> None:
        self._work = work
        self._on_wait = on_wait

    def __await__(self) -> Generator[Any, Any, T]:
        return self

    def send(self, value: object) -> Any:  # noqa: ANN401  whatever the event loop's futures hand through
        waits_for = self._work.send(value)
        self._on_wait()
        return waits_for

    def throw(self, *error: Any) -> Any:  # noqa: ANN401
        waits_for = self._work.throw(*error)
        self._on_wait()
        return waits_for
