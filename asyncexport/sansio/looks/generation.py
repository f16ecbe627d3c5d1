"""How long exports take, learned while they come in: a law of any shape over the logarithm of the time.

The plan. A histogram over x = log(seconds / unit), in bins of 6 %. What was seen is smoothed by kernels of several
widths, which are mixed by how well each has foretold what came next (prequential likelihood, Dawid 1984): a steady
server gets a sharp law, a fickle one a smooth one, and nobody chooses a bandwidth. To this a prior adds a few
observations' worth of mass, and what was seen elsewhere a little more. Both fade as observations come in.

Exports that are still running count as such. At the start of a night the short ones are seen first; a density of those
alone would say that everything is short. So the law is kept as a hazard, of which each bin has its own: ends in the
bin, over all that were still running when they reached it (Kaplan and Meier 1958), ended since or not.

What is old is forgotten: beyond ``memory`` observations each new one displaces an old one, by exponential decay.

Worst case: a law that changes at once by a factor of ten is half learned after some hundred observations; until then
looks follow the mixture of both. Learning anew costs about a millisecond and is due only when a twelfth has been added.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate

STEP = 0.06
"""The width of a bin, in units of the logarithm."""

_WIDTHS = (1, 3, 5, 9, 17)
_SCORES_KEPT = 0.99
_LARGEST_SHARE = 1.0 - 1e-6
_RAREST = 1e-12
_ELSEWHERE = 4.0
_FADING = 100.0
_NEWS_SHARE = 0.08
_NEWS_OF_A_LOOK = 0.02


def normal(middle: float, sigma: float, x: float) -> float:
    """Return the density of the normal law."""
    return math.exp(-0.5 * ((x - middle) / sigma) ** 2) / (sigma * math.sqrt(2.0 * math.pi))


class Generation:
    """The law of one kind of export, over x = log(t) for t ``within`` two bounds; what lies outside counts as nearest.

    ``prior`` is a density over x that need not be normed, ``weight`` how many observations it counts for.
    """

    def __init__(
        self,
        within: tuple[float, float],
        prior: Callable[[float], float],
        *,
        weight: float = 5.0,
        memory: float = 400.0,
    ) -> None:
        low, high = map(math.log, within)
        bins = math.ceil((high - low) / STEP)
        self.low = low
        self._prior = _normed([max(_RAREST, prior(low + (number + 0.5) * STEP)) for number in range(bins)])
        self._weight = weight
        self._memory = memory
        self._counts = [0.0] * bins
        self._gain = 1.0
        self._seen = 0.0
        self._news = math.inf
        self._shares = self._prior
        self._foretold = [self._prior] * len(_WIDTHS)
        self._scores = [0.0] * len(_WIDTHS)

    @property
    def seen(self) -> float:
        """How many observations there are; old ones that were forgotten do not count."""
        return self._seen

    @property
    def is_stale(self) -> bool:
        """Whether enough was added since the last :meth:`hazards` to ask again."""
        return self._news >= max(1.0, _NEWS_SHARE * self._seen)

    @property
    def counts(self) -> list[float]:
        """What was observed, by bin."""
        return [count / self._gain for count in self._counts]

    def surprise(self, x: float) -> float:
        """Return minus the logarithm of the probability of the bin of ``x``, as it was when last learned."""
        return -math.log(self._shares[self._bin(x)])

    def looked(self) -> None:
        """Say that an export was seen running once more: a little news."""
        self._news += _NEWS_OF_A_LOOK

    def observe(self, x: float, weight: float = 1.0) -> None:
        """Add an export that ended."""
        number = self._bin(x)
        self._scores = [
            _SCORES_KEPT * score + weight * math.log(foretold[number])
            for score, foretold in zip(self._scores, self._foretold, strict=True)
        ]
        if self._seen >= self._memory:
            self._gain /= 1.0 - weight / self._memory
        self._counts[number] += weight * self._gain
        self._seen = min(self._memory, self._seen + weight)
        self._news += weight

    def hazards(self, running: Iterable[float], elsewhere: Sequence[float] = ()) -> list[float]:
        """Learn anew from all that was observed; return the hazard per unit of x, by bin.

        ``running`` are the x that running exports have reached; ``elsewhere`` is the sum of the counts of other laws.
        """
        self._news = 0.0
        self._counts, self._gain = self.counts, 1.0
        taught = self._taught(elsewhere)
        smoothed = [_smoothed(self._counts, width) for width in _WIDTHS]
        total = sum(taught) + sum(self._counts)
        self._foretold = [
            [(known + seen) / total for known, seen in zip(taught, counts, strict=True)] for counts in smoothed
        ]
        self._shares = _mixed(self._foretold, self._scores)
        return _hazards([share * total for share in self._shares], map(self._bin, running))

    def _taught(self, elsewhere: Sequence[float]) -> list[float]:
        """Return what is believed before anything is seen here, by bin, in observations."""
        fading = _FADING / (_FADING + self._seen)
        taught = [self._weight * fading * share for share in self._prior]
        seen = sum(elsewhere)
        if seen <= 0.0:
            return taught
        worth = min(_ELSEWHERE, seen) * fading / seen
        return [share + worth * count for share, count in zip(taught, elsewhere, strict=True)]

    def _bin(self, x: float) -> int:
        return min(len(self._prior) - 1, max(0, int((x - self.low) / STEP)))

    def __repr__(self) -> str:
        return f"<Generation {self._seen:.0f} seen>"


def _hazards(ends: list[float], running: Iterable[int]) -> list[float]:
    """Return ends over exports at risk, by bin, from the last one back; running ones are at risk up to where they are.

    ``running`` are the bins that running exports have reached.
    """
    reached = [0] * len(ends)
    for number in running:
        reached[number] += 1
    at_risk, hazards = 0.0, [0.0] * len(ends)
    for number in range(len(ends) - 1, -1, -1):
        at_risk += ends[number]
        hazards[number] = -math.log1p(-min(ends[number] / at_risk, _LARGEST_SHARE)) / STEP
        at_risk += reached[number]
    return hazards


def _mixed(laws: list[list[float]], scores: list[float]) -> list[float]:
    """Mix laws, each weighted by the likelihood of its forecasts."""
    best = max(scores)
    weights = _normed([math.exp(score - best) for score in scores])
    return [sum(map(float.__mul__, weights, shares)) for shares in zip(*laws, strict=True)]


def _smoothed(counts: list[float], width: int) -> list[float]:
    """Spread each count over its neighbours: a moving sum of ``width`` bins, three times, is nearly a normal kernel."""
    total, reach, bins = sum(counts), width // 2, len(counts)
    if reach == 0 or total <= 0.0:
        return counts
    spread = counts
    for _ in range(3):
        sums = [0.0, *accumulate(spread)]
        padded = [0.0] * reach + sums + [sums[-1]] * reach
        spread = [padded[number + width] - padded[number] for number in range(bins)]
    scale = total / sum(spread)
    return [count * scale for count in spread]


def _normed(values: list[float]) -> list[float]:
    total = sum(values)
    return [value / total for value in values]
