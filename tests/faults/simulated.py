"""What nights in simulated time have in common: an endpoint's server, and the real engine that pulls all of it.

The engine runs against the emulator's pure server behind some transport that plays the trouble, on a clock that jumps,
so that hours cost seconds; nothing is random but by its seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from asyncexport import Exporter, Failed, Outcome, plan
from asyncexport.emulator.direct import DirectTransport
from asyncexport.emulator.laws import LogNormal
from asyncexport.emulator.state import AdsState
from asyncexport.emulator.world import World
from asyncexport.models import Summary
from asyncexport.sinks import Null
from asyncexport.testing import FakeClock


@dataclass(frozen=True)
class Pulled:
    """What came of a night: each outcome with the simulated second it came at."""

    outcomes: tuple[tuple[float, Outcome], ...]
    summary: Summary

    @property
    def failed(self) -> tuple[tuple[float, Failed], ...]:
        """The outcomes that are failures."""
        return tuple((at, outcome) for at, outcome in self.outcomes if isinstance(outcome, Failed))


def served(profiles: int, *, accounts: int, seed: int, token_seconds: float = 3600.0) -> AdsState:
    """Return a server of empty exports that take some 15 seconds each, five at once, ten calls a second."""
    world = World.generate(profiles=profiles, accounts=accounts, rows=0, seed=seed)
    return AdsState(world, generation=LogNormal(15.0, 1.0), cap=5, rate=10.0, token_seconds=token_seconds)


async def pulled(transport: DirectTransport, clock: FakeClock, *, seed: int) -> Pulled:
    """Pull everything there is behind ``transport``."""
    found: list[tuple[float, Outcome]] = []
    async with Exporter(transport.accounts(), transport=transport, clock=clock, random=Random(seed).random) as exporter:
        jobs = plan(await exporter.profiles(), snapshot="night")
        async with exporter.run(jobs, sink=Null()) as outcomes:
            async for outcome in outcomes:
                found.append((clock.now(), outcome))
        return Pulled(tuple(found), exporter.summary)
