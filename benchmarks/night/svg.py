"""Line charts as SVG text, dark on light: axes with ticks, lines, dots with labels, a legend. No dependency.

A chart is a function of its numbers: the same numbers give the same bytes, so a plot can be kept beside its table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise

Points = Sequence[tuple[float, float]]

COLOURS = ("#1f5fa8", "#c2410c", "#2f7d32", "#7b2d8b", "#8a6d00", "#555555")
_INK, _PALE = "#222222", "#dddddd"
_FONT = "font-family='Helvetica, Arial, sans-serif'"


@dataclass(frozen=True)
class Axis:
    """One axis: what it says, where it begins and ends, where its ticks are, and whether equal ratios are equal."""

    label: str
    low: float
    high: float
    ticks: Sequence[float]
    logarithmic: bool = False
    written: Callable[[float], str] = "{:g}".format

    def place(self, value: float) -> float:
        """Return where a value is, from 0 (``low``) to 1 (``high``); what is beyond stands at the edge."""
        value = min(max(value, self.low), self.high)
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


@dataclass
class Chart:
    """A chart of ``width`` x ``height`` pixels; draw on it, then :meth:`text` is the SVG."""

    title: str
    x: Axis
    y: Axis
    width: int = 860
    height: int = 480
    _drawn: list[str] = field(default_factory=list)
    _legend: list[str] = field(default_factory=list)

    _LEFT, _RIGHT, _TOP, _BOTTOM = 70, 24, 46, 56

    def line(self, points: Points, colour: str, name: str = "", *, width: float = 2.0, dashed: bool = False) -> None:
        """Draw a line through the points; one with a name is in the legend."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(self._pixel, points))
        dashes = " stroke-dasharray='6 4'" if dashed else ""
        style = f"fill='none' stroke='{colour}' stroke-width='{width:g}' stroke-linejoin='round'{dashes}"
        self._drawn.append(f"<polyline points='{path}' {style}/>")
        self._name(name, f"<line x1='0' y1='-4' x2='22' y2='-4' {style}/>")

    def steps(self, points: Points, colour: str, name: str = "", *, width: float = 2.0, dashed: bool = False) -> None:
        """Draw a staircase: each level holds until the next point."""
        corners = [point for one, other in pairwise(points) for point in (one, (other[0], one[1]))]
        self.line([*corners, points[-1]], colour, name, width=width, dashed=dashed)

    def dots(
        self, points: Points, colour: str, name: str = "", labels: Sequence[str] = (), *, below: bool = False
    ) -> None:
        """Draw a dot at each point, with its label above it or below."""
        for at, point in enumerate(points):
            x, y = self._pixel(point)
            self._drawn.append(f"<circle cx='{x:.1f}' cy='{y:.1f}' r='4.5' fill='{colour}'/>")
            if at < len(labels):
                down = 18 if below else -9
                self._drawn.append(_text(x, y + down, labels[at], size=11, anchor="middle", colour=colour))
        self._name(name, f"<circle cx='11' cy='-4' r='4.5' fill='{colour}'/>")

    def text(self) -> str:
        """Return the whole drawing."""
        return "\n".join(
            [
                f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {self.width} {self.height}' {_FONT}>",
                f"<rect width='{self.width}' height='{self.height}' fill='white'/>",
                _text(self._LEFT, 24, self.title, size=15, weight="bold"),
                *self._across(),
                *self._up(),
                *self._drawn,
                *self._key(),
                "</svg>\n",
            ]
        )

    def _across(self) -> list[str]:
        bottom = self.height - self._BOTTOM
        drawn = [_line(self._LEFT, bottom, self.width - self._RIGHT, bottom, _INK)]
        for tick in self.x.ticks:
            x, _ = self._pixel((tick, self.y.low))
            drawn += [_line(x, self._TOP, x, bottom, _PALE), _line(x, bottom, x, bottom + 5, _INK)]
            drawn.append(_text(x, bottom + 20, self.x.written(tick), anchor="middle"))
        middle = (self._LEFT + self.width - self._RIGHT) / 2
        return [*drawn, _text(middle, self.height - 12, self.x.label, anchor="middle", size=13)]

    def _up(self) -> list[str]:
        drawn = [_line(self._LEFT, self._TOP, self._LEFT, self.height - self._BOTTOM, _INK)]
        for tick in self.y.ticks:
            _, y = self._pixel((self.x.low, tick))
            drawn += [
                _line(self._LEFT, y, self.width - self._RIGHT, y, _PALE),
                _line(self._LEFT - 5, y, self._LEFT, y, _INK),
            ]
            drawn.append(_text(self._LEFT - 9, y + 4, self.y.written(tick), anchor="end"))
        middle = (self._TOP + self.height - self._BOTTOM) / 2
        turned = f" transform='rotate(-90 18 {middle:.1f})'"
        return [*drawn, _text(18, middle, self.y.label, anchor="middle", size=13, more=turned)]

    def _key(self) -> list[str]:
        """Draw the legend in the upper right corner, on white."""
        if not self._legend:
            return []
        left, top = self.width - self._RIGHT - 330, self._TOP + 6
        tall = 18 * len(self._legend) + 10
        box = f"<rect x='{left}' y='{top}' width='324' height='{tall}' fill='white' opacity='0.85'/>"
        rows = [
            f"<g transform='translate({left + 8} {top + 18 * (at + 1)})'>{row}</g>"
            for at, row in enumerate(self._legend)
        ]
        return [box, *rows]

    def _name(self, name: str, sign: str) -> None:
        if name:
            self._legend.append(sign + _text(30, 0, name))

    def _pixel(self, point: tuple[float, float]) -> tuple[float, float]:
        across, up = self.width - self._LEFT - self._RIGHT, self.height - self._TOP - self._BOTTOM
        return self._LEFT + across * self.x.place(point[0]), self._TOP + up * (1.0 - self.y.place(point[1]))


def _text(
    x: float,
    y: float,
    words: str,
    *,
    size: int = 12,
    anchor: str = "start",
    weight: str = "normal",
    colour: str = _INK,
    more: str = "",
) -> str:
    style = f"font-size='{size}' text-anchor='{anchor}' font-weight='{weight}' fill='{colour}'{more}"
    return f"<text x='{x:.1f}' y='{y:.1f}' {style}>{escape(words)}</text>"


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke='{colour}'/>"
