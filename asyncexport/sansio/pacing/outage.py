"""Whether a host is down, since when, and for how long it was: what an outage is, told apart from a call's bad luck.

Contract. :class:`Outages` is told how each exchange with one host ended. The host is down when all of them have failed
for :data:`LEAST_SECONDS`, and :data:`SEVERAL` callers have met that or wait for it: one caller alone may have a request
that the server chokes on, and is better told soon. Any answer ends it, were it a refusal. The time a host was down
counts from the first failure of the row and is remembered, so that it can be taken out of everybody's deadlines.
Nobody waits for the end of an outage longer than ``patience`` seconds: a host that is gone must not hang a night.

Worst case: a host that answers one call in ten is not down; its calls have their attempts, as ever.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

LEAST_SECONDS = 10.0
"""A row of failures that is shorter than this is no outage yet."""

SEVERAL = 2
"""So many callers make it one."""

Interval = tuple[float, float]


class Outages:
    """The outages of one host. Times are in seconds on any monotonic clock; ``patience`` 0: nothing is an outage."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._answered_at = float("-inf")
        self._row_began: float | None = None
        self._callers: set[Hashable] = set()
        self._down_since: float | None = None
        self._over: list[Interval] = []

    @property
    def is_down(self) -> bool:
        """Tell whether the host is down, as far as is known."""
        return self._down_since is not None

    def answered(self, now: float) -> bool:
        """An exchange ended with an answer; return whether that ends an outage."""
        self._answered_at = now
        if self._row_began is None:
            return False
        self._row_began = None
        self._callers.clear()
        if self._down_since is None:
            return False
        self._over.append((self._down_since, now))
        self._down_since = None
        return True

    def failed(self, now: float, caller: Hashable, *, sent_at: float, waiting: int = 1) -> bool:
        """An exchange ended without an answer; return whether that makes it an outage.

        ``caller`` is who met it, with a request sent at ``sent_at``; ``waiting`` is how many wait for the same thing.
        """
        if self._row_began is None:
            self._row_began = max(sent_at, self._answered_at)
        if self._down_since is not None:
            return False
        if len(self._callers) < SEVERAL:
            self._callers.add(caller)
        is_one = now - self._row_began >= LEAST_SECONDS and max(len(self._callers), waiting) >= SEVERAL
        if is_one and self._patience > 0:
            self._down_since = self._row_began
        return self.is_down

    def is_hopeless(self, now: float) -> bool:
        """Tell whether the host has been down for longer than anybody waits."""
        return self._down_since is not None and now - self._down_since > self._patience

    def silent_seconds(self, now: float) -> float:
        """Return for how long the host has been down; 0.0 if it is not."""
        return 0.0 if self._down_since is None else now - self._down_since

    def intervals(self, since: float, now: float) -> list[Interval]:
        """Return when the host was down after ``since``, up to ``now``."""
        if self._down_since is None and (not self._over or self._over[-1][1] <= since):
            return []
        current = [] if self._down_since is None else [(self._down_since, now)]
        return [(max(began, since), ended) for began, ended in (*self._over, *current) if ended > since]

    def __repr__(self) -> str:
        return f"<Outages {len(self._over)} over, {'down' if self.is_down else 'none now'}>"


def seconds_covered(intervals: Iterable[Interval]) -> float:
    """Return how much time lies within at least one of the intervals."""
    total, reached = 0.0, float("-inf")
    for began, ended in sorted(intervals):
        total += max(0.0, ended - max(began, reached))
        reached = max(reached, ended)
    return total
