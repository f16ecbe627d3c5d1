"""The one place where a call is made again: waits for what :mod:`asyncexport.sansio.backoff` decides.

Every layer above makes its call once and lets this loop repeat it; nothing else in the library retries a call. (A
broken download is no call: it goes on where it stopped, see :mod:`asyncexport.sansio.recovery`.)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from asyncexport.errors import AsyncexportError, ProtocolError, Throttled
from asyncexport.events import CallRetried
from asyncexport.ports import Clock, Listener
from asyncexport.sansio.backoff import Backoff, RetryBudget, Spread, stretched

Result = TypeVar("Result")


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

        The last error comes out as it is. ``deadline`` is in the clock's seconds.
        """
        last_moment = self._clock.now() + self._patience if deadline is None else deadline
        delays = self._backoff.delays(self._spread)
        tried = garbled = 0
        self._budget.earn()
        while True:
            try:
                return await attempt()
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
