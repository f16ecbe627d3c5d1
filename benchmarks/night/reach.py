"""What was aimed at, and what is reached: one table, each figure the median over its seeds.

    python -m benchmarks.night.reach --seeds 20 --processes 2

Nights of 1,000 profiles x 4 exports with a cap of 5, log-normal generation (median 15 s, sigma 1), 50 ms a call; one
night of 10,000 profiles for memory and processor time (``--large 0`` leaves it out). Each night is played in a process
of its own. The exit status says whether everything was reached.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from statistics import median

from benchmarks.night.figures import Figures
from benchmarks.night.play import Setting, play
from benchmarks.night.records import origin
from benchmarks.night.scenarios import SCENARIOS, Scenario
from benchmarks.night.strategies import strategy_of
from benchmarks.night.table import markdown

MANY = {"steady", "later-night"}
ENDPOINTS = 4
TOLD = ("steady", "later-night", "shut-out", "throttled", "outage")


@dataclass(frozen=True)
class Claim:
    """One line of the table: ``reached`` is at most ``target``, unless it is to be no number at all."""

    what: str
    target: float
    reached: float
    written: str = ".3f"

    @property
    def holds(self) -> bool:
        """Whether it is reached."""
        return self.reached <= self.target

    @property
    def row(self) -> list[str]:
        """The line."""
        sign = "yes" if self.holds else "**no**"
        return [self.what, f"<= {self.target:{self.written}}", f"{self.reached:{self.written}}", sign]


@dataclass(frozen=True)
class Played:
    """Nights by scenario, each with one night a seed."""

    nights: Mapping[str, Sequence[Figures]]

    def middle(self, scenario: str, name: str) -> float:
        """Return the median of a figure."""
        return float(median(getattr(night, name) for night in self.nights[scenario]))

    def most(self, scenario: str, name: str) -> float:
        """Return the worst of a figure."""
        return float(max(getattr(night, name) for night in self.nights[scenario]))


def claims(played: Played) -> list[Claim]:
    """Return what was aimed at, beside what the nights gave."""
    return [*_pace(played), *_caps(played), *_trouble(played)]


def _pace(played: Played) -> list[Claim]:
    steady = played.middle("steady", "ratio")
    further = played.middle("unknown-cap", "ratio") - steady
    later = "times remembered within e^0.2"
    return [
        Claim("first night: wall / bound", 1.06, steady),
        Claim("first night: looks per export", 12, played.middle("steady", "looks"), ".2f"),
        Claim(f"{later}: wall / bound", 1.045, played.middle("later-night", "ratio")),
        Claim(f"{later}: looks per export", 7, played.middle("later-night", "looks"), ".2f"),
        Claim("cap unknown: wall / bound beyond the first night's", 0.03, further),
    ]


def _caps(played: Played) -> list[Claim]:
    told = max(played.most(each, "cap_429s") for each in TOLD)
    unknown = played.most("unknown-cap", "cap_429s") / ENDPOINTS
    moving = played.most("moving-cap", "cap_429s") / ENDPOINTS / 3
    return [
        Claim("cap told: 429s from the cap, most in a night", 0, told, ".0f"),
        Claim("cap unknown: 429s from the cap per endpoint, most", 3, unknown, ".2f"),
        Claim("cap unknown and moved twice: the same per endpoint and cap", 3, moving, ".2f"),
    ]


def _trouble(played: Played) -> list[Claim]:
    requests, burst = (
        played.middle("outage", name) / played.middle("steady", name) for name in ("requests", "busiest_second")
    )
    failed = sum(played.most(each, "failed") for each in played.nights)
    too_early = played.most("shut-out", "too_early")
    return [
        Claim("outage of 30 minutes: requests, times the steady night's", 1.1, requests),
        Claim("outage of 30 minutes: busiest second, times the steady night's", 1, burst, ".2f"),
        Claim("30 % of calls throttled: slowest / median wait", 3, played.middle("throttled", "unfairness"), ".2f"),
        Claim("jobs without their rows, all scenarios", 0, failed, ".0f"),
        Claim("calls before a Retry-After was over", 0, too_early, ".0f"),
    ]


def large_claims(ours: Figures, bare: Figures, jobs: int) -> list[Claim]:
    """Return what a large night costs; ``bare`` is the same number of calls with nothing to decide."""
    scheduling = ours.client_ms - bare.client_ms
    return [
        Claim(f"{jobs:,} jobs: peak memory, server and client, MiB", 300, ours.peak_mib, ".0f"),
        Claim(f"{jobs:,} jobs: CPU of scheduling, ms an export", 1, scheduling, ".2f"),
    ]


def night(scenario: str, profiles: int, seed: int, word: str = "ours") -> Figures:
    """Play one night."""
    _, change = SCENARIOS[scenario]
    figures = play(Setting(change(Scenario()), profiles, seed=seed), strategy_of(word).client).figures
    said = f"{scenario}, {word}, seed {seed}: {figures.ratio:.3f} at {figures.looks:.2f} looks"
    print(said, file=sys.stderr, flush=True)
    return figures


def main() -> None:
    """Play, print, and fail if something was not reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profiles", type=int, default=1000)
    parser.add_argument("--large", type=int, default=10_000, help="profiles of the large night; 0: none")
    parser.add_argument("--seeds", type=int, default=20, help="for the first and the later night")
    parser.add_argument("--few", type=int, default=5, help="seeds for the other scenarios")
    parser.add_argument("--processes", type=int, default=2)
    chosen = parser.parse_args()
    with ProcessPoolExecutor(chosen.processes, get_context("spawn"), max_tasks_per_child=1) as pool:
        asked = {
            name: [
                pool.submit(night, name, chosen.profiles, seed + 1)
                for seed in range(chosen.seeds if name in MANY else chosen.few)
            ]
            for name in SCENARIOS
        }
        found = claims(Played({name: [each.result() for each in nights] for name, nights in asked.items()}))
        if chosen.large:
            ours = pool.submit(night, "steady", chosen.large, 1).result()
            bare = pool.submit(night, "steady", chosen.large, 1, f"bare:{ours.looks}").result()
            found += large_claims(ours, bare, ours.jobs)
    print(f"{origin()}\n\n{markdown(['', 'target', 'reached', ''], [claim.row for claim in found])}")
    sys.exit(not all(claim.holds for claim in found))


if __name__ == "__main__":
    main()
