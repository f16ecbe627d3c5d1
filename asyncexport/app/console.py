"""What people read: numbers with units, and tables whose columns line up in any script.

Text in, text out; only :func:`terminal_width` looks at the world. Widths are counted in terminal cells, so that
Chinese and emoji names line up; texts of others (profile names) have their control characters escaped.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from rich.cells import cell_len, set_cell_size

from asyncexport.sansio.redact import printable

_UNITS = ("B", "kB", "MB", "GB", "TB")


def size(count: float) -> str:
    """Return a number of bytes with its unit.

    >>> size(512), size(1_234_567)
    ('512 B', '1.2 MB')
    """
    value, unit = float(count), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if unit == 0 or value >= 99.95 else f"{value:.1f} {_UNITS[unit]}"


def duration(seconds: float) -> str:
    """Return a duration as people say it.

    >>> duration(4.26), duration(75), duration(7262)
    ('4.3 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def count(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun.

    >>> count(1, "export"), count(1200, "entry", "entries")
    ('1 export', '1,200 entries')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def table(
    rows: Sequence[Sequence[str]],
    *,
    right: frozenset[int] = frozenset(),
    widest: int = 32,
    width: int | None = None,
    narrowing: Mapping[int, int] = MappingProxyType({}),
) -> list[str]:
    """Return the lines of a table whose first row is the heading; columns in ``right`` are aligned right.

    A cell wider than ``widest`` terminal cells is cut with an ellipsis. Where the table would be wider than ``width``,
    the columns of ``narrowing`` are cut, the first one first, each down to so many terminal cells; the lines are still
    too wide if that is not enough.
    """
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [min(max(cell_len(row[at]) for row in cells), widest) for at in range(len(cells[0]))]
    for at, least in narrowing.items():
        excess = 0 if width is None else sum(widths) + 2 * (len(widths) - 1) - width
        widths[at] -= min(max(excess, 0), max(widths[at] - least, 0))
    return [
        "  ".join(_pad(_fit(cell, widths[at]), widths[at], at in right) for at, cell in enumerate(row)).rstrip()
        for row in cells
    ]


def clipped(line: str, width: int | None) -> str:
    """Return a line that is no wider than a terminal; None is no terminal."""
    return line if width is None else _fit(line, width)


def terminal_width() -> int | None:
    """Return how many cells a line of standard output may have, None where it is no terminal.

    Two are left free: terminals differ over how wide the letters of some scripts are.
    """
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    return max(shutil.get_terminal_size().columns - 2, 1) if is_terminal else None


def _fit(text: str, widest: int) -> str:
    return text if cell_len(text) <= widest else set_cell_size(text, widest - 1) + "…"


def _pad(text: str, width: int, right: bool) -> str:  # noqa: FBT001
    blanks = " " * (width - cell_len(text))
    return blanks + text if right else text + blanks
