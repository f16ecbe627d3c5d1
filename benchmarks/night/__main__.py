"""Simulate nights and print their figures.

    python -m benchmarks.night --profiles 1000 --scenario steady --scenario later-night --seeds 5
    python -m benchmarks.night --profiles 10000 --law pareto --in-progress auto --cap 5,3@1800,8@7200
    python -m benchmarks.night --strategy ours:10 --strategy ours:20 --strategy fixed:5 --strategy budget

One row per scenario and strategy, each figure the median over the seeds; then the endpoints of the last night. The same
arguments give the same night, whatever the machine; only the last four columns are the machine's.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

from benchmarks.night.caps import Cap
from benchmarks.night.figures import Figures
from benchmarks.night.play import Night, Setting, play
from benchmarks.night.records import Row, endpoints, keep, keep_frontier, named
from benchmarks.night.scenarios import SCENARIOS, Scenario, Told, law_of, with_habit
from benchmarks.night.strategies import FIXED, GROWING, KINDS, OURS, Strategy, strategy_of, with_memory
from benchmarks.night.table import compared


def main() -> None:
    """Simulate and print."""
    chosen = _parser().parse_args()
    if chosen.frontier:
        _frontier(chosen)
        return
    rows, last = _nights(chosen, chosen.scenario or ["steady"], chosen.strategy or [strategy_of("ours")])
    print(compared(named(rows)))
    print(f"\n{endpoints(rows, last)}")
    if chosen.out is not None:
        keep(chosen.out, rows, last, shlex.join(["python", "-m", "benchmarks.night", *sys.argv[1:]]))


def _nights(
    chosen: argparse.Namespace, scenarios: Sequence[str], strategies: Sequence[Strategy]
) -> tuple[list[Row], Night]:
    rows: list[Row] = []
    last: Night | None = None
    for name, strategy in product(scenarios, strategies):
        figures: list[list[Figures]] = [[] for _ in range(chosen.nights)]
        for seed in range(chosen.seed, chosen.seed + chosen.seeds):
            client = with_memory(strategy.client)
            for night in range(chosen.nights):
                setting = Setting(
                    scenario_of(name, chosen), chosen.profiles, chosen.accounts, seed, chosen.latency, night
                )
                last = play(setting, client)
                figures[night].append(last.figures)
                _tell(f"{name}, {strategy.name}, seed {seed}, night {night + 1}", last.figures)
        called = [f"{name}, night {night + 1}" if chosen.nights > 1 else name for night in range(chosen.nights)]
        rows += [Row(called[at], strategy.name, strategy.label, each) for at, each in enumerate(figures)]
    if last is None:
        raise SystemExit("--seeds and --nights must be at least 1")
    return rows, last


def _frontier(chosen: argparse.Namespace) -> None:
    """Lay our policy at several settings beside fixed and growing looks: a table, and a plot where one is wanted."""
    policies = {
        "ours, first night": _nights(chosen, ["steady"], OURS)[0],
        "ours, later night": _nights(chosen, ["later-night"], OURS)[0],
        "a look every so many seconds": _nights(chosen, ["steady"], FIXED)[0],
        "looks at growing distances": _nights(chosen, ["steady"], GROWING)[0],
    }
    print(compared(named([row for rows in policies.values() for row in rows])))
    if chosen.out is not None:
        title = f"Looks against wall time: {chosen.profiles:,} profiles x 4, median of {chosen.seeds} nights"
        keep_frontier(chosen.out, title, policies)


def scenario_of(name: str, chosen: argparse.Namespace) -> Scenario:
    """Return the scenario of a name under the options that were given."""
    _, change = SCENARIOS[name]
    cap = chosen.cap or Cap((0.0, 5))
    law = with_habit(chosen.law) if chosen.nights > 1 else chosen.law
    scenario = change(Scenario(law=law, cap=cap, told=cap.highest, rate=chosen.rate))
    if chosen.cap is not None:
        scenario = replace(scenario, cap=chosen.cap)
    return scenario if chosen.in_progress is None else replace(scenario, told=chosen.in_progress)


def _tell(row: str, figures: Figures) -> None:
    print(f"{row}: {figures.ratio:.3f} at {figures.looks:.2f} looks", file=sys.stderr, flush=True)


def _told(text: str) -> Told:
    return "auto" if text == "auto" else int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.night", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    said = "; ".join(f"{name}: {what}" for name, (what, _) in SCENARIOS.items()).replace("%", "%%")
    parser.add_argument("--profiles", type=int, default=1000)
    parser.add_argument("--accounts", type=int, default=1, help="clients among which the profiles are dealt out")
    parser.add_argument("--scenario", action="append", choices=SCENARIOS, help=f"may be given several times. {said}")
    parser.add_argument("--law", type=law_of, default=law_of("lognormal:15:1"), metavar="NAME:NUMBERS",
                        help="constant:SECONDS, lognormal:MEDIAN:SIGMA[:HABIT],"
                        " bimodal:SMALL:LARGE:SHARE[:SIGMA[:HABIT]], pareto:LEAST:ALPHA:LONGEST[:HABIT]")  # fmt: skip
    parser.add_argument("--cap", type=Cap.parse, metavar="N[,N@SECOND...]", help="exports in progress (default 5)")
    parser.add_argument(
        "--in-progress", type=_told, metavar="N|auto", help="what the client is told (default: the cap)"
    )
    parser.add_argument("--rate", type=float, default=10.0, help="calls a second that the server allows a profile")
    parser.add_argument("--latency", type=float, default=0.05, help="seconds from a call to its answer")
    written = "; ".join(how for how, _ in KINDS.values())
    parser.add_argument("--strategy", action="append", type=strategy_of, metavar="WORD[:NUMBERS]",
                        help=f"may be given several times (default: ours). {written}")  # fmt: skip
    parser.add_argument("--nights", type=int, default=1,
                        help="nights in a row: each is remembered in the next, with a law that has habits")  # fmt: skip
    parser.add_argument("--frontier", action="store_true", help="our settings beside fixed and growing looks")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write the tables, every figure and the plots there")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds, one night each")
    return parser


if __name__ == "__main__":
    main()
