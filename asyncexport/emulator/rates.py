"""How many calls a profile may make: a token bucket each, exact, without a timer."""

from __future__ import annotations


class Buckets:
    """One bucket a key, full at first. ``rate`` calls a second, ``burst`` at once; a rate of None lets all pass."""

    def __init__(self, rate: float | None, burst: int) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._levels: dict[str, tuple[float, float]] = {}

    def take(self, key: str, now: float) -> float:
        """Take one call; return 0, or the seconds until there is one if the bucket is empty."""
        if self._rate is None:
            return 0.0
        level, at = self._levels.get(key, (self._burst, now))
        level = min(self._burst, level + (now - at) * self._rate)
        allowed = level >= 1.0 - 1e-9
        self._levels[key] = (level - 1.0 if allowed else level, now)
        return 0.0 if allowed else (1.0 - level) / self._rate
