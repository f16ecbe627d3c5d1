"""The same night twice: over real sockets in real time, and simulated. How far apart are they?

    python -m benchmarks.night.sockets --profiles 200 --median 3

The emulator runs in a process of its own, the client is the engine as a user has it, with aiohttp and the real clock.
Law and seed are the same, so every export takes as long in the one as in the other; what differs is the latency of
loopback and of a busy machine, whose mean is measured and given to the simulation.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from dataclasses import dataclass, field
from statistics import fmean

from asyncexport import Exporter, Limits, plan
from asyncexport.adapters.http import AiohttpTransport
from asyncexport.emulator.laws import LogNormal
from asyncexport.events import Event, ExportFinished, ExportRequested
from asyncexport.models import Entity
from asyncexport.ports import Request, Response
from asyncexport.sinks import Null
from benchmarks.night.engine import Engine
from benchmarks.night.play import Setting, play
from benchmarks.night.scenarios import Scenario
from benchmarks.night.table import markdown
from benchmarks.served import Served, served


@dataclass
class Watched:
    """When each endpoint's first export was asked for, and when the last end was seen; a listener."""

    first: dict[Entity, float] = field(default_factory=dict)
    last: dict[Entity, float] = field(default_factory=dict)

    def __call__(self, event: Event) -> None:
        """Take down the time."""
        if isinstance(event, ExportRequested):
            self.first.setdefault(event.job.entity, time.monotonic())
        elif isinstance(event, ExportFinished):
            self.last[event.job.entity] = time.monotonic()

    def wall(self, entity: Entity) -> float:
        """Return an endpoint's wall time in seconds."""
        return self.last[entity] - self.first[entity]


class Timed(AiohttpTransport):
    """The real transport, and how long its calls take."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    async def send(self, request: Request) -> Response:
        """Send, and take the time."""
        began = time.monotonic()
        try:
            return await super().send(request)
        finally:
            self.seconds.append(time.monotonic() - began)


async def pull(server: Served) -> tuple[Watched, float]:
    """Pull everything into nothing; return when things happened, and the mean seconds of a call."""
    watched, transport = Watched(), Timed()
    async with (
        transport,
        Exporter(server.accounts, transport=transport, listener=watched, limits=Limits(in_progress=5)) as exporter,
    ):
        jobs = plan(await exporter.profiles(), snapshot="night")
        async with exporter.run(jobs, sink=Null()) as outcomes:
            async for _ in outcomes:
                pass
    return watched, fmean(transport.seconds)


def main() -> None:
    """Run both and print them side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profiles", type=int, default=200)
    parser.add_argument("--median", type=float, default=3.0, help="seconds an export takes (log-normal, sigma 1)")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    settings = {"profiles": chosen.profiles, "median": chosen.median, "seed": chosen.seed}
    with served(accounts=1, rows=5 * chosen.profiles, **settings) as server:
        watched, latency = asyncio.run(pull(server))
    scenario = Scenario(law=LogNormal(chosen.median, 1.0))
    night = play(Setting(scenario, chosen.profiles, seed=chosen.seed, latency=latency), Engine()).figures
    rows, ratios = [], []
    for line in night.lines:
        entity = Entity(line.name.split()[1])
        ratios.append(watched.wall(entity) / line.bound)
        rows.append([entity.value, f"{line.bound:.1f}", f"{watched.wall(entity):.1f}", f"{line.wall:.1f}",
                     f"{ratios[-1]:.3f}", f"{line.ratio:.3f}"])  # fmt: skip
    rows.append(["all, mean", "", "", "", f"{fmean(ratios):.3f}", f"{fmean(line.ratio for line in night.lines):.3f}"])
    heads = ["endpoint", "bound, s", "wall, s: sockets", "simulated", "wall / bound: sockets", "simulated"]
    looks = server.counters["requests"]["exports"] / server.counters["exports"]
    print(markdown(heads, rows))
    print(f"\nlooks per export: {looks:.2f} over sockets, {night.looks:.2f} simulated")
    print(f"a call took {latency * 1000:.1f} ms on average")


if __name__ == "__main__":
    main()
