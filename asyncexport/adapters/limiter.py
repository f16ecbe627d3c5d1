"""Who waits for a :class:`~asyncexport.sansio.bucket.Bucket`: callers, one behind the other, in the order they came."""

from __future__ import annotations

import anyio

from asyncexport.ports import Clock
from asyncexport.sansio.bucket import Bucket


class Limiter:
    """The request rate of one profile. A 429 told to it is heard by every caller that waits behind."""

    def __init__(self, bucket: Bucket, clock: Clock) -> None:
        self._bucket = bucket
        self._clock = clock
        self._line = anyio.Lock()

    async def acquire(self) -> None:
        """Wait for a permit and take it."""
        async with self._line:
            while wait := self._bucket.take(self._clock.now()):
                await self._clock.sleep(wait)

    def throttled(self, retry_after: float | None) -> None:
        """A 429 came, asking to be left alone for ``retry_after`` seconds if it said so."""
        self._bucket.throttled(self._clock.now(), retry_after)

    def succeeded(self) -> None:
        """A call went through."""
        self._bucket.succeeded()

    def __repr__(self) -> str:
        return f"<Limiter {self._bucket!r}>"
