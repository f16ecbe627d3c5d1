"""Who waits for a :class:`~asyncexport.sansio.bucket.Bucket`: callers, one behind the other, in the order they came.

A pause that the server asked for is waited for in line while it is short. A long one (``Retry-After: 86400``) is told
to each caller as the :class:`Throttled` it amounts to, since only the caller knows its deadline: it fails at once or
comes back later, and nobody sleeps past the end of the work. Who has something better to do than to wait, because it
holds what others need, says for how long at most, and is told at once.
"""

from __future__ import annotations

import anyio

from asyncexport.errors import Throttled
from asyncexport.ports import Clock
from asyncexport.sansio.bucket import Bucket


class Limiter:
    """The request rate of one profile. A 429 told to it is heard by every caller that waits behind.

    ``patience`` is the longest pause, in seconds, that is waited for in line.
    """

    def __init__(self, bucket: Bucket, clock: Clock, *, patience: float = 60.0) -> None:
        self._bucket = bucket
        self._clock = clock
        self._patience = patience
        self._line = anyio.Lock()

    async def acquire(self, patience: float = float("inf")) -> float:
        """Wait for a permit and take it; return when that was, in the clock's seconds.

        Raises :class:`Throttled`, of status 0 since nothing was sent, when a long pause is in the way, and when the
        permit is more than ``patience`` seconds away.
        """
        self._check_wait(patience)
        async with self._line:
            while wait := self._bucket.take(now := self._clock.now()):
                self._check_pause(self._bucket.pause(now))
                await self._clock.sleep(wait)
            return now

    @property
    def is_paused(self) -> bool:
        """Tell whether the API asked to be left alone now."""
        return self._bucket.pause(self._clock.now()) > 0

    def throttled(self, retry_after: float | None, *, sent_at: float = float("inf")) -> None:
        """A 429 came, asking to be left alone for ``retry_after`` seconds if it said so.

        ``sent_at`` is when the call that it answers had its permit.
        """
        self._bucket.throttled(self._clock.now(), retry_after, sent_at=sent_at)

    def succeeded(self) -> None:
        """A call went through."""
        self._bucket.succeeded(self._clock.now())

    def _check_pause(self, pause: float) -> None:
        if pause > self._patience:
            message = f"the API asked to be left alone for another {pause:.0f} s (Retry-After)"
            raise Throttled(message, retry_after=pause)

    def _check_wait(self, patience: float) -> None:
        if patience == float("inf"):
            return
        in_line = self._line.statistics().tasks_waiting + self._line.locked()
        wait = self._bucket.wait(self._clock.now(), in_line + 1)
        if wait > patience:
            raise Throttled(f"the profile's next call may go out in {wait:.0f} s", retry_after=wait)

    def __repr__(self) -> str:
        return f"<Limiter {self._bucket!r}>"
