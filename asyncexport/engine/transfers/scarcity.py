"""Work that finds no descriptor left is done again: after a while, and with fewer transfers beside it.

Files and connections come out of one store that the whole process shares. Whoever finds it empty gives back what it
holds before it waits: many that each hold half of what they need would wait for each other. So a transfer has ended and
has left its place when it waits here, and each failure takes one place away; those that go through bring the places
back. Worst case: as many attempts as the backoff allows, then the error, which a later run gets over.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from asyncexport.errors import TooManyOpenFiles
from asyncexport.events import OddityNoticed
from asyncexport.ports import Clock, Listener
from asyncexport.sansio.pacing.backoff import Attempts, Backoff, Spread

Result = TypeVar("Result")


class Scarcity:
    """Endures want of descriptors. ``fewer`` is told each time, to take a place for transfers away."""

    def __init__(
        self, fewer: Callable[[], None], *, clock: Clock, spread: Spread, backoff: Backoff, listener: Listener
    ) -> None:
        self._fewer = fewer
        self._clock = clock
        self._spread = spread
        self._backoff = backoff
        self._listener = listener

    async def endured(self, work: Callable[[], Awaitable[Result]]) -> Result:
        """Return what ``work()`` returns, raise what it raises; it leaves nothing open when it fails."""
        attempts = Attempts(self._backoff, self._spread)
        while True:
            try:
                return await work()
            except TooManyOpenFiles as error:
                self._fewer()
                delay = attempts.failed(error)
                if delay is None:
                    raise
            self._listener(OddityNoticed("no descriptors are left (ulimit -n): fewer transfers run at once"))
            await self._clock.sleep(delay)
