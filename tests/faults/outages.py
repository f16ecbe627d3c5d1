"""A night with an outage, in simulated time: for half an hour nobody gets an answer, in one of several ways.

    python -m tests.faults.outages --profiles 300 --kind refused

What is looked at is whether every job ends well, how many calls the night costs beside one without an outage, and
whether those who waited come back in a burst.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from asyncexport.emulator.direct import DirectTransport
from asyncexport.emulator.state import AdsState
from asyncexport.errors import ConnectError, ConnectionLost
from asyncexport.ports import Request, Response
from asyncexport.testing import FakeClock
from tests.faults.simulated import pulled, served

OUTAGE_SECONDS = 1800.0
HANGING_SECONDS = 30.0
KINDS = ("none", "refused", "503", "hanging", "reset", "token host")


@dataclass(frozen=True)
class Outage:
    """What happens from ``began`` to ``ended``, in simulated seconds."""

    kind: str = "none"
    began: float = 300.0
    seconds: float = OUTAGE_SECONDS

    @property
    def ended(self) -> float:
        return self.began + self.seconds

    def strikes(self, request: Request, now: float) -> bool:
        """Tell whether a request sent now meets it."""
        is_time = self.kind != "none" and self.began <= now < self.ended
        return is_time and (self.kind != "token host" or "token" in request.url)


class Failing(DirectTransport):
    """Plays an outage, and counts the calls of every second."""

    def __init__(self, state: AdsState, clock: FakeClock, outage: Outage) -> None:
        super().__init__(state, clock)
        self._time = clock
        self._outage = outage
        self.calls: Counter[int] = Counter()
        self.met = 0

    async def send(self, request: Request) -> Response:
        """Fail, or ask the server."""
        now = self._time.now()
        self.calls[int(now)] += 1
        if not self._outage.strikes(request, now):
            return await super().send(request)
        self.met += 1
        if self._outage.kind == "hanging":
            await self._time.sleep(HANGING_SECONDS)
            raise ConnectionLost("no answer (planned)")
        if self._outage.kind == "reset":
            raise ConnectionLost("reset (planned)")
        if self._outage.kind == "503":
            return Response(503, {}, b"<html>")
        raise ConnectError("refused (planned)")


@dataclass
class Night:
    """How a night went. Times in simulated seconds."""

    jobs: int = 0
    failed: list[str] = field(default_factory=list)
    requests: int = 0
    met: int = 0
    seconds: float = 0.0
    busiest_before: int = 0
    busiest_after: int = 0
    cap_429s: int = 0


async def night(profiles: int, outage: Outage, *, seed: int = 1, token_seconds: float = 3600.0) -> Night:
    """Simulate one."""
    clock, state = FakeClock(), served(profiles, accounts=2, seed=seed, token_seconds=token_seconds)
    transport = Failing(state, clock, outage)
    made = await pulled(transport, clock, seed=seed)
    return Night(
        jobs=len(made.outcomes),
        failed=[f"{at:.0f} s: {type(each.error).__name__}: {each.error}" for at, each in made.failed],
        requests=made.summary.requests,
        met=transport.met,
        seconds=clock.now(),
        busiest_before=_busiest(transport.calls, lambda second: second < outage.began),
        busiest_after=_busiest(transport.calls, lambda second: second >= outage.ended),
        cap_429s=state.counters.throttled["cap"],
    )


def _busiest(calls: Counter[int], when: Callable[[int], bool]) -> int:
    return max((number for second, number in calls.items() if when(second)), default=0)


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profiles", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", choices=KINDS, nargs="*", default=KINDS)
    parser.add_argument("--token-seconds", type=float, default=3600.0)
    chosen = parser.parse_args()
    for kind in chosen.kind:
        made = night(chosen.profiles, Outage(kind), seed=chosen.seed, token_seconds=chosen.token_seconds)
        figures = asyncio.run(made)
        lost, figures.failed = len(figures.failed), figures.failed[:3]
        print(f"{kind}: {lost} lost; {figures}")  # noqa: T201


if __name__ == "__main__":
    main()
