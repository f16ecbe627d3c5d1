"""Who waits for a :class:`~asyncexport.sansio.pacing.bucket.Bucket`: callers, in the order they came.

A pause that the server asked for is waited for in line while it is short. A long one (``Retry-After: 86400``) is told
to each caller as the :class:`Throttled` it amounts to, since only the caller knows its deadline: it fails at once or
comes back later, and nobody sleeps past the end of the work. Who has something better to do than to wait, because it
holds what others need, says for how long at most, and is told at once. While nobody waits and there is a permit, taking
it is a few comparisons and gives way to nobody.
"""

from __future__ import annotations

import anyio

from asyncexport.errors import Throttled
from asyncexport.ports import Clock
from asyncexport.sansio.pacing.bucket import Bucket
from asyncexport.sansio.pacing.wider import ClientRate


class ClientLimiter:
    """The request rate of one client in one region, for its profiles' limiters. As a rule nobody waits for it."""

    def __init__(self, rate: ClientRate, clock: Clock) -> None:
        self._rate = rate
        self._clock = clock
        self._line = anyio.Lock()

    async def acquire(self, profile_id: str) -> None:
        """Wait until a call of the profile may go out."""
        if self._line.locked() or self._rate.take(self._clock.now(), profile_id):
            async with self._line:
                while wait := self._rate.take(self._clock.now(), profile_id):
                    await self._clock.sleep(wait)

    def throttled(self, profile_id: str, *, sent_at: float) -> None:
        """A 429 about the rate answered a call of the profile that had its permit at ``sent_at``."""
        self._rate.throttled(self._clock.now(), profile_id, sent_at=sent_at)

    def chance(self, profile_id: str) -> float:
        """Return how likely a call is throttled by no fault of the profile's own."""
        return self._rate.chance(self._clock.now(), profile_id)

    def succeeded(self) -> None:
        """A call went through."""
        self._rate.succeeded(self._clock.now())

    def __repr__(self) -> str:
        return f"<ClientLimiter {self._rate!r}>"


class Limiter:
    """The request rate of one profile. A 429 told to it is heard by every caller that waits behind.

    ``patience`` is the longest pause, in seconds, that is waited for in line. What the profile may is asked of its
    ``client`` too, and what it meets is told there.
    """

    def __init__(
        self,
        bucket: Bucket,
        clock: Clock,
        *,
        patience: float = 60.0,
        client: ClientLimiter | None = None,
        profile_id: str = "",
    ) -> None:
        self._bucket = bucket
        self._clock = clock
        self._patience = patience
        self._client = client
        self._profile_id = profile_id
        self._line = anyio.Lock()

    async def acquire(self, patience: float = float("inf")) -> float:
        """Wait for a permit and take it; return when that was, in the clock's seconds.

        Raises :class:`Throttled`, of status 0 since nothing was sent, when a long pause is in the way, and when the
        permit is more than ``patience`` seconds away.
        """
        self.check(patience)
        if self._line.locked() or self._bucket.take(self._clock.now()):
            async with self._line:
                while wait := self._bucket.take(now := self._clock.now()):
                    self._check_pause(self._bucket.pause(now))
                    await self._clock.sleep(wait)
        if self._client is not None:
            await self._client.acquire(self._profile_id)
        return self._clock.now()

    def check(self, patience: float) -> None:
        """Raise :class:`Throttled`, of status 0, if the next permit is more than ``patience`` seconds away."""
        if patience == float("inf"):
            return
        in_line = self._line.statistics().tasks_waiting + self._line.locked()
        wait = self._bucket.wait(self._clock.now(), in_line + 1)
        if wait > patience:
            raise Throttled(f"the profile's next call may go out in {wait:.0f} s", retry_after=wait)

    @property
    def is_paused(self) -> bool:
        """Tell whether the API asked to be left alone now."""
        return self._bucket.pause(self._clock.now()) > 0

    def throttled(self, retry_after: float | None, *, sent_at: float = float("inf")) -> None:
        """A 429 came, asking to be left alone for ``retry_after`` seconds if it said so.

        ``sent_at`` is when the call that it answers had its permit.
        """
        chance = 0.0 if self._client is None else self._client.chance(self._profile_id)
        self._bucket.throttled(self._clock.now(), retry_after, sent_at=sent_at, chance=chance)
        if self._client is not None:
            self._client.throttled(self._profile_id, sent_at=sent_at)

    def succeeded(self) -> None:
        """A call went through."""
        self._bucket.succeeded(self._clock.now())
        if self._client is not None:
            self._client.succeeded()

    def _check_pause(self, pause: float) -> None:
        if pause > self._patience:
            message = f"the API asked to be left alone for another {pause:.0f} s (Retry-After)"
            raise Throttled(message, retry_after=pause)

    def __repr__(self) -> str:
        return f"<Limiter {self._bucket!r}>"
