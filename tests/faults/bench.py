"""Runs one schedule: one living server, real sockets, the real exporter, and everything that can be seen of it.

The server's listeners stay, its world is swapped; everything of the client is made anew for each run and has to be gone
after it. What is seen is only collected here; :mod:`tests.faults.checkers` judges it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from asyncexport import Exporter
from asyncexport.adapters import http
from asyncexport.adapters.connecting import tls
from asyncexport.emulator.laws import Constant
from asyncexport.emulator.records.data import pieces, rows, text
from asyncexport.emulator.server import EmulatorServer
from asyncexport.emulator.state import AdsState
from asyncexport.emulator.store.objects import ObjectKey
from asyncexport.emulator.weather import Weather
from asyncexport.emulator.world import World
from asyncexport.events import Event
from asyncexport.models import Entity, Exported, Filters, Job, Limits, Outcome, Profile, Refused, Summary
from asyncexport.sansio.looks.polling import Schedule
from asyncexport.sansio.pacing.backoff import Backoff
from asyncexport.sinks import Memory
from tests.faults.dooms import ATTEMPTS, REFUSALS
from tests.faults.plans import Plan, Shape, Way
from tests.faults.shims import CallSeen, HurriedClock, Tripwire, WatchedTransport, sinks

LABEL = "night"
ALL = Filters()
"""What every job of a schedule asks for."""

_BACKOFF = Backoff(first=0.5, longest=4.0, attempts=ATTEMPTS, refusals=REFUSALS)
_PATIENT = 1e6
_SETTLING_SECONDS = 10.0
_DESCRIPTORS = "/proc/self/fd"


@dataclass
class Visit:
    """What was seen of one run of the exporter. ``raised``: what came out of it, its own errors and ours alike."""

    outcomes: list[Outcome] = field(default_factory=list)
    refused: tuple[Refused, ...] = ()
    jobs: list[Job] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    calls: list[CallSeen] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    raised: BaseException | None = None
    summary: Summary = field(default_factory=Summary)
    connections_left: int = 0


@dataclass
class Observed:
    """A schedule that has been run, and its traces. ``folder``: the sink's, ``state``: the journal's, if there are."""

    plan: Plan
    server: AdsState
    store_url: str
    first: Visit
    second: Visit | None
    memory: Memory
    folder: Path | None
    state: Path | None
    unmet: tuple[str, ...]
    tripped: bool
    asked_before: int
    log: list[str]
    complaints: list[str]
    leaks: list[str]


class Interruption(Exception):
    """What a caller raises who leaves by an exception of their own."""


@cache
def world_of(shape: Shape) -> World:
    """Return the world of a shape."""
    return World.generate(seed=shape.seed, accounts=shape.accounts, profiles=shape.profiles, rows=shape.rows)


def profiles_of(shape: Shape) -> tuple[str, ...]:
    """Return the ids of a world's profiles."""
    return tuple(world_of(shape).profiles)


@cache
def truth(shape: Shape, profile_id: str, entity: Entity, filters: Filters = ALL) -> bytes:
    """Return what the server has under these filters: one row a line, in its order."""
    world = world_of(shape)
    made = rows(world.profiles[profile_id], entity, filters.of(entity), world.seed)
    return b"".join(row + b"\n" for row in made)


@cache
def _object(shape: Shape, key: ObjectKey) -> tuple[bytes, ...]:
    made = truth(shape, key.profile_id, key.entity, key.filters).splitlines()
    return (b"".join(pieces(text(made))),)


