"""Clients without slots, as they are written every day: so many jobs at once, sleep after a 429, look every so often.

One worker takes a job, asks for its export until the API takes it, looks until it is complete, and takes the next job.
What differs is how many workers there are, how long they sleep after a 429 and between two looks. They never give up a
job: a real one would after some tries, and its night would be shorter by the exports it lost.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

import orjson

from asyncexport import Job, Profile, plan
from asyncexport.accounts import Account, Secret
from asyncexport.engine.accounts.desk import grant_of
from asyncexport.errors import ConnectError
from asyncexport.ports import Request, Response
from asyncexport.sansio import wire
from benchmarks.night.play import Ending, Evening


@dataclass(frozen=True)
class Pace:
    """Seconds between two tries: ``first``, then ``growth`` times the one before, at most ``longest``.

    With ``jitter`` each is drawn evenly between half of it and all of it.
    """

    first: float
    growth: float = 1.0
    longest: float = math.inf
    jitter: bool = False

    def delays(self, rng: Random) -> Iterator[float]:
        """Yield the delays, without end."""
        delay = self.first
        while True:
            yield delay * rng.uniform(0.5, 1.0) if self.jitter else delay
            delay = min(self.longest, delay * self.growth)


@dataclass(frozen=True)
class Plain:
    """``workers``: jobs under way at once (0: all of them); ``looks`` and ``refused``: what is slept between tries."""

    workers: int = 5
    looks: Pace = field(default_factory=lambda: Pace(5.0))
    refused: Pace = field(default_factory=lambda: Pace(1.0, 2.0, 60.0, jitter=True))

    async def __call__(self, evening: Evening) -> Ending:
        """Live through the night."""
        return await _PlainNight(self, evening).live()


class _PlainNight:
    def __init__(self, plain: Plain, evening: Evening) -> None:
        self._plain = plain
        self._wire, self._clock = evening.wire, evening.clock
        self._rng = Random(f"plain/{evening.setting.seed}")
        self._accounts = {account.name: account for account in evening.wire.accounts()}
        self._tokens: dict[str, Secret] = {}
        self._ending = Ending()

    async def live(self) -> Ending:
        profiles = [profile for account in self._accounts.values() for profile in await self._profiles(account)]
        jobs = deque(plan(profiles, snapshot="night"))
        self._ending.jobs = len(jobs)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self._plain.workers or len(jobs)):
                tasks.create_task(self._work(jobs))
        return self._ending

    async def _work(self, jobs: deque[Job]) -> None:
        while jobs:
            job = jobs.popleft()
            await self._wait_for(job, await self._ask(job))
            self._ending.waits[job.profile.profile_id] = self._clock.now()

    async def _ask(self, job: Job) -> str:
        account, delays = self._accounts[job.profile.account], self._plain.refused.delays(self._rng)
        while True:
            response = await self._called(account, wire.export_request, job)
            if response.status == 202:
                return str(orjson.loads(response.body)["exportId"])
            await self._clock.sleep(next(delays))

    async def _wait_for(self, job: Job, export_id: str) -> None:
        account = self._accounts[job.profile.account]
        for delay in self._plain.looks.delays(self._rng):
            await self._clock.sleep(delay)
            response = await self._called(account, wire.status_request, job, export_id)
            if response.status == 200 and orjson.loads(response.body)["status"] == "COMPLETED":
                return

    async def _profiles(self, account: Account) -> tuple[Profile, ...]:
        return wire.read_profiles(await self._called(account, wire.profiles_request), account)

    async def _called(self, account: Account, build: Callable[..., Request], *about: object) -> Response:
        """Send; whatever goes wrong on the way is one more refusal. A token that is too old is forgotten."""
        grant = await grant_of(account)
        if account.name not in self._tokens:
            response = await self._wire.send(wire.token_request(account.token_url, grant))
            self._tokens[account.name] = wire.read_token(response, grant, account.name).access
        try:
            response = await self._wire.send(build(account, grant.client_id, self._tokens[account.name], *about))
        except ConnectError:
            return Response(503, {})
        if response.status == 401:
            self._tokens.pop(account.name, None)
        return response
