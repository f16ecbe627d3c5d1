"""What is left of nights: a table as Markdown, every figure as JSON, the plots, and what they were made on."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.night.figures import Figures
from benchmarks.night.play import Night
from benchmarks.night.plots import Spot, frontier_plot, slots_plot
from benchmarks.night.table import by_endpoint, compared


@dataclass(frozen=True)
class Row:
    """One client in one scenario: its nights, one a seed. ``label`` is short, for a plot."""

    scenario: str
    strategy: str
    label: str
    nights: Sequence[Figures]

    @property
    def spot(self) -> Spot:
        """Where it stands between looks and wall time, by the medians."""
        looks, ratio = (median(values) for values in zip(*((n.looks, n.ratio) for n in self.nights), strict=True))
        return Spot(looks, ratio, self.label)


def named(rows: Sequence[Row]) -> dict[str, Sequence[Figures]]:
    """Return the rows' nights by what tells them apart."""
    several_scenarios = len({row.scenario for row in rows}) > 1
    several_strategies = len({row.strategy for row in rows}) > 1
    names = [
        ", ".join([row.scenario] * several_scenarios + [row.strategy] * several_strategies) or row.scenario
        for row in rows
    ]
    return {name: row.nights for name, row in zip(names, rows, strict=True)}


def endpoints(rows: Sequence[Row], last: Night) -> str:
    """Return the endpoints of the last night, under a heading that says which night that is."""
    setting = last.setting
    heading = f"The last night by endpoint: {_called(rows)}, {setting.profiles:,} profiles, seed {setting.seed}"
    return f"{heading}\n\n{by_endpoint(last.figures.lines)}"


def keep(folder: Path, rows: Sequence[Row], last: Night, command: str) -> None:
    """Write ``night.md``, ``night.json`` and ``slots.svg`` of the last night into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    made_on = origin()
    text = "\n\n".join([f"`{command}`", made_on, compared(named(rows)), endpoints(rows, last)])
    (folder / "night.md").write_text(text + "\n", encoding="utf-8")
    figures = [
        {"scenario": row.scenario, "strategy": row.strategy, "nights": [_flat(night) for night in row.nights]}
        for row in rows
    ]
    document = {"command": command, "made_on": made_on, "rows": figures}
    (folder / "night.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    scenario = last.setting.scenario
    title = f"Slots over the night: {last.setting.profiles:,} profiles, {_called(rows)}"
    plot = slots_plot(title, last.in_use, last.generating, scenario.cap, len(last.figures.lines))
    (folder / "slots.svg").write_text(plot, encoding="utf-8")


def keep_frontier(folder: Path, title: str, policies: Mapping[str, Sequence[Row]]) -> None:
    """Write ``frontier.svg``."""
    folder.mkdir(parents=True, exist_ok=True)
    plot = frontier_plot(title, {name: [row.spot for row in rows] for name, rows in policies.items()})
    (folder / "frontier.svg").write_text(plot, encoding="utf-8")


def origin() -> str:
    """Say when, with which commit and on what this runs."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],  # noqa: S607
        cwd=Path(__file__).parent, capture_output=True, text=True, check=False,
    ).stdout.strip()  # fmt: skip
    return f"{datetime.now(UTC):%d %B %Y}, commit {commit or 'unknown'}, CPython {platform.python_version()}"


def _called(rows: Sequence[Row]) -> str:
    return f"{rows[-1].scenario}, {rows[-1].strategy}"


def _flat(night: Figures) -> dict[str, object]:
    return {"ratio": night.ratio, "utilisation": night.utilisation, "late": night.late, **asdict(night)}
