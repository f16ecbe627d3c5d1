"""A night against an API that begins to count all calls of a client, in simulated time; no 429 says that it does.

    python -m tests.faults.crowding --profiles 300 --allowed 4

What is looked at is how many calls are made in vain, and how much longer the night takes than the calls it needs do at
the rate that is allowed.
"""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import dataclass

from asyncexport.emulator.direct import DirectTransport
from asyncexport.emulator.rates import Buckets
from asyncexport.emulator.state import AdsState
from asyncexport.ports import Request, Response
from asyncexport.testing import FakeClock
from tests.faults.simulated import pulled, served


class Crowded(DirectTransport):
    """Allows each client ``allowed`` calls a second from ``since`` on, whatever profile they are for."""

    def __init__(self, state: AdsState, clock: FakeClock, allowed: float | None, since: float) -> None:
        super().__init__(state, clock)
        self._time = clock
        self._since = since
        self._buckets = Buckets(allowed, 5)

    async def send(self, request: Request) -> Response:
        """Throttle, or ask the server."""
        client_id = request.headers.get("Amazon-Advertising-API-ClientId", "")
        if client_id and self._time.now() >= self._since and self._buckets.take(client_id, self._time.now()):
            await self._time.sleep(0.05)
            return Response(429, {}, b'{"message":"Too Many Requests"}')
        return await super().send(request)


@dataclass(frozen=True)
class Night:
    """How a night went. ``seconds``: simulated ones."""

    jobs: int
    failed: int
    requests: int
    throttled: int
    seconds: float

    @property
    def share(self) -> float:
        """How many of the calls were in vain."""
        return self.throttled / self.requests


async def night(profiles: int, allowed: float | None, *, since: float = 60.0, seed: int = 1) -> Night:
    """Simulate one, with the limit from second ``since`` on."""
    clock = FakeClock()
    transport = Crowded(served(profiles, accounts=1, seed=seed), clock, allowed, since)
    made = await pulled(transport, clock, seed=seed)
    summary = made.summary
    return Night(len(made.outcomes), len(made.failed), summary.requests, summary.throttled, clock.now())


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profiles", type=int, default=300)
    parser.add_argument("--allowed", type=float, nargs="*", default=[2.0, 4.0, 6.0])
    parser.add_argument("--since", type=float, default=60.0, help="the second from which the limit holds")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    for allowed in (None, *chosen.allowed):
        figures = asyncio.run(night(chosen.profiles, allowed, since=chosen.since, seed=chosen.seed))
        print(f"{allowed} a second: {figures}, {figures.share:.3f} in vain")  # noqa: T201


if __name__ == "__main__":
    main()