class Bench:
    """Where schedules are run one after the other."""

    def __init__(self, server: EmulatorServer, folder: Path, log: list[str], complaints: list[str]) -> None:
        self._server = server
        self._folder = folder
        self._epoch = time.time() - server.now
        self._log = log
        self._complaints = complaints

    async def run(self, plan: Plan, judge: Callable[[Observed], list[str]]) -> list[str]:
        """Run a schedule, let ``judge`` see it, and clear up after it; return what is wrong with it."""
        self._log.clear()
        self._complaints.clear()
        await self._become(plan)
        room = Path(tempfile.mkdtemp(dir=self._folder)) if plan.files or plan.journal else None
        try:
            return judge(await self._observed(plan, room))
        finally:
            if room is not None:
                shutil.rmtree(room)

    async def _become(self, plan: Plan) -> None:
        await self._server.become(self._state(plan), content=lambda key: _object(plan.shape, key))

    def _state(self, plan: Plan) -> AdsState:
        return AdsState(
            world_of(plan.shape),
            generation=Constant(plan.generation),
            weather=Weather(plan.faults),
            cap=plan.cap,
            rate=None,
            seed=plan.seed,
            epoch=self._epoch,
            gzip_from=1 << 30,
        )

    async def _observed(self, plan: Plan, room: Path | None) -> Observed:
        folder = room / "exports" if room is not None and plan.files else None
        state = room / "state" if room is not None and plan.journal else None
        memory, wire = Memory(), Tripwire(plan.trouble)
        if plan.stands:
            await self._begin_with_what_stands(plan, sinks(folder, memory, Tripwire(None)))
        server, before = self._server.state, _census()
        first = await self._visited(plan, sinks(folder, memory, wire), state, leaves=True)
        unmet = tuple(str(fault) for fault in server.weather.unmet())
        asked, second = len(server.journal), None
        if plan.resumes:
            server.weather = Weather(plan.later)
            second = await self._visited(plan, sinks(folder, memory, Tripwire(None)), state, leaves=False)
        leaks = await _settled(before)
        return Observed(
            plan=plan,
            server=server,
            store_url=self._server.store_url,
            first=first,
            second=second,
            memory=memory,
            folder=folder,
            state=state,
            unmet=unmet,
            tripped=wire.tripped,
            asked_before=asked,
            log=self._log,
            complaints=self._complaints,
            leaks=leaks,
        )

    async def _begin_with_what_stands(self, plan: Plan, sink: Any) -> None:
        await self._become(plan.earlier)
        visit = await self._visited(plan.earlier, sink, None, leaves=False)
        stood = [len(each.receipt.parts) or 1 for each in visit.outcomes if isinstance(each, Exported)]
        if stood != [plan.stands] * len(plan.subjects):
            raise AssertionError(f"what should stand does not: {visit.outcomes}")
        await self._become(plan)

    async def _visited(self, plan: Plan, sink: Any, state: Path | None, *, leaves: bool) -> Visit:
        """Run the exporter in a task of its own, so that it can be cancelled like a program that is told to stop."""
        visit = Visit()
        run = _Run(self._server, plan, visit, leaves=leaves)
        run.task = asyncio.create_task(run.pull(sink, state), name="the caller")
        await asyncio.wait([run.task])
        if run.task.cancelled():
            visit.raised = asyncio.CancelledError()
        else:
            visit.raised = run.task.exception()
        return visit


