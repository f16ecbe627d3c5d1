"""The two plots of a night: its slots over time, and where each policy stands between looks and wall time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.night.caps import Cap
from benchmarks.night.svg import COLOURS, Axis, Chart

_BINS = 400


def slots_plot(
    title: str, in_use: Sequence[tuple[float, int]], at_work: Sequence[tuple[float, int]], cap: Cap, endpoints: int
) -> str:
    """Draw how many slots were taken over the night and how many of them were at work, beside how many there are."""
    end = max(time for time, _ in in_use)
    hours = 3600.0
    top = max(cap.highest * endpoints, *(level for _, level in in_use))
    x = Axis("hours since the night began", 0.0, end / hours, ticks(0.0, end / hours, 9))
    chart = Chart(title, x, Axis("slots, all endpoints", 0.0, top * 1.35, ticks(0.0, top * 1.2, 7)))
    steps = [
        *((time / hours, slots * endpoints) for time, slots in cap.steps if time < end),
        (end / hours, cap(end) * endpoints),
    ]
    chart.line(
        [(time / hours, level) for time, level in averaged(in_use, end)], COLOURS[0], "taken: asked for, end not seen"
    )
    chart.line(
        [(time / hours, level) for time, level in averaged(at_work, end)],
        COLOURS[1],
        "at work: the server generates",
        width=1.2,
    )
    chart.steps(steps, COLOURS[5], "slots there are", dashed=True, width=1.5)
    return chart.text()


def averaged(steps: Sequence[tuple[float, int]], end: float, bins: int = _BINS) -> list[tuple[float, float]]:
    """Return the mean level of a staircase over each of ``bins`` equal stretches of time, at its middle."""
    width = end / bins
    sums = [0.0] * bins
    for (start, level), (stop, _) in pairwise([*steps, (end, 0)]):
        for at in range(int(start / width), min(bins, math.ceil(min(stop, end) / width))):
            sums[at] += level * max(0.0, min(stop, end, (at + 1) * width) - max(start, at * width))
    return [((at + 0.5) * width, total / width) for at, total in enumerate(sums)]


def ticks(low: float, high: float, most: int) -> list[float]:
    """Return at most ``most`` round values from ``low`` to ``high``."""
    rough = (high - low) / most
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * unit for factor in (1, 2, 5, 10) if factor * unit >= rough)
    first = math.ceil(low / step - 1e-9)
    return [round(step * at, 10) for at in range(first, math.floor(high / step + 1e-9) + 1)]


@dataclass(frozen=True)
class Spot:
    """Where a policy stands: looks per export, wall over bound, and a word for it."""

    looks: float
    ratio: float
    label: str


def frontier_plot(title: str, policies: Mapping[str, Iterable[Spot]]) -> str:
    """Draw policies, each a line of spots: fewer looks to the left, less wall time below."""
    looks = Axis("looks per export", 1.0, 60.0, (1, 2, 5, 10, 20, 50), logarithmic=True)
    shares = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
    excess = Axis("wall time above the bound", 0.01, 1.0, shares, logarithmic=True, written="{:.0%}".format)
    chart = Chart(title, looks, excess, height=560)
    for at, (name, spots) in enumerate(policies.items()):
        ordered = sorted(spots, key=lambda spot: spot.looks)
        points = [(spot.looks, spot.ratio - 1.0) for spot in ordered]
        colour = COLOURS[at % len(COLOURS)]
        chart.line(points, colour, width=1.5)
        chart.dots(points, colour, name, [spot.label for spot in ordered], below=at % 2 == 0)
    return chart.text()
