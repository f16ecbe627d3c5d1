"""Bars as SVG text, panel below panel: the same numbers give the same bytes.

A bar ends at the median; a line across its end reaches from the least to the greatest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.night.svg import COLOURS

_FONT = "font-family='Helvetica, Arial, sans-serif'"
_WORDS = "font-size='12' fill='#222222'"
_WIDTH, _NAMES, _VALUES, _ROW, _TOP, _HEAD = 860, 230, 110, 30, 42, 30


@dataclass(frozen=True)
class Bar:
    """One case: its median, and the least and the greatest of its repeats."""

    name: str
    middle: float
    least: float
    greatest: float


@dataclass(frozen=True)
class Panel:
    """One figure of all cases; ``written`` is the format of the number beside a bar."""

    title: str
    bars: Sequence[Bar]
    written: str

    @property
    def height(self) -> int:
        """Pixels."""
        return _HEAD + _ROW * len(self.bars)


def drawing(title: str, panels: Sequence[Panel]) -> str:
    """Draw the panels; the first bar of each is in another colour."""
    height = _TOP + sum(panel.height for panel in panels) + 12
    drawn = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_WIDTH} {height}' {_FONT}>",
        f"<rect width='{_WIDTH}' height='{height}' fill='white'/>",
        f"<text x='20' y='28' font-size='15' font-weight='bold' fill='#222222'>{escape(title)}</text>",
    ]
    top = _TOP
    for panel in panels:
        drawn += _drawn(panel, top)
        top += panel.height
    return "\n".join([*drawn, "</svg>\n"])


def _drawn(panel: Panel, top: int) -> list[str]:
    longest = max((bar.greatest for bar in panel.bars), default=0.0) or 1.0
    scale = (_WIDTH - _NAMES - _VALUES) / longest
    drawn = [f"<text x='{_NAMES}' y='{top + 18}' {_WORDS} font-weight='bold'>{escape(panel.title)}</text>"]
    for at, bar in enumerate(panel.bars):
        drawn += _bar(bar, top + _HEAD + _ROW * at, scale, COLOURS[0 if at == 0 else 5], panel.written)
    return drawn


def _bar(bar: Bar, y: int, scale: float, colour: str, written: str) -> list[str]:
    middle, least, greatest = (_NAMES + scale * value for value in (bar.middle, bar.least, bar.greatest))
    line = y + (_ROW - 8) / 2
    return [
        f"<text x='{_NAMES - 10}' y='{y + 15}' {_WORDS} text-anchor='end'>{escape(bar.name)}</text>",
        f"<rect x='{_NAMES}' y='{y}' width='{middle - _NAMES:.1f}' height='{_ROW - 8}' fill='{colour}'/>",
        f"<path d='M{least:.1f},{line:g}H{greatest:.1f}' stroke='#222222' stroke-width='2'/>",
        f"<text x='{greatest + 8:.1f}' y='{y + 15}' {_WORDS}>{format(bar.middle, written)}</text>",
    ]