class _Run:
    """One run of the exporter, and the caller around it."""

    def __init__(self, server: EmulatorServer, plan: Plan, visit: Visit, *, leaves: bool) -> None:
        self._server = server
        self._plan = plan
        self._visit = visit
        self._leaving = plan.leaving if leaves else None
        self._again = leaves and plan.stands > 0
        self._exporter: Exporter | None = None
        self._clock = HurriedClock()
        self.task: asyncio.Task[None] | None = None

    async def pull(self, sink: Any, state: Path | None) -> None:
        plan, visit = self._plan, self._visit
        transport = WatchedTransport(self._clock)
        visit.calls, visit.hosts = transport.calls, transport.hosts
        async with transport:
            self._exporter = Exporter(
                self._server.accounts(),
                state_dir=state,
                limits=Limits(in_progress=plan.cap, rate=100.0, burst=50, sink_timeout=_PATIENT),
                deadline=_PATIENT,
                listener=self._hear,
                schedule=Schedule(first=0.4, longest=4.0),
                backoff=_backoff(plan),
                transport=transport,
                clock=self._clock,
                random=Random(plan.seed).random,
            )
            try:
                async with self._exporter as exporter:
                    await self._jobs(exporter)
                    await self._outcomes(exporter, sink)
                    visit.connections_left = transport.busy()
            finally:
                visit.summary = self._exporter.summary

    async def _jobs(self, exporter: Exporter) -> None:
        plan = self._plan
        if plan.discovers:
            discovery = await exporter.discover()
            self._visit.refused = discovery.refused
            known = {profile.profile_id: profile for profile in discovery.profiles}
        else:
            known = {profile.profile_id: profile for profile in _known(self._server.state.world)}
        self._visit.jobs += [
            Job(known[profile_id], entity, snapshot=LABEL)
            for profile_id, entity in plan.subjects
            if profile_id in known
        ]

    async def _outcomes(self, exporter: Exporter, sink: Any) -> None:
        async with exporter.run(self._visit.jobs, sink=sink, again=self._again) as outcomes:
            async for outcome in outcomes:
                self._visit.outcomes.append(outcome)
                if self._is_time() and self._leaving is not None:
                    if self._leaving.way is Way.BREAK:
                        break
                    if self._leaving.way is Way.RAISE:
                        raise Interruption

    def _hear(self, event: Event) -> None:
        self._visit.events.append(event)
        if self._leaving is None or self.task is None or len(self._visit.events) != self._leaving.event:
            return
        if self._leaving.way is Way.CANCEL:
            asyncio.get_running_loop().call_soon(self.task.cancel)
        elif self._leaving.way is Way.DRAIN and self._exporter is not None:
            self._exporter.drain()

    def _is_time(self) -> bool:
        return self._leaving is not None and len(self._visit.events) >= self._leaving.event


def _backoff(plan: Plan) -> Backoff:
    """Return the policy; an outage would be waited out, and a doom that looks like one beside other weather be none."""
    return _BACKOFF if plan.doom is None else replace(_BACKOFF, outage=0.0)


def _known(world: World) -> list[Profile]:
    return [
        Profile(grant.account, grant.region, each.profile_id, name=each.name, type=each.type)
        for grant in world.grants
        for each in grant.profiles
    ]


@dataclass(frozen=True)
class _Census:
    descriptors: frozenset[str]
    tasks: frozenset[asyncio.Task[Any]]


def _census() -> _Census:
    return _Census(frozenset(entry.name for entry in os.scandir(_DESCRIPTORS)), frozenset(asyncio.all_tasks()))


async def _settled(before: _Census) -> list[str]:
    """Wait until the server has noticed that everybody left; return what is still there then."""
    until = time.monotonic() + _SETTLING_SECONDS
    while True:
        now = _census()
        tasks = {task for task in now.tasks - before.tasks if not task.done()}
        new = [_target(each) for each in now.descriptors - before.descriptors]
        found = [f"task {task!r}" for task in tasks] + [f"descriptor {each}" for each in new if each]
        if not found or time.monotonic() > until:
            return found
        await asyncio.sleep(0.0005)


def _target(descriptor: str) -> str:
    with suppress(OSError):
        return str(Path(_DESCRIPTORS, descriptor).readlink())
    return ""


class _Keeper(logging.Handler):
    def __init__(self, kept: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._kept = kept

    def emit(self, record: logging.LogRecord) -> None:
        self._kept.append(f"{record.name} {record.levelname} {record.getMessage()} {record.exc_info!r}")


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Bench]:
    """Set a bench up: the server, the log at its most talkative, and an ear for what goes wrong in the loop."""
    log: list[str] = []
    complaints: list[str] = []
    keeper = _Keeper(log)
    root = logging.getLogger()
    level = root.level
    root.addHandler(keeper)
    root.setLevel(logging.DEBUG)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(f"the event loop was told: {context}"))
    trust = tls()
    try:
        with patch.object(http, "tls", lambda _: trust):  # reading the system's authorities outlasts three schedules
            async with EmulatorServer(AdsState(World(()), epoch=time.time())) as server:
                yield Bench(server, folder, log, complaints)
    finally:
        loop.set_exception_handler(None)
        root.removeHandler(keeper)
        root.setLevel(level)
