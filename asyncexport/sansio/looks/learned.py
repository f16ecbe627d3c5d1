"""When to look at an export again, from what was learned of all that ended before.

Each endpoint has two laws. The *fresh* one is over the logarithm of the seconds an export takes; before anything is
known it says what is known of the API: small exports take about a second (captured), typical ones 10 to 30 s, and some
take many minutes. The *remembered* one is over the logarithm of the time an export takes in units of
what the same one took on earlier nights; it is sharp where nights are alike, so that few looks are enough. Whichever of
the two has foretold the latest exports better is used for those that are remembered. Endpoints teach each other a
little, and earlier nights teach the fresh law until it has seen something itself.

Looks are placed by :mod:`asyncexport.sansio.looks.inspection`, at a price that keeps all exports of the client and
region within a budget of requests (:mod:`asyncexport.sansio.looks.price`). At first they are cheaper, since each of
them teaches.

Worst case: a law that is wrong. Two looks are never further apart than a minute, so an export is seen at most that
late.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from asyncexport.sansio.looks.generation import Generation, normal
from asyncexport.sansio.looks.inspection import Inspection
from asyncexport.sansio.looks.polling import Ending
from asyncexport.sansio.looks.price import Load, Price
from asyncexport.sansio.pacing.backoff import Spread

LONGEST = 60.0
"""How far two looks may be apart, in seconds."""

_SHORTEST = 0.05
_JITTER = 0.1
_SECONDS = (0.05, 10_800.0)
_RATIOS = (1 / 220.0, 220.0)
_OVERHEAD = 0.05
_SURELY = 0.995
_TAUGHT_UNTIL = 20.0
_TAUGHT_WEIGHT = 0.5
_VAGUE_WEIGHT = 0.25
_NOVICE, _EXPERT = 5.0, 25.0
_MEMORY_KEPT = 0.98
_MEMORY_FAILED = -3.0


def _fresh(x: float) -> float:
    tiny, typical, long = normal(0.0, 0.8, x), normal(math.log(15.0), 1.0, x), normal(math.log(60.0), 1.5, x)
    return 0.30 * tiny + 0.62 * typical + 0.08 * long


def _remembered(x: float) -> float:
    return 0.85 * normal(0.0, 0.3, x) + 0.15 * normal(0.0, 2.0, x)


class LearnedPolling:
    """A :class:`~asyncexport.sansio.looks.polling.Polling` of one client and region; ``looks``: requests a second."""

    def __init__(self, looks: float) -> None:
        self.price = Price(looks)
        self._endpoints: dict[str, _Endpoint] = {}

    def begin(self, endpoint: str, remembered: float | None, spread: Spread) -> LearnedWatch:
        """Watch an export that was just asked for."""
        at = self._at(endpoint)
        unit = _usable(remembered)
        if unit is not None:
            at.teach(unit)
        return LearnedWatch(at, self.price, unit if at.trusts_memory else None, unit, spread)

    def expected(self, endpoint: str, remembered: float | None) -> float:
        """Return how many seconds an export takes on average."""
        at, unit = self._at(endpoint), _usable(remembered)
        return at.fresh.mean if unit is None else at.remembered.mean * unit

    def surely_over(self, endpoint: str) -> float:
        """Return after how many seconds nearly every export (99.5 %) has ended."""
        return self._at(endpoint).fresh.surely_over(_SURELY)

    def _at(self, endpoint: str) -> _Endpoint:
        if endpoint not in self._endpoints:
            self._endpoints[endpoint] = _Endpoint(self._endpoints.values())
        return self._endpoints[endpoint]

    def __repr__(self) -> str:
        return f"<LearnedPolling of {', '.join(self._endpoints) or 'nothing yet'}, {self.price!r}>"


class LearnedWatch:
    """The looks at one export; ages in seconds. ``unit``: by which law, None by the fresh one."""

    def __init__(
        self, endpoint: _Endpoint, price: Price, unit: float | None, remembered: float | None, spread: Spread
    ) -> None:
        self._endpoint = endpoint
        self._price = price
        self._spread = spread
        self._remembered = remembered
        self.unit = unit
        self.age = 0.0
        law, scale = self._law
        seconds = law.mean * scale + _OVERHEAD
        self._load = Load(law.effort * math.sqrt(scale) / seconds, 1.5 / seconds, seconds)
        self._is_open = True
        price.add(self._load)
        endpoint.watches.add(self)

    def next_look(self, age: float) -> float:
        """Return the age at which to look next, later than ``age`` by at most :data:`LONGEST`."""
        self.age = age
        self._endpoint.looked(self)
        law, scale = self._law
        price = self._price.seconds * self._endpoint.discount(self)
        look = law.next_look(age / scale, price / scale, LONGEST / scale) * scale
        distance = (look - age) * (1.0 + _JITTER * (self._spread() - 0.5))
        return age + min(LONGEST, max(_SHORTEST, distance))

    def ended(self, ending: Ending) -> None:
        """Learn from its end."""
        vague = ending.exactly is None and ending.after <= 0.0
        self._endpoint.ended(ending.age, self._remembered, _VAGUE_WEIGHT if vague else 1.0)

    def close(self) -> None:
        """Nobody looks any more."""
        if self._is_open:
            self._is_open = False
            self._price.remove(self._load)
            self._endpoint.watches.discard(self)

    @property
    def _law(self) -> tuple[Inspection, float]:
        """The law to go by, and its unit in seconds."""
        return (self._endpoint.fresh, 1.0) if self.unit is None else (self._endpoint.remembered, self.unit)


class _Endpoint:
    """What is known of one endpoint. ``everywhere`` are all endpoints of the client, itself among them."""

    def __init__(self, everywhere: Iterable[_Endpoint]) -> None:
        self._everywhere = everywhere
        self._fresh = Generation(_SECONDS, _fresh)
        self._remembered = Generation(_RATIOS, _remembered)
        self._inspections: dict[Generation, Inspection] = {}
        self._memory = 0.0
        self.watches: set[LearnedWatch] = set()

    @property
    def fresh(self) -> Inspection:
        """The law of what nothing is remembered of, in seconds."""
        if self._fresh.is_stale:
            others = [other.counts for other in self._everywhere if other is not self]
            elsewhere = [sum(counts) for counts in zip(*others, strict=True)]
            running = [_log(watch.age) for watch in self.watches]
            self._inspections[self._fresh] = Inspection(self._fresh.low, self._fresh.hazards(running, elsewhere))
        return self._inspections[self._fresh]

    @property
    def remembered(self) -> Inspection:
        """The law in units of what is remembered."""
        if self._remembered.is_stale:
            running = [_log(watch.age / watch.unit) for watch in self.watches if watch.unit is not None]
            self._inspections[self._remembered] = Inspection(self._remembered.low, self._remembered.hazards(running))
        return self._inspections[self._remembered]

    @property
    def counts(self) -> list[float]:
        """What was seen here, for the other endpoints."""
        return self._fresh.counts

    @property
    def trusts_memory(self) -> bool:
        """Whether memory foretold the latest exports no worse than the fresh law did."""
        return self._memory > _MEMORY_FAILED

    def teach(self, seconds: float) -> None:
        """Let an earlier night speak while nothing was seen in this one."""
        if self._fresh.seen < _TAUGHT_UNTIL:
            self._fresh.observe(math.log(seconds), _TAUGHT_WEIGHT)

    def looked(self, watch: LearnedWatch) -> None:
        """A running export was looked at."""
        self._generation(watch).looked()

    def discount(self, watch: LearnedWatch) -> float:
        """Return what part of the price a look is worth: a fifth before anything is known, nearly all in the end."""
        seen = self._generation(watch).seen
        return (seen + _NOVICE) / (seen + _EXPERT)

    def ended(self, age: float, remembered: float | None, weight: float) -> None:
        """Learn from an end at ``age``."""
        x = _log(age)
        if remembered is not None:
            ratio = x - math.log(remembered)
            gain = self._fresh.surprise(x) - self._remembered.surprise(ratio)
            self._memory = _MEMORY_KEPT * self._memory + weight * gain
            self._remembered.observe(ratio, weight)
        self._fresh.observe(x, weight)

    def _generation(self, watch: LearnedWatch) -> Generation:
        return self._fresh if watch.unit is None else self._remembered


def _log(age: float) -> float:
    return math.log(max(age, 1e-9))


def _usable(remembered: float | None) -> float | None:
    """Return what is remembered, within what exports take; None if it is no time at all."""
    if remembered is None or not 0.0 < remembered < math.inf:
        return None
    return min(max(remembered, _SECONDS[0]), _SECONDS[1])
