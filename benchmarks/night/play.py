"""Plays a night: makes the world from the seed, lets a client live through it on a clock that jumps, and reckons."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from asyncexport.accounts import Region
from asyncexport.emulator.exports import ExportRecord
from asyncexport.emulator.state import AdsState
from asyncexport.emulator.world import World
from asyncexport.testing import FakeClock
from benchmarks.night.figures import Figures, Line, generating, in_use, line_of, unfairness
from benchmarks.night.scenarios import OnNight, Scenario
from benchmarks.night.witness import Endpoint, Witness


@dataclass(frozen=True)
class Setting:
    """What is the same for every client that is compared: how many profiles, of how many clients, the seed, the night.

    Nights are counted from 0; every one draws other times from the same law.
    """

    scenario: Scenario = field(default_factory=Scenario)
    profiles: int = 1000
    accounts: int = 1
    seed: int = 1
    latency: float = 0.05
    night: int = 0


@dataclass(frozen=True)
class Evening:
    """What a client finds: the wire, the clock, and the setting."""

    wire: Witness
    clock: FakeClock
    setting: Setting


@dataclass
class Ending:
    """What a client has to say afterwards: how many jobs there were, how many failed, when each profile was done."""

    jobs: int = 0
    failed: int = 0
    waits: dict[str, float] = field(default_factory=dict)


Client: TypeAlias = Callable[[Evening], Awaitable[Ending]]


@dataclass(frozen=True)
class Night:
    """A night that is over: its figures, and as steps over time how many slots were in use, and how many at work."""

    setting: Setting
    figures: Figures
    in_use: list[tuple[float, int]] = field(repr=False)
    generating: list[tuple[float, int]] = field(repr=False)


def play(setting: Setting, client: Client) -> Night:
    """Let ``client`` live through the night of ``setting``."""
    scenario = setting.scenario
    world = World.generate(
        seed=setting.seed, accounts=setting.accounts, profiles=setting.profiles, rows=0, regions=[Region.NA]
    )
    state = AdsState(world, generation=OnNight(scenario.law, setting.night), cap=scenario.cap, rate=scenario.rate)
    clock = FakeClock()
    wire = Witness(state, clock, scenario, seed=setting.seed, latency=setting.latency)
    began, busy = time.perf_counter(), time.process_time()

    async def live() -> Ending:
        return await client(Evening(wire, clock, setting))

    ending = asyncio.run(live())
    busy = time.process_time() - busy
    return Night(
        setting,
        _figures(setting, wire, ending, busy=busy, seconds=time.perf_counter() - began),
        in_use(state.journal.values(), wire.seen),
        generating(state.journal.values()),
    )


def _figures(setting: Setting, wire: Witness, ending: Ending, *, busy: float, seconds: float) -> Figures:
    records = list(wire.state.journal.values())
    collected = [record for record in records if record.export_id in wire.seen]
    count, throttled = max(1, len(collected)), wire.state.counters.throttled
    return Figures(
        lines=tuple(_lines(setting.scenario, collected, wire)),
        jobs=ending.jobs,
        failed=ending.failed,
        looks=wire.calls["look"] / count,
        requests=wire.calls.total() / count,
        cap_429s=throttled["cap"],
        rate_429s=throttled["rate"],
        other_429s=wire.throttled.total(),
        too_early=wire.too_early,
        orphans=len(records) - len(collected),
        unfairness=unfairness(ending.waits.values()),
        busiest_second=max(wire.by_second.values(), default=0),
        client_ms=1000 * busy * (1.0 - wire.server_seconds / seconds) / count,
        server_ms=1000 * busy * wire.server_seconds / seconds / count,
        seconds=seconds,
        peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def _lines(scenario: Scenario, collected: list[ExportRecord], wire: Witness) -> Iterator[Line]:
    by_endpoint: dict[Endpoint, list[ExportRecord]] = {}
    for record in collected:
        by_endpoint.setdefault((record.client_id, record.region, record.key.entity), []).append(record)
    for endpoint, records in by_endpoint.items():
        name = f"{records[0].account} {endpoint[2].value}"
        yield line_of(name, records, wire.seen, wire.began[endpoint], scenario.cap, scenario.away)
