"""What an experiment found, as JSON, and the Markdown table and the SVG plot of it.

Tables and plots are functions of the JSON: they can be made again from a file, and the same file gives the same bytes.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.harness.bars import Bar, Panel, drawing
from benchmarks.harness.measure import Usage
from benchmarks.harness.rounds import Result
from benchmarks.night.table import markdown

Figure = tuple[str, str, Callable[[Usage], float]]
"""Name, format and value of a figure of one run of a case."""

ALWAYS: tuple[Figure, ...] = (
    ("wall, s", ".2f", lambda usage: usage.wall),
    ("CPU, s", ".2f", lambda usage: usage.cpu),
    ("peak MiB", ".0f", lambda usage: usage.peak_mib),
)


@dataclass
class Finding:
    """The results of one experiment. ``base`` names the case that others are compared with, if there is one.

    ``said`` are names of figures that cases said themselves, to be shown as well; ``text_bytes`` is what each case
    decoded, 0 where that means nothing; ``plotted`` names the figures of the plot; ``machine`` is what it was measured
    on, ``load`` its load when it was over.
    """

    name: str
    title: str
    results: list[Result]
    base: str = ""
    text_bytes: int = 0
    said: tuple[str, ...] = ()
    plotted: tuple[str, ...] = ("CPU, s",)
    note: str = ""
    load: float = 0.0
    machine: dict[str, Any] = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self)

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Finding:
        """Read what :meth:`told` gave."""
        results = [
            Result(**{**each, "usages": [Usage(**usage) for usage in each["usages"]]}) for each in told["results"]
        ]
        names = {each: tuple(told[each]) for each in ("said", "plotted")}
        return cls(**{**told, **names, "results": results})

    def table(self) -> str:
        """Return the medians as Markdown, one row a case; below it, what is not there and why."""
        base = next((result for result in self.results if result.name == self.base and result.is_good), None)
        figures = [*ALWAYS, *(_said(name) for name in self.said)]
        heads = ["case", *(name for name, _, _ in figures), "spread of CPU"]
        heads += ["MB/s of CPU"] if self.text_bytes else []
        heads += ["x CPU", "x wall"] if base else []
        idle = any(result.idle is not None for result in self.results)
        heads += ["start-up, s CPU"] if idle else []
        rows = []
        for result in self.results:
            if not result.is_good:
                continue
            row = [result.name, *(_written(result, style, value) for _, style, value in figures)]
            row.append(f"{result.spread(_cpu):.0%}")
            row += [f"{self.text_bytes / result.median(_cpu) / 1e6:.0f}"] if self.text_bytes else []
            row += [_times(result, base, _cpu), _times(result, base, _wall)] if base else []
            row += ["" if result.idle is None else f"{result.idle:.2f}"] if idle else []
            rows.append(row)
        absent = [
            f"\nNot measured: {result.name} ({_brief(result.trouble)})."
            for result in self.results
            if not result.is_good
        ]
        return "\n".join([markdown(heads, rows), *absent])

    def plot(self) -> str:
        """Return a panel for each plotted figure, with a bar for each case that went well and has it."""
        figures = {name: (style, value) for name, style, value in (*ALWAYS, *(_said(name) for name in self.said))}
        return drawing(self.title, [_panel(name, *figures[name], self.results) for name in self.plotted])


def page(findings: Sequence[Finding]) -> str:
    """Return everything as one Markdown page."""
    parts = ["# Results\n", "Medians of interleaved repeats; ratios are of one run.\n"]
    for finding in findings:
        parts += [f"## {finding.title}\n", f"{finding.note}\n"] if finding.note else [f"## {finding.title}\n"]
        parts += [f"{_where(finding)}\n", f"{finding.table()}\n", f"![{finding.title}]({finding.name}.svg)\n"]
    return "\n".join(parts)


def _where(finding: Finding) -> str:
    machine = finding.machine
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    return (
        f"{machine['date']}, commit {machine['commit']}; {machine['cores']} cores ({machine['processor']}), "
        f"{machine['memory_gib']} GiB, {machine['system']}, CPython {machine['python']}; {packages}. "
        f"Load at the beginning {machine['load']}, at the end {finding.load:.1f}."
    )


def _panel(name: str, style: str, figure: Callable[[Usage], float], results: Sequence[Result]) -> Panel:
    bars = []
    for result in results:
        values = [value for value in map(figure, result.usages) if not math.isnan(value)]
        if result.is_good and values:
            bars.append(Bar(result.name, statistics.median(values), min(values), max(values)))
    return Panel(name, bars, style)


def _said(name: str) -> Figure:
    style = ",.0f" if name in {"tokens", "asked", "looks", "429s", "most in progress", "exports"} else ".2f"
    return (name, style, lambda usage: float(usage.said.get(name, float("nan"))))


def _written(result: Result, style: str, figure: Callable[[Usage], float]) -> str:
    value = result.median(figure)
    return "" if math.isnan(value) else format(value, style)


def _times(result: Result, base: Result, figure: Callable[[Usage], float]) -> str:
    return f"{result.median(figure) / base.median(figure):.2f}"


def _brief(trouble: str) -> str:
    last = trouble.strip().splitlines()[-1] if trouble.strip() else "not run"
    return last if len(last) < 120 else last[:117] + "..."


def _cpu(usage: Usage) -> float:
    return usage.cpu


def _wall(usage: Usage) -> float:
    return usage.wall
