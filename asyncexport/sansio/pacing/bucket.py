"""A token bucket that learns: the arithmetic of one profile's request rate.

Permits flow in at ``rate`` a second and at most ``burst`` are kept. A 429 empties the bucket and halves the rate, at
most once a second, so that the 429s of one burst count as one; one that answers a call from before the last halving
says nothing new. A success shows that the quiet since then was no mere silence: each of its seconds, the first left
out, wins back a twentieth of the full rate (additive increase, multiplicative decrease: Chiu and Jain 1989). So who
calls seldom is soon back, and who calls often does not climb faster for it. ``Retry-After`` is a hard pause and no
quiet. Nothing here waits: ``take`` answers how long to wait before asking again.

A 429 may be no fault of the calls it answers: some servers throttle everybody now and then. Whoever knows how likely
that is says so, and then a 429 slows only as the last of so many in a row that chance hardly brings them. Worst case:
in bad weather a profile that is throttled for its own calls is slowed a few 429s late.
"""

from __future__ import annotations

from math import ulp


class Bucket:
    """One rate limit. Times are in seconds on any monotonic clock, the same for every call.

    ``rate`` is the promise in permits a second, ``burst`` how many may be taken at once; the learned rate never falls
    below ``rate / 50``.
    """

    _REGROWTH = 0.05
    _FLOOR = 0.02
    _ONE_BURST = 1.0
    _DOUBT = 0.01

    def __init__(self, rate: float, burst: int) -> None:
        self._full_rate = rate
        self._rate = rate
        self._burst = float(burst)
        self._permits = float(burst)
        self._counted_at: float | None = None
        self._paused_until = float("-inf")
        self._slowed_at = float("-inf")
        self._quiet_from = float("-inf")
        self._row = 0

    @property
    def rate(self) -> float:
        """What is believed to be allowed now, in permits a second."""
        return self._rate

    @property
    def is_at_full_rate(self) -> bool:
        """Tell whether nothing of the promise is withheld."""
        return self._rate >= self._full_rate

    def take(self, now: float) -> float:
        """Take one permit and return 0.0, or take nothing and return the seconds until one can be there.

        The seconds are never so few that ``now`` plus them is ``now`` again.
        """
        if now < self._paused_until:
            return self._paused_until - now
        self._refill(now)
        missing = 1.0 - self._permits
        if missing > 1e-9:
            return max(missing / self._rate, 2 * ulp(now))
        self._permits -= 1.0
        return 0.0

    def wait(self, now: float, permits: int = 1) -> float:
        """Return in how many seconds so many permits can have been taken one after the other; takes none."""
        self._refill(now)
        return self.pause(now) + max(0.0, permits - self._permits - 1e-9) / self._rate

    def pause(self, now: float) -> float:
        """Return for how many seconds yet the server asked to be left alone; 0.0 if it did not."""
        return max(0.0, self._paused_until - now)

    def throttled(
        self,
        now: float,
        retry_after: float | None = None,
        *,
        sent_at: float = float("inf"),
        chance: float = 0.0,
    ) -> None:
        """A 429 came: pause as asked, slow down, and begin again with an empty bucket.

        ``sent_at`` is when the call was allowed that it answers; not given, it was after all that is known here.
        ``chance`` is how likely a call is throttled whatever its bucket holds, from 0 to less than 1.
        """
        self._refill(now)
        self._row += 1
        if retry_after is not None:
            self._paused_until = max(self._paused_until, now + retry_after)
        elif chance**self._row > self._DOUBT:
            return
        self._quiet_from = max(now + self._ONE_BURST, self._paused_until)
        if sent_at < self._slowed_at:
            return
        self._permits = min(self._permits, 0.0)
        if now - self._slowed_at >= self._ONE_BURST:
            self._slowed_at = now
            self._rate = max(self._full_rate * self._FLOOR, self._rate / 2)

    def succeeded(self, now: float) -> None:
        """A call went through: grow back towards the full rate, by as much as the quiet before it was long."""
        self._row = 0
        if self._rate < self._full_rate and now > self._quiet_from:
            self._refill(now)
            grown = self._full_rate * self._REGROWTH * (now - self._quiet_from)
            self._rate = min(self._full_rate, self._rate + grown)
            self._quiet_from = now

    def _refill(self, now: float) -> None:
        if self._counted_at is not None:
            flowed = max(0.0, now - max(self._counted_at, min(self._paused_until, now)))
            self._permits = min(self._burst, self._permits + flowed * self._rate)
        self._counted_at = now

    def __repr__(self) -> str:
        permits = f"{self._permits:.1f}/{self._burst:.0f} permits"
        return f"<Bucket {permits}, {self._rate:.2f} of {self._full_rate:.2f} a second>"
