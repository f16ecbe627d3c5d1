"""Simulate nights and print their figures.

    python -m benchmarks.night --profiles 1000 --scenario steady --scenario later-night --seeds 5
    python -m benchmarks.night --profiles 10000 --law pareto --in-progress auto --cap 5,3@1800,8@7200
    python -m benchmarks.night --strategy ours:10 --strategy ours:20 --strategy fixed:5 --strategy budget

One row per scenario and strategy, each figure the median over the seeds; then the endpoints of the last night. The same
arguments give the same night, whatever the machine; only the last four columns are the machine's.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from itertools import product

from benchmarks.night.caps import Cap
from benchmarks.night.figures import Figures
from benchmarks.night.play import Night, Setting, play
from benchmarks.night.scenarios import SCENARIOS, Scenario, Told, law_of
from benchmarks.night.strategies import KINDS, strategy_of
from benchmarks.night.table import by_endpoint, compared


def main() -> None:
    """Simulate and print."""
    chosen = _parser().parse_args()
    nights: dict[str, list[Figures]] = {}
    last: Night | None = None
    strategies = chosen.strategy or [strategy_of("ours")]
    scenarios = chosen.scenario or ["steady"]
    for name, strategy in product(scenarios, strategies):
        row = ", ".join([name] * (len(scenarios) > 1) + [strategy.name] * (len(strategies) > 1)) or name
        for seed in range(chosen.seed, chosen.seed + chosen.seeds):
            setting = Setting(scenario_of(name, chosen), chosen.profiles, chosen.accounts, seed, chosen.latency)
            last = play(setting, strategy.client)
            nights.setdefault(row, []).append(last.figures)
            _tell(f"{row}, seed {seed}: {last.figures.ratio:.3f} at {last.figures.looks:.2f} looks")
    print(compared(nights))
    if last is not None:
        print(f"\n{by_endpoint(last.figures.lines)}")


def scenario_of(name: str, chosen: argparse.Namespace) -> Scenario:
    """Return the scenario of a name under the options that were given."""
    _, change = SCENARIOS[name]
    cap = chosen.cap or Cap((0.0, 5))
    scenario = change(Scenario(law=chosen.law, cap=cap, told=cap.highest, rate=chosen.rate))
    if chosen.cap is not None:
        scenario = replace(scenario, cap=chosen.cap)
    return scenario if chosen.in_progress is None else replace(scenario, told=chosen.in_progress)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _told(text: str) -> Told:
    return "auto" if text == "auto" else int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.night", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    said = "; ".join(f"{name}: {what}" for name, (what, _) in SCENARIOS.items())
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
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds, one night each")
    return parser


if __name__ == "__main__":
    main()
