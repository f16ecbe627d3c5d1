"""How fast calls may go to one host: freely, in single probes while it is down, then faster and faster again.

The plan. A gate is *open*, and counts the pace of what passes. When the host goes down it is *closed*: one call at a
time passes as a probe, at distances that double from :data:`_FIRST_PROBE` to :data:`_LAST_PROBE` seconds, drawn with
jitter so that programs that failed together do not come back together. When the host is back the gate is *ajar*: calls
pass at half the pace of before, evenly, and the pace doubles every :data:`_DOUBLING` seconds, until it is far above
what is needed and the gate is open. So an outage of half an hour costs some sixty probes, and at its end those who
waited come at the pace the host was used to.
"""

from __future__ import annotations

from math import exp, exp2, expm1

from asyncexport.sansio.pacing.backoff import Spread

_FIRST_PROBE = 2.0
_LAST_PROBE = 30.0
_DOUBLING = 10.0
_FIRST_SHARE = 0.5
_OPEN_FROM = 8.0
_MEMORY = 60.0
_LEAST_PACE = 1.0
_A_MOMENT = 1e-9


class Pace:
    """Calls a second, as the mean of about the last minute."""

    def __init__(self) -> None:
        self._weight = 0.0
        self._began: float | None = None
        self._counted_at = 0.0

    def count(self, now: float) -> None:
        """One more call goes out."""
        if self._began is None:
            self._began = self._counted_at = now
        self._weight = self._weight * exp((self._counted_at - now) / _MEMORY) + 1.0
        self._counted_at = now

    @property
    def rate(self) -> float:
        """The pace when the last call went out; one call a second where there were hardly any."""
        if self._began is None:
            return _LEAST_PACE
        seen = _MEMORY * -expm1((self._began - self._counted_at) / _MEMORY)
        return max(_LEAST_PACE, (self._weight - 1.0) / seen) if seen > 0 else _LEAST_PACE


class Gate:
    """One host's gate. Times are in seconds on any monotonic clock."""

    def __init__(self, spread: Spread) -> None:
        self._spread = spread
        self._pace = Pace()
        self._is_closed = False
        self._ajar_since: float | None = None
        self._normal = _LEAST_PACE
        self._next_at = float("-inf")
        self._distance = _FIRST_PROBE

    @property
    def is_open(self) -> bool:
        """Tell whether everybody may pass."""
        return not self._is_closed and self._ajar_since is None

    def next_in(self, now: float) -> float:
        """Return in how many seconds the next call can pass, for whoever only wants to know."""
        return 0.0 if self.is_open else max(0.0, self._next_at - now)

    def close(self, now: float) -> None:
        """The host is down."""
        self._remember_the_pace()
        self._is_closed, self._ajar_since = True, None
        self._distance = _FIRST_PROBE
        self._next_at = now + self._jittered()

    def open(self, now: float) -> None:
        """The host is back."""
        self._remember_the_pace()
        self._is_closed, self._ajar_since = False, now
        self._next_at = now

    def wait(self, now: float) -> float:
        """Let one call pass and return 0.0, or let none pass and return the seconds until one can."""
        if not self.is_open:
            if self._next_at - now > _A_MOMENT:
                return self._next_at - now
            self._next_at = now + (self._probing() if self._is_closed else self._widening(now))
        self._pace.count(now)
        return 0.0

    def _remember_the_pace(self) -> None:
        if self.is_open:
            self._normal = self._pace.rate

    def _probing(self) -> float:
        self._distance = min(_LAST_PROBE, self._distance * 2)
        return self._jittered()

    def _widening(self, now: float) -> float:
        ajar_for = 0.0 if self._ajar_since is None else now - self._ajar_since
        share = _FIRST_SHARE * exp2(min(ajar_for / _DOUBLING, 64.0))
        if share > _OPEN_FROM:
            self._ajar_since = None
        return 1.0 / (share * self._normal)

    def _jittered(self) -> float:
        return self._distance * (0.5 + 0.5 * self._spread())

    def __repr__(self) -> str:
        state = "closed" if self._is_closed else "open" if self.is_open else "ajar"
        return f"<Gate {state}, {self._pace.rate:.1f} calls a second>"
