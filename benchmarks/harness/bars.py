"""Bars as SVG text, one below the other: the same numbers give the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from benchmarks.night.svg import COLOURS

_FONT = "font-family='Helvetica, Arial, sans-serif'"
_WORDS = "font-size='12' fill='#222222'"
_WIDTH, _NAMES, _ROW, _TOP = 860, 230, 30, 50


def bars(title: str, values: Sequence[tuple[str, float]], written: str) -> str:
    """Draw one bar a value, the first in another colour; ``written`` is the format of what stands beside each."""
    longest = max((value for _, value in values), default=0.0) or 1.0
    height = _TOP + _ROW * len(values) + 20
    drawn = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_WIDTH} {height}' {_FONT}>",
        f"<rect width='{_WIDTH}' height='{height}' fill='white'/>",
        f"<text x='20' y='28' font-size='15' font-weight='bold' fill='#222222'>{escape(title)}</text>",
    ]
    for at, (name, value) in enumerate(values):
        y = _TOP + _ROW * at
        wide = (_WIDTH - _NAMES - 110) * value / longest
        colour = COLOURS[0 if at == 0 else 5]
        drawn += [
            f"<text x='{_NAMES - 10}' y='{y + 17}' {_WORDS} text-anchor='end'>{escape(name)}</text>",
            f"<rect x='{_NAMES}' y='{y}' width='{wide:.1f}' height='{_ROW - 8}' fill='{colour}'/>",
            f"<text x='{_NAMES + wide + 8:.1f}' y='{y + 17}' {_WORDS}>{written.format(value)}</text>",
        ]
    return "\n".join([*drawn, "</svg>\n"])
