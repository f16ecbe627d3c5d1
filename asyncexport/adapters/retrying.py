"""The one place where a call is made again: waits for what :mod:`asyncexport.sansio.pacing.backoff` decides.

Every layer above makes its call once and lets this loop repeat it; nothing else in the library retries a call. (A
broken download is no call: it goes on where it stopped, see :mod:`asyncexport.sansio.transfers.recovery`.)

A deadline bounds the attempts as well as the waits between them: one that is still under way then is cut off. Worst
case: a call that begins at its deadline, such as the last look at an export, has :data:`LEAST_SECONDS` for its answer.

While the host is down for everybody, attempts and time are not counted: a call waits at the host's gate until it is let
through as a probe, or the host is back, or nobody hopes for that any more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from asyncexport.adapters.alarm import Alarm
from asyncexport.adapters.host import Host, is_silence
from asyncexport.errors import AsyncexportError, ConnectionLost, Throttled
from asyncexport.events import CallRetried
from asyncexport.ports import Clock, Listener
from asyncexport.sansio.pacing.backoff import Attempts, Backoff, RetryBudget, Spread, stretched

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
        host: Host | None = None,
    ) -> None:
        self._backoff = backoff
        self._clock = clock
        self._spread = spread
        self._listener = listener
        self._patience = patience
        self._budget = RetryBudget()
        self.host = host or Host(patience=backoff.outage, clock=clock, spread=spread)

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
        began, last_moment = self._clock.now(), self.last_moment(deadline)
        attempts = Attempts(self._backoff, self._spread)
        self._budget.earn()

        def extension() -> float:
            return self.host.down_seconds(began)

        with self.host.calling():
            while True:
                await self.host.passed()
                try:
                    return await in_time(
                        attempt, clock=self._clock, deadline=last_moment, what=what, extension=extension
                    )
                except AsyncexportError as error:
                    delay = self._delay(error, attempts)
                    if delay is None or self._clock.now() + delay > last_moment + extension():
                        raise
                    kind, seconds = type(error).__name__, max(delay, self.host.next_in)
                    self._listener(CallRetried(account, profile_id, what, kind, seconds, isinstance(error, Throttled)))
                await self._clock.sleep(delay)

    def _delay(self, error: AsyncexportError, attempts: Attempts) -> float | None:
        """Return how long to wait before the next attempt, None if there is none; the gate may add to it."""
        if self.host.is_down and is_silence(error):
            attempts.begin_anew()
            return None if self.host.is_hopeless else stretched(0.0, error, self._spread)
        delay = attempts.failed(error)
        if delay is None or isinstance(error, Throttled) or self._budget.spend():
            return delay
        return max(delay, self._backoff.longest * (0.5 + 0.5 * self._spread()))


async def in_time(
    attempt: Callable[[], Awaitable[Result]],
    *,
    clock: Clock,
    deadline: float,
    what: str,
    extension: Callable[[], float] = lambda: 0.0,
) -> Result:
    """Return what ``attempt()`` returns, raise what it raises; at ``deadline`` cancel it and raise ConnectionLost.

    It has :data:`LEAST_SECONDS` in any case, and by so many seconds longer than ``deadline`` as ``extension`` returns
    then. What it returns or raises although it was cancelled counts.
    """
    began = clock.now()

    def left() -> float:
        return deadline + extension() - clock.now()

    with anyio.CancelScope() as scope, Alarm(clock, max(left(), LEAST_SECONDS), scope, left):
        return await attempt()
    seconds = clock.now() - began
    raise ConnectionLost(f"{what}: cut off after {seconds:.0f} s, since the deadline leaves no more time")
