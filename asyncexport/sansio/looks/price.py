"""What a look costs: the price, in seconds of slot time, at which a client's requests stay within a budget.

The setting is requests a second. What the running exports of a client and region cost is known from their laws: under
the price p one of them is looked at ``effort / sqrt(2 p)`` times a second on average, and asked for and seen at its end
whatever the price, ``fixed`` times a second. The budget holds when

    sum of effort / sqrt(2 p) + sum of fixed = budget,    so    p = (sum of effort / (budget - sum of fixed))^2 / 2.

It is a mean, so a little less is aimed at. The price never falls below a floor: where looks are well placed, or few
exports run, more looks would gain nothing worth a request. The floor moves as the price of a budget does (half the
requests a second, four times the price), but is never more than 3 % of what exports take on average.

Worst case: exports of a second each, or many slots and a small budget. To ask for them alone may be beyond the budget,
and whoever waits longer than it takes keeps slots idle for the sake of one request; so each export is granted between
two and three looks whatever the budget.
"""

from __future__ import annotations

from dataclasses import dataclass

_BUDGETS = (1e-3, 1e4)
_FLOOR = 10.0
_FLOOR_SHARE = 0.03
_AIM = 0.95
_GRANTED = 1.5


@dataclass(frozen=True, slots=True)
class Load:
    """What one running export costs.

    ``effort``: looks a second times sqrt(2 price); ``fixed``: requests a second whatever the price; ``seconds``: how
    long it takes on average.
    """

    effort: float
    fixed: float
    seconds: float


class Price:
    """The price for one client and region. ``looks`` is the budget in requests a second."""

    def __init__(self, looks: float) -> None:
        budget = min(max(looks, _BUDGETS[0]), _BUDGETS[1])
        self._budget = _AIM * budget
        self._floor = _FLOOR / budget**2
        self._clear()

    def add(self, load: Load) -> None:
        """An export runs."""
        self._running += 1
        self._effort += load.effort
        self._fixed += load.fixed
        self._seconds += load.seconds

    def remove(self, load: Load) -> None:
        """It does not run any more."""
        self._running -= 1
        self._effort -= load.effort
        self._fixed -= load.fixed
        self._seconds -= load.seconds
        if not self._running:
            self._clear()

    @property
    def seconds(self) -> float:
        """The price of a look now."""
        if not self._running:
            return self._floor
        left = max(self._budget - self._fixed, _GRANTED * self._fixed)
        floor = min(self._floor, _FLOOR_SHARE * self._seconds / self._running)
        return max(floor, (self._effort / left) ** 2 / 2)

    def _clear(self) -> None:
        self._running = 0
        self._effort = self._fixed = self._seconds = 0.0

    def __repr__(self) -> str:
        return f"<Price {self.seconds:.3f} s a look, {self._running} running>"
