"""When to try again: what passes by itself, how long to wait for it, and when trying again would do harm.

Full jitter: the n-th delay is drawn evenly from 0 to ``min(longest, first * 2**n)`` seconds, which spreads clients
that failed together best (Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015). A ``Retry-After``
is obeyed in full and only ever lengthened. The retry budget bounds how much retries add to the load: in a full outage
every call would otherwise be multiplied by the number of attempts (Google SRE book, chapter 21).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from asyncexport.errors import (
    ApiError,
    AsyncexportError,
    ConnectError,
    ProtocolError,
    ServerError,
    Throttled,
    TlsError,
    TooManyOpenFiles,
)

Spread = Callable[[], float]
"""A source of randomness: evenly from 0 (included) to 1 (excluded), like ``random.random``."""

_PASSING: tuple[type[AsyncexportError], ...] = (Throttled, ServerError, ConnectError, ProtocolError, TooManyOpenFiles)


def is_passing(error: BaseException) -> bool:
    """Tell whether the same call may succeed when it is simply made again."""
    return isinstance(error, _PASSING) and not isinstance(error, TlsError)


def is_held_back(error: BaseException) -> bool:
    """Tell whether nothing was sent, because our own limiter held the call back."""
    return isinstance(error, Throttled) and not error.status


@dataclass(frozen=True, slots=True)
class Backoff:
    """A policy. ``first`` and ``longest`` in seconds; ``attempts`` counts the first try too.

    ``garbled`` is how many unusable successes (:class:`ProtocolError`) end a call: the second by default, since the
    same answer will probably come again. ``refusals`` is how many 429s that do not say when to come back end it: these
    are answers of a host that is well, and use up no attempt. Where 30 % of all calls are throttled at random, ten in a
    row would end one call in 170,000, so a job every few large nights; twenty end one in 3 * 10**10, and their delays
    add up to seven minutes on average. ``outage`` is how long a host that answers nobody is waited for, in seconds;
    attempts that meet such an outage are not counted. 0: there are only attempts.
    """

    first: float = 1.0
    longest: float = 60.0
    attempts: int = 10
    garbled: int = 2
    outage: float = 3600.0
    refusals: int = 20

    def ceiling(self, tried: int) -> float:
        """Return the longest delay that can follow ``tried`` + 1 failures, in seconds."""
        return min(self.longest, self.first * 2.0 ** min(tried, 64))

    def gives_up(self, error: BaseException, *, tried: int, garbled: int = 0, refused: int = 0) -> bool:
        """Tell whether a call that has now met ``error`` is not made again.

        It has failed in ``tried`` attempts, of which ``garbled`` were unusable successes, and was ``refused`` besides.
        """
        if isinstance(error, ProtocolError) and garbled >= self.garbled:
            return True
        return tried >= self.attempts or refused >= self.refusals or not is_passing(error)


def stretched(delay: float, error: BaseException, spread: Spread) -> float:
    """Return ``delay``, lengthened to what the server asked for, plus a little so that not all come back at once."""
    asked = error.retry_after if isinstance(error, ApiError) else None
    if asked is None:
        return delay
    return max(delay, asked) + spread() * min(1.0, 0.1 * asked)


class Attempts:
    """The attempts of one call. One that is told when to come back counts for none: only a deadline ends those.

    A 429 that does not say it counts for none either, but so many of them (``Backoff.refusals``) end the call too.
    """

    _PAUSE = 1.0

    def __init__(self, backoff: Backoff, spread: Spread) -> None:
        self._backoff = backoff
        self._spread = spread
        self._garbled = self._excused = 0
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget the failures: they said nothing about this call."""
        self._tried = self._refused = 0

    def failed(self, error: BaseException) -> float | None:
        """One more has met ``error``; return how many seconds to wait before the next, None if that was the last."""
        if isinstance(error, Throttled):
            if (error.retry_after or 0.0) >= self._PAUSE:
                return stretched(0.0, error, self._spread)
            self._refused += 1
        else:
            self._tried += 1
        self._garbled += isinstance(error, ProtocolError)
        if self._backoff.gives_up(error, tried=self._tried, garbled=self._garbled, refused=self._refused):
            return None
        return stretched(self._delay(self._tried + self._refused), error, self._spread)

    def excused(self) -> float:
        """One more has failed, perhaps for what others did: return how many seconds to wait, longer from time to time.

        It counts for none, so only a deadline ends these.
        """
        self._excused += 1
        return self._delay(self._excused)

    def _delay(self, failures: int) -> float:
        return self._spread() * self._backoff.ceiling(failures - 1)

    def __repr__(self) -> str:
        return f"<Attempts {self._tried} of {self._backoff.attempts}>"


class RetryBudget:
    """How many retries one host may still be sent: each first try earns a fraction of one, each retry costs one.

    With ``ratio`` 0.2 retries add at most a fifth to the load in the long run; ``reserve`` lets a few through at the
    start. A retry that finds the budget empty is not refused: it waits as long as the policy can make it wait. It is
    meant for failures, which load a host that is down: a 429 is an answer, and has limiters of its own.
    """

    def __init__(self, ratio: float = 0.2, reserve: float = 20.0) -> None:
        self._ratio = ratio
        self._reserve = reserve
        self._left = reserve

    def earn(self) -> None:
        """A first try is made."""
        self._left = min(self._reserve, self._left + self._ratio)

    def spend(self) -> bool:
        """A retry is about to be made; False when there is nothing left for it."""
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True

    def __repr__(self) -> str:
        return f"<RetryBudget {self._left:.1f} of {self._reserve:.0f} left>"
