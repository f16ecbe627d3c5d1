"""The figures of nights as Markdown tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median

from benchmarks.night.figures import Figures, Line

COLUMNS: tuple[tuple[str, str, Callable[[Figures], float]], ...] = (
    ("wall / bound", ".3f", lambda night: night.ratio),
    ("looks per export", ".2f", lambda night: night.looks),
    ("requests per export", ".2f", lambda night: night.requests),
    ("slots at work", ".1%", lambda night: night.utilisation),
    ("seen late, s", ".2f", lambda night: night.late),
    ("429s: cap", ",.0f", lambda night: night.cap_429s),
    ("rate", ",.0f", lambda night: night.rate_429s),
    ("scenario", ",.0f", lambda night: night.other_429s),
    ("slowest / median wait", ".2f", lambda night: night.unfairness),
    ("failed", ",.0f", lambda night: night.failed),
    ("orphans", ",.0f", lambda night: night.orphans),
    ("busiest second", ",.0f", lambda night: night.busiest_second),
)
COSTS: tuple[tuple[str, str, Callable[[Figures], float]], ...] = (
    ("client CPU, ms an export", ".2f", lambda night: night.client_ms),
    ("server CPU, ms an export", ".2f", lambda night: night.server_ms),
    ("real time, s", ".1f", lambda night: night.seconds),
    ("peak memory, MiB", ".0f", lambda night: night.peak_mib),
)


def compared(nights: Mapping[str, Sequence[Figures]], *, costs: bool = True) -> str:
    """Return one row per name, each figure the median over that name's nights."""
    columns = (*COLUMNS, *COSTS) if costs else COLUMNS
    rows = [
        [name, *(format(median(map(value, figures)), style) for _, style, value in columns)]
        for name, figures in nights.items()
    ]
    return markdown(["night", *(head for head, _, _ in columns)], rows)


def by_endpoint(lines: Sequence[Line]) -> str:
    """Return one row per endpoint."""
    rows = [
        [
            line.name,
            f"{line.exports:,}",
            f"{line.wall:,.1f}",
            f"{line.bound:,.1f}",
            f"{line.ratio:.3f}",
            f"{line.looks:.2f}",
            f"{line.work / line.slot_seconds:.1%}",
            f"{line.late:.2f} / {line.late_95:.2f}",
        ]
        for line in lines
    ]
    heads = [
        "endpoint",
        "exports",
        "wall, s",
        "bound, s",
        "wall / bound",
        "looks",
        "slots at work",
        "late: mean / 95 %",
    ]
    return markdown(heads, rows)


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose columns line up."""
    table = [list(heads), *map(list, rows)]
    widths = [max(3, *(len(row[at]) for row in table)) for at in range(len(heads))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in table
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
