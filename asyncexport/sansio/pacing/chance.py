"""How likely a call is throttled by chance: the recent share of 429s among calls of one kind.

An exponential mean over about the last hundred calls, which begins as if twenty had been answered and a hundredth of
one throttled: a client that has seen nothing yet expects next to nothing. While a client is slowed as a whole its calls
meet a limit of their own, and calls come in bursts: then the share of the last ones says too little, and every second
call may be throttled.
"""

from __future__ import annotations

from collections.abc import Callable


class Chance:
    """The share of 429s; calling it returns the share, more than 0 and less than 1."""

    _KEPT = 0.99
    _CALLS = 20.0
    _THROTTLED = 0.01
    _SLOWED = 0.5

    def __init__(self) -> None:
        self._calls = self._throttled = 0.0
        self._is_slowed: Callable[[], bool] = bool

    def doubt_while(self, is_slowed: Callable[[], bool]) -> None:
        """Be at least a half as long as ``is_slowed()`` says that the client is slowed as a whole."""
        self._is_slowed = is_slowed

    def heard(self, *, throttled: bool) -> None:
        """A call was answered."""
        self._calls = self._calls * self._KEPT + 1.0
        self._throttled = self._throttled * self._KEPT + throttled

    def __call__(self) -> float:
        """Return the share."""
        share = (self._throttled + self._THROTTLED) / (self._calls + self._CALLS)
        return max(share, self._SLOWED) if self._is_slowed() else share

    def __repr__(self) -> str:
        return f"<Chance {self():.3f}>"
