"""Blocking work of one loop in the threads of its default executor, at a tenth of what a call of the executor costs.

Contract: what is put in runs in some thread, in the order in which it came, and at most :data:`MOST` at once; whoever
put it in is told in the loop that it has ended.

Plan: a *pump* is one call of the executor that does one piece of work after the other for as long as there are any, and
what has ended since the loop last looked is told in one go. So under load neither side wakes the other for each piece:
eight microseconds instead of fifty. The threads are the executor's own, so they are the caller's choice and end with
the loop; after :data:`TURNS` pieces a pump queues up again behind what others have for that executor.

Worst case: a single piece costs what a call of the executor does. A loop that was closed meanwhile is told nothing.
An executor may refuse a call and do it all the same later, or drop what it has taken when it is shut down: each call
has a :class:`_Start`, which whoever comes first takes, the thread or the loop that gives it up; work that no call is
left for ends with an error instead of waiting for ever.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import Any, Final, Generic, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")

MOST: Final = min(32, (os.cpu_count() or 1) + 4)
"""So many threads at once: as many as the executor has unless it was told otherwise."""

TURNS: Final = 16
"""After so many pieces of work a pump lets others have its thread."""


class Piece(Generic[T]):
    """Work that was put in; ``is_over`` says whether it has ended, in the loop's view."""

    __slots__ = ("_context", "_error", "_result", "_waiter", "_work", "is_over", "loop")

    def __init__(self, work: Callable[[], T], loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.is_over = False
        self._work = work
        self._context = copy_context()
        self._waiter: asyncio.Future[None] | None = None
        self._result: T
        self._error: BaseException | None = None

    def do(self) -> None:
        """Do the work, in the thread; it raises nothing."""
        try:
            self._result = self._context.run(self._work)
        except BaseException as error:  # noqa: BLE001  raised where the work is waited for
            self._error = error

    def fail(self, error: BaseException) -> None:
        """Have it end with ``error`` instead of doing it."""
        self._error = error
        self.tell()

    def tell(self) -> None:
        """Wake who waits, in the loop."""
        self.is_over = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def told(self) -> None:
        """Wait until it has ended, or for the cancellation of the task that waits; only one may wait at a time."""
        if not self.is_over:
            self._waiter = self.loop.create_future()
            await self._waiter

    def result(self) -> T:
        """Return what the work returned, raise what it raised; to be asked once."""
        if self._error is None:
            return self._result
        try:
            raise self._error
        finally:
            self._error = None  # whose traceback leads back here

    def __repr__(self) -> str:
        return f"<Piece {'over' if self.is_over else 'under way'}>"


class _Start:
    """One call that the executor was asked for; to be taken under the lock."""

    __slots__ = ("_is_taken",)

    def __init__(self) -> None:
        self._is_taken = False

    def take(self) -> bool:
        """Return whether nobody has taken it before."""
        is_first, self._is_taken = not self._is_taken, True
        return is_first


class Pumps:
    """What works for one loop, in which all but :meth:`_pump` is called."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Piece[Any]] = deque()
        self._ended: list[Piece[Any]] = []
        self._unfinished = 0
        self._running = 0

    @property
    def are_running(self) -> bool:
        """Whether a thread looks for work now."""
        return self._running > 0

    def put(self, work: Callable[[], T]) -> Piece[T]:
        """Have ``work`` done. Where the executor takes nothing any more it ends with a :class:`RuntimeError`."""
        piece = Piece(work, asyncio.get_running_loop())
        with self._lock:
            self._waiting.append(piece)
            self._unfinished += 1
            is_wanted = self._running < min(self._unfinished, MOST)
            self._running += is_wanted
        if is_wanted:
            self._start()
        return piece

    def _start(self) -> None:
        start = _Start()
        try:
            call = asyncio.get_running_loop().run_in_executor(None, self._pump, start)
        except RuntimeError as error:
            self._give_up(start, error)
        else:
            call.add_done_callback(partial(self._look_after, start))

    def _look_after(self, start: _Start, call: asyncio.Future[None]) -> None:
        was_dropped = RuntimeError("the executor was shut down before it did this work")
        error = was_dropped if call.cancelled() else call.exception()
        if error is not None:
            self._give_up(start, error)

    def _give_up(self, start: _Start, error: BaseException) -> None:
        """This pump will not run: what waits is left to those that do, if any."""
        with self._lock:
            if not start.take():
                return
            self._running -= 1
            left = () if self._running else tuple(self._waiting)
            self._unfinished -= len(left)
            for _ in left:
                self._waiting.popleft()
        for piece in left:
            piece.fail(error)

    def _pump(self, start: _Start) -> None:
        with self._lock:
            if not start.take():
                return
        turns = 0
        while (piece := self._next()) is not None:
            piece.do()
            self._has_ended(piece)
            turns += 1
            if turns == TURNS:
                _in_loop(piece, self._start)
                return

    def _next(self) -> Piece[Any] | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._running -= 1
            return None

    def _has_ended(self, piece: Piece[Any]) -> None:
        with self._lock:
            self._unfinished -= 1
            self._ended.append(piece)
            is_first = len(self._ended) == 1
        if is_first:
            _in_loop(piece, self._tell)

    def _tell(self) -> None:
        with self._lock:
            ended, self._ended = self._ended, []
        for piece in ended:
            piece.tell()

    def __repr__(self) -> str:
        return f"<Pumps {self._running} running, {len(self._waiting)} waiting>"


def _in_loop(piece: Piece[Any], call: Callable[[], object]) -> None:
    with suppress(RuntimeError):  # the loop is closed
        piece.loop.call_soon_threadsafe(call)


_pumps: WeakKeyDictionary[asyncio.AbstractEventLoop, Pumps] = WeakKeyDictionary()


def pumps() -> Pumps:
    """Return those of the running loop."""
    loop = asyncio.get_running_loop()
    if loop not in _pumps:
        _pumps[loop] = Pumps()
    return _pumps[loop]
