"""Random bits without a generator: a number in, 64 well-mixed bits out (SplitMix64, Steele, Lea and Flood 2014).

What a row holds must depend on its number alone, and seeding a generator for each would cost more than the row.
"""

from __future__ import annotations

import math

_MASK = 0xFFFFFFFFFFFFFFFF


def mix(number: int) -> int:
    """Return 64 bits for a number; neighbours give unrelated ones."""
    z = number * 0x9E3779B97F4A7C15 & _MASK
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & _MASK
    return z ^ z >> 31


def spread_of(mean: float, least: int, most: int) -> tuple[int, ...]:
    """Return 256 counts, equally likely, that follow an exponential law above ``least`` and stop at ``most``."""
    return tuple(min(most, least - int(mean * math.log(1 - (place + 0.5) / 256))) for place in range(256))
