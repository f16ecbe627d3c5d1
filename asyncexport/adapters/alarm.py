"""Ends of patience: a block that is cancelled after so many seconds, on whatever clock there is.

Every call has one and hardly any of them rings, so to set it must cost next to nothing: a clock that can call back is
asked to. On one that can only be slept on a task sleeps. Worst case: that task, cancelled when the block is left, is
there for one more turn of the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import anyio

from asyncexport.ports import CallLater, Clock

_A_MOMENT = 1e-3


class Alarm:
    """A block after whose time ``scope`` is cancelled, unless the block has been left by then.

    When the ``seconds`` are over, ``more`` says how many are left after all; 0 or less: none.
    """

    __slots__ = ("_clock", "_more", "_scope", "_seconds", "_unset")

    def __init__(
        self, clock: Clock, seconds: float, scope: anyio.CancelScope, more: Callable[[], float] = lambda: 0.0
    ) -> None:
        self._clock = clock
        self._seconds = seconds
        self._scope = scope
        self._more = more

    def __enter__(self) -> None:
        self._unset = call_later(self._clock, self._seconds, self._ring)

    def __exit__(self, *_: object) -> None:
        self._unset()

    def _ring(self) -> None:
        if (left := self._more()) > _A_MOMENT:
            self._unset = call_later(self._clock, left, self._ring)
        else:
            self._scope.cancel()


def call_later(clock: Clock, seconds: float, call: Callable[[], None]) -> Callable[[], object]:
    """Call ``call`` in so many seconds of ``clock``, which may have no timers; return what takes that back."""
    ask: CallLater | None = getattr(clock, "call_later", None)
    if ask is not None:
        return ask(seconds, call)

    async def sleep() -> None:
        await clock.sleep(seconds)
        call()

    return asyncio.create_task(sleep()).cancel
