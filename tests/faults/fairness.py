"""A hostile night in simulated time: a third of all calls throttled, some profiles shut out for ten minutes.

    python -m tests.faults.fairness --profiles 1000

What is looked at is whether everybody finishes, how long the slowest profile waits beside the median, and whether a
call ever goes out before its Retry-After.
"""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import dataclass
from random import Random
from statistics import median

from asyncexport.emulator.direct import DirectTransport
from asyncexport.emulator.state import AdsState
from asyncexport.ports import Request, Response
from asyncexport.testing import FakeClock
from tests.faults.simulated import pulled, served

SHUT_OUT_SECONDS = 600.0
PAUSE_SECONDS = 30.0
THROTTLED_SHARE = 0.3


class Throttling(DirectTransport):
    """Throttles at random without Retry-After, and ``shut_out`` profiles with one, and counts who comes too early."""

    def __init__(self, state: AdsState, clock: FakeClock, *, shut_out: frozenset[str], seed: int) -> None:
        super().__init__(state, clock)
        self._time = clock
        self._shut_out = shut_out
        self._random = Random(seed)
        self._paused_until: dict[str, float] = {}
        self.too_early = 0

    async def send(self, request: Request) -> Response:
        """Throttle, or ask the server."""
        profile_id, now = request.headers.get("Amazon-Advertising-API-Scope", ""), self._time.now()
        self.too_early += now < self._paused_until.get(profile_id, 0.0)
        if profile_id in self._shut_out and now < SHUT_OUT_SECONDS:
            self._paused_until[profile_id] = now + PAUSE_SECONDS
            return Response(429, {"retry-after": f"{PAUSE_SECONDS:.0f}"}, b"{}")
        if profile_id and self._random.random() < THROTTLED_SHARE:
            return Response(429, {}, b'{"message":"Too Many Requests"}')
        return await super().send(request)


@dataclass(frozen=True)
class Night:
    """How a night went. Times in simulated seconds."""

    jobs: int
    failed: int
    throttled: int
    too_early: int
    median_wait: float
    longest_wait: float
    cap_429s: int

    @property
    def unfairness(self) -> float:
        """How many times the median the slowest profile waited."""
        return self.longest_wait / self.median_wait


async def night(profiles: int, seed: int) -> Night:
    """Simulate one."""
    clock, state = FakeClock(), served(profiles, accounts=2, seed=seed)
    shut_out = frozenset(Random(seed).sample(sorted(state.world.profiles), profiles // 20))
    transport = Throttling(state, clock, shut_out=shut_out, seed=seed)
    made = await pulled(transport, clock, seed=seed)
    finished = {outcome.job.profile.profile_id: at for at, outcome in made.outcomes}
    return Night(
        jobs=len(made.outcomes),
        failed=len(made.failed),
        throttled=made.summary.throttled,
        too_early=transport.too_early,
        median_wait=median(finished.values()),
        longest_wait=max(finished.values()),
        cap_429s=state.counters.throttled["cap"],
    )


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profiles", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    figures = asyncio.run(night(chosen.profiles, chosen.seed))
    print(f"{figures}\nslowest / median: {figures.unfairness:.2f}")  # noqa: T201


if __name__ == "__main__":
    main()
