"""Where looks at a running export are best placed, when a law is known.

The objective. A look costs ``price`` seconds of slot time; between the moment an export is ready and the look that sees
it a slot stands idle. What is made small is the mean of

    (seconds from ready to seen) + price x (number of looks).

The derivation (Barlow, Hunter and Proschan 1963; Keller 1974). Let looks come with a density n(t). An export that ends
at t waits 1 / (2 n(t)) on average, and one that is running at t is looked at n(t) dt times, so that, with survival S
and hazard h, the mean is the integral of S(t) (h(t) / (2 n(t)) + price n(t)) dt, which is least, point by point, for

    n(t) = sqrt(h(t) / (2 price)).

Looks then stand where the integral M(t) of n reaches one more than at the look before; nothing else has to be
remembered of the looks that were made. Over x = log(t / unit) with the hazard h(x) per unit of x,

    M(t) = sqrt(unit / (2 price)) A(x),    A(x) = integral of sqrt(h(x) exp(x)) dx,

so that one table serves every unit and every price. What is to be expected after t, late seconds and price together, is
sqrt(2 price unit) times the integral of sqrt(h(x) exp(x)) S(x) dx from there on, divided by S.

That is exact where looks are dense. Against the optimum by dynamic programming over the log-normal law it loses 0.1 %
of the objective at eleven looks and 2 % at three, but a sharp law that deserves one look right after its peak may get
it far out in the tail. So where the next look would be far away, every bin on the way is compared with it: late seconds
up to there, plus what is to be expected from there on (one step of policy improvement).

Worst case: no law says anything beyond its last bin; there the next look is infinitely far, and the caller bounds it.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise

from asyncexport.sansio.looks.generation import STEP

_LEAST = 1e-9
_FAR = 1.25
_FIRST = 1.2
_HALF_A_LOOK = 0.5


class Inspection:
    """The tables for one law. All ages, prices and distances are in units of what the law is over."""

    def __init__(self, low: float, hazards: Sequence[float]) -> None:
        bins = len(hazards)
        edges = [math.exp(low + number * STEP) for number in range(bins + 1)]
        survival = list(accumulate((math.exp(-hazard * STEP) for hazard in hazards), float.__mul__, initial=1.0))
        between = [(before + after) / 2 for before, after in pairwise(survival)]
        efforts = [math.sqrt(hazards[n] * math.sqrt(edges[n] * edges[n + 1])) * STEP for n in range(bins)]
        expected = [share * effort for share, effort in zip(between, efforts, strict=True)]
        lasting = [between[n] * (edges[n + 1] - edges[n]) for n in range(bins)]
        self._low = low
        self._edges = edges
        self._survival = survival
        self._effort = list(accumulate(efforts, initial=0.0))
        self._lasted = list(accumulate(lasting, initial=edges[0]))
        self._to_come = list(accumulate(reversed(expected), initial=0.0))[::-1]

    @property
    def mean(self) -> float:
        """How long an export takes on average; those beyond the last bin count as ending there."""
        return self._lasted[-1]

    @property
    def effort(self) -> float:
        """The mean number of looks is this times sqrt(unit / (2 price)), plus about a half."""
        return self._to_come[0]

    def surely_over(self, share: float) -> float:
        """Return the age by which this share of all exports has ended, at most the end of the last bin."""
        number = bisect_left(self._survival, share - 1.0, key=float.__neg__)
        return self._edges[min(number, len(self._edges) - 1)]

    def next_look(self, age: float, price: float, within: float) -> float:
        """Return the age for the next look after one at ``age`` (0.0: the first), at most ``within`` later."""
        root = math.sqrt(2.0 * price)
        at = self._at(age)
        looks = _FIRST if age <= 0.0 else 1.0
        far = min(age + within, self._reaches(_of(self._effort, at, 0.0) + looks * root))
        return self._nearer(age, far, root) if far > _FAR * age else far

    def _nearer(self, age: float, far: float, root: float) -> float:
        """Return the best of ``far`` and the edges before it; the costs are all for exports that begin at age 0."""
        at, to = self._at(age), self._at(far)
        running, lasted = _of(self._survival, at, 1.0), _of(self._lasted, at, age)
        price = root * root / 2

        def cost(when: float, survival: float, lasts: float, to_come: float) -> float:
            late = (when - age) * running - (lasts - lasted)
            return late + root * to_come + _HALF_A_LOOK * price * survival

        begins = self._to_come[0]
        best, least = (
            far,
            cost(far, _of(self._survival, to, 1.0), _of(self._lasted, to, far), _of(self._to_come, to, begins)),
        )
        for number in range(max(0, math.floor(at) + 1), min(len(self._edges), max(0, math.ceil(to)))):
            when = self._edges[number]
            costs = cost(when, self._survival[number], self._lasted[number], self._to_come[number])
            if costs < least:
                best, least = when, costs
        return best

    def _at(self, age: float) -> float:
        """Return where an age stands among the edges, as a number with a fraction; below 0.0 is before the first."""
        return (math.log(max(age, _LEAST)) - self._low) / STEP

    def _reaches(self, effort: float) -> float:
        """Return the age by which so much effort has been spent."""
        number = bisect_right(self._effort, effort) - 1
        if number >= len(self._effort) - 1:
            return math.inf
        part = (effort - self._effort[number]) / (self._effort[number + 1] - self._effort[number])
        return math.exp(self._low + (number + part) * STEP)


def _of(table: list[float], at: float, before: float) -> float:
    """Read a table between its entries; ``before`` is what holds before the first."""
    if at <= 0.0:
        return before
    number = int(min(at, len(table) - 1))
    if number >= len(table) - 1:
        return table[-1]
    return table[number] + (at - number) * (table[number + 1] - table[number])
