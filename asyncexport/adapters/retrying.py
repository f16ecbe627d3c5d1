"""The one place where a call is made again: waits for what :mod:`asyncexport.sansio.backoff` decides.

Every layer above makes its call once and lets this loop repeat it; nothing else in the library retries a call. (A
broken download is no call: it goes on where it stopped, see :mod:`asyncexport.sansio.recovery`.)

A deadline bounds the attempts as well as the waits between them: one that is still under way then is cut off. Worst
case: a call that begins at its deadline, such as the last look at an export, has :data:`LEAST_SECONDS` for its answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio

from asyncexport.errors import AsyncexportError, ConnectionLost, ProtocolError, Throttled
from asyncexport.events import CallRetried
from asyncexport.ports import Clock, Listener
from asyncexport.sansio.backoff import Backoff, RetryBudget, Spread, stretched

Result = TypeVar("Result")

LEAST_SECONDS = 5.0
"""An attempt that has begun may take so long, whatever the deadline: cut off at once it could only do harm."""


class Retrying:
    """Repeats calls to one host. ``patience`` bounds one call with all its retries, in seconds."""

    def __init__(
        self,
        backoff: Backoff,
        *,
        clock: Clock,
        spread: Spread,
        listener: Listener,
        patience: float = 1800.0,
    ) -> None:
        self._backoff = backoff
        self._clock = clock
        self._spread = spread
        self._listener = listener
        self._patience = patience
        self._budget = RetryBudget()

    @property
    def longest(self) -> float:
        """The longest delay between two attempts that no server asked for, in seconds."""
        return self._backoff.longest

    def last_moment(self, deadline: float | None) -> float:
        """Return when a call that begins now must have ended, in the clock's seconds."""
        return self._clock.now() + self._patience if deadline is None else deadline

    async def call(
        self,
        attempt: Callable[[], Awaitable[Result]],
        *,
        what: str,
        account: str,
        profile_id: str = "",
        deadline: float | None = None,
    ) -> Result:
        """Await ``attempt()`` until it succeeds, fails for good, or may not be tried again before ``deadline``.

        The last error comes out as it is; an attempt that the deadline cuts off is a :class:`ConnectionLost`.
        ``deadline`` is in the clock's seconds.
        """
        last_moment = self.last_moment(deadline)
        delays = self._backoff.delays(self._spread)
        tried = garbled = 0
        self._budget.earn()
        while True:
            try:
                return await in_time(attempt, clock=self._clock, deadline=last_moment, what=what)
            except AsyncexportError as error:
                tried += 1
                garbled += isinstance(error, ProtocolError)
                if self._backoff.gives_up(error, tried=tried, garbled=garbled):
                    raise
                delay = self._delay(error, delays)
                if self._clock.now() + delay > last_moment:
                    raise
                throttled = isinstance(error, Throttled)
                self._listener(CallRetried(account, profile_id, what, type(error).__name__, delay, throttled))
            await self._clock.sleep(delay)

    def _delay(self, error: AsyncexportError, delays: Iterator[float]) -> float:
        delay = stretched(next(delays), error, self._spread)
        if self._budget.spend():
            return delay
        return max(delay, self._backoff.longest * (0.5 + 0.5 * self._spread()))


async def in_time(attempt: Callable[[], Awaitable[Result]], *, clock: Clock, deadline: float, what: str) -> Result:
    """Return what ``attempt()`` returns, raise what it raises; at ``deadline`` cancel it and raise ConnectionLost.

    It has :data:`LEAST_SECONDS` in any case. What it returns or raises although it was cancelled counts.
    """
    seconds = max(deadline - clock.now(), LEAST_SECONDS)
    with anyio.CancelScope() as scope:
        async with _alarm(clock, seconds, scope):
            return await attempt()
    raise ConnectionLost(f"{what}: cut off after {seconds:.0f} s, since the deadline leaves no more time")


@asynccontextmanager
async def _alarm(clock: Clock, seconds: float, scope: anyio.CancelScope) -> AsyncIterator[None]:
    """Cancel ``scope`` in so many seconds, unless the block has been left by then."""

    async def ring() -> None:
        await clock.sleep(seconds)
        scope.cancel()

    ringing = asyncio.create_task(ring())
    try:
        yield
    finally:
        ringing.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.wait([ringing])
