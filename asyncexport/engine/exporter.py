"""The exporter: what a program holds while it pulls exports.

Entering it takes the lock of the state folder, fetches the accounts' credentials and opens the connections; leaving
it gives all of that back. In between it discovers profiles, runs jobs into a sink, and streams single exports. It
belongs to the event loop it was entered in.
"""

from __future__ import annotations

import asyncio
import math
import os
import random as _random
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from asyncexport.accounts import Account
from asyncexport.adapters.clock import SystemClock
from asyncexport.adapters.journal import NoJournal, SqliteJournal
from asyncexport.adapters.lock import StateLock
from asyncexport.batch import Batch
from asyncexport.engine.accounts.desk import Desk, Desks, Surroundings
from asyncexport.engine.accounts.discovery import discover
from asyncexport.engine.jobs.making import Making, Pursuit
from asyncexport.engine.jobs.run import Run
from asyncexport.engine.jobs.score import Score
from asyncexport.engine.jobs.tally import Tally
from asyncexport.engine.jobs.windows import Chances, Windows
from asyncexport.engine.runners.choosing import check_choice, places_for
from asyncexport.engine.runners.in_process import InProcess
from asyncexport.engine.supervised import Supervised
from asyncexport.engine.transfers.border import Guard, GuardedSink
from asyncexport.engine.transfers.channel import Channel
from asyncexport.engine.transfers.scarcity import Scarcity
from asyncexport.engine.transfers.turns import Turns
from asyncexport.errors import ConfigError, NotStarted
from asyncexport.events import Event, OddityNoticed, ProfilesDiscovered
from asyncexport.models import Discovery, Failed, Job, Limits, Outcome, Profile, SignedUrl, Summary, TransferOrder
from asyncexport.ports import Clock, Journal, Listener, Runner, Sink, Transport
from asyncexport.sansio.looks.polling import Polling
from asyncexport.sansio.pacing.backoff import Backoff, Spread
from asyncexport.sansio.pacing.chance import Chance

if TYPE_CHECKING:
    import aiohttp
    from anyio.streams.memory import MemoryObjectSendStream

    from asyncexport.engine.runners.carrying import Places

Outcomes = AbstractAsyncContextManager[AsyncIterator[Outcome]]
Batches = AbstractAsyncContextManager[AsyncIterator[Batch]]


class Exporter:
    """Pulls the exports of all profiles of ``accounts``; an async context manager.

    ``state_dir``: the folder of the journal, through which an interrupted run is resumed; only one run may use it at
    a time (None: no journal, no lock). ``rebuild`` begins a new journal where the old one cannot be used; ``journal``
    is one of your own in its place.
    ``workers``: at most so many processes are started for the transfers of large exports; 0: all run in this one, as do
    always those into sinks that do not travel (:class:`asyncexport.ports.Travels`) and all where ``session``,
    ``transport``, ``clock`` or ``random`` are given. Processes have this one's environment unless
    ``worker_environment`` replaces it. With ``runner="dask"`` large exports run on the workers of the Dask cluster
    whose scheduler is at ``dask``, or of one of this machine's own, with ``workers`` processes (0: one per core), which
    ends with the exporter; needs the extra ``asyncexport[dask]``. ``deadline``: seconds from the granted request of an
    export until it must be ready, and as many for the tries and rests before, without the waits for a slot.
    ``listener`` is told of every event. ``session``: a caller's own ``aiohttp.ClientSession`` for the API calls, left
    open afterwards. ``ca_file``: certificate authorities to trust besides the system's, where there is no ``session``.
    ``backoff`` is the policy of trying again, ``schedule`` replaces what is learned about when to look; ``transport``,
    ``clock`` and ``random`` (evenly from 0 to 1) replace the world.

    Raises :class:`ConfigError` for accounts that contradict each other, on entering :class:`LockHeld`,
    :class:`StateError` and :class:`ClusterLost`; :meth:`run` raises :class:`ConfigError` for a sink whose folder is
    another one on a Dask worker.
    """

    def __init__(
        self,
        accounts: Sequence[Account],
        *,
        state_dir: str | os.PathLike[str] | None = None,
        workers: int = 0,
        runner: str = "processes",
        dask: str | None = None,
        worker_environment: Mapping[str, str] | None = None,
        limits: Limits | None = None,
        deadline: float = 1800.0,
        listener: Listener | None = None,
        session: aiohttp.ClientSession | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        schedule: Polling | None = None,
        backoff: Backoff | None = None,
        transport: Transport | None = None,
        clock: Clock | None = None,
        random: Spread | None = None,
        rebuild: bool = False,
        journal: Journal | None = None,
    ) -> None:
        self._accounts = _checked(accounts)
        if journal is not None and state_dir is not None:
            raise ConfigError("an Exporter keeps its journal in state_dir or has one of its own: give one of the two")
        if type(workers) is not int or workers < 0:
            raise ConfigError(f"workers = {workers!r}: how many processes transfers run in; 0 for none but this one")
        check_choice(runner, dask)
        self._lock = StateLock(state_dir) if state_dir is not None else None
        self._kept = SqliteJournal(state_dir, rebuild=rebuild) if state_dir is not None else None
        self._journal: Journal = self._kept or journal or NoJournal()
        self._limits = limits or Limits()
        self._deadline = deadline
        self._listener = _once_each(_nobody if listener is None else listener)
        self._session = session
        self._ca_file = ca_file
        self._schedule = schedule
        self._backoff = backoff or Backoff()
        self._transport = transport
        self._clock: Clock = clock or SystemClock()
        self._spread: Spread = random or _random.random
        self._turns = Turns(self._clock)
        self._places: Places | None = None
        if session is None and transport is None and clock is None and random is None:
            self._places = places_for(
                runner,
                workers=workers,
                dask=dask,
                environment=worker_environment,
                ca_file=ca_file,
                backoff=self._backoff,
                limits=self._limits,
                listener=self._listener,
            )
        self._tally = Tally()
        self._desks: dict[tuple[str, str], Desk] = {}
        self._resources = AsyncExitStack()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._run: Run | None = None
        self._running: WeakSet[Run] = WeakSet()
        self._counted = Tally()
        self._chances: Chances = Chances(Chance)
        self._windows: Windows[Pursuit] = Windows(self._limits, self._clock, self._chances)

    async def __aenter__(self) -> Exporter:
        if self._loop is not None:
            raise ConfigError("an Exporter is entered once; make another one")
        self._loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            if self._lock is not None:
                self._lock.acquire()
                stack.callback(self._lock.release)
            if self._kept is not None:
                await stack.enter_async_context(self._kept)
            if self._transport is None:
                self._transport = await stack.enter_async_context(self._aiohttp())
            if self._places is not None:
                stack.push_async_callback(self._places.aclose)
                await self._places.open()
            desks = Desks(self._surroundings(self._transport))
            for account in self._accounts:
                self._desks[account.name, account.region.value] = await desks.open(account)
            self._resources = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._desks.clear()
        await self._resources.aclose()

    async def discover(self) -> Discovery:
        """Ask every account what it manages. An account that cannot be asked is in ``refused``, never an exception."""
        found = await discover(self._open_desks())
        self._listener(ProfilesDiscovered(found))
        return found

    async def profiles(self) -> list[Profile]:
        """Return every seller and vendor profile of every account. Raises the first refusal there is."""
        found = await self.discover()
        if found.refused:
            raise found.refused[0].error
        return list(found.profiles)

    async def check(self, account: Account) -> None:
        """Get an access token for ``account``. Raises what is in the way of one."""
        self._open_desks()
        await self._desks[account.name, account.region.value].api.check()

    def run(self, jobs: Iterable[Job], *, sink: Sink, again: bool = False) -> Outcomes:
        """Run jobs into ``sink``: ``async with exporter.run(...) as outcomes: async for outcome in outcomes``.

        Yields exactly one outcome per distinct job, as they finish; leaving the block early cancels the rest. What the
        sink already has under a job's label is not pulled again unless ``again``. An error in one job is that job's
        :class:`Failed`. Raises :class:`ConfigError` for a job of an account that this exporter does not have.
        """
        guard = self._guard(self._limits.sink_timeout)
        run = self._run = self._new_run(jobs, sink, guard, self._journal, again=again)

        def work(send: MemoryObjectSendStream[Outcome]) -> Coroutine[Any, Any, None]:
            self._running.add(run)  # a drain may come before its first step
            return self._reached(run, sink, send.send_nowait)

        return Supervised(work, buffer=math.inf)

    def batches(self, job: Job, *, text: bool = False) -> Batches:
        """Stream one export and store nothing.

        ``async with exporter.batches(job) as batches: async for batch in batches``. The caller's pace is the download's
        pace. Every batch has rows and text; it is decoded to rows, and to text with ``text``, for who is going to ask
        for that. The rows are proven whole only when the loop ends without an error; whatever is wrong is raised in
        it: :class:`NotStarted` for what a drain leaves out.
        """

        async def work(send: MemoryObjectSendStream[Batch]) -> None:
            outcomes: list[Outcome] = []
            channel = Channel(send, wants_rows=not text)
            run = self._new_run([job], channel, self._guard(math.inf), NoJournal(), again=True)
            await self._supervised(run, outcomes.append)
            if not outcomes:
                raise NotStarted(f"{job}: the exporter was drained before all of it had been asked for")
            for outcome in outcomes:
                if isinstance(outcome, Failed):
                    raise outcome.error

        return Supervised(work, buffer=0)

    def drain(self) -> None:
        """Start no further job; what is in progress goes on and gets its outcome.

        Jobs that wait get none, nor do those that were asked for in vain and wait for their next try.
        """
        for run in list(self._running):
            run.drain()

    @property
    def summary(self) -> Summary:
        """The last run in numbers, so far. Requests are those since the run before it ended, discovery included."""
        return self._run.summary if self._run is not None else Summary(requests=self._tally.requests)

    async def _reached(self, run: Run, sink: Sink, deliver: Callable[[Outcome], None]) -> None:
        if self._places is not None:
            await self._places.check(sink)
        await self._supervised(run, deliver)

    async def _supervised(self, run: Run, deliver: Callable[[Outcome], None]) -> None:
        self._running.add(run)
        try:
            await run.supervise(deliver)
        finally:
            self._running.discard(run)
            self._counted = replace(self._tally)

    def _new_run(self, jobs: Iterable[Job], sink: Sink, guard: Guard, journal: Journal, *, again: bool) -> Run:
        self._open_desks()
        jobs = list(jobs)
        for job in jobs:
            self._desk_of(job)
        return Run(
            jobs,
            sink,
            desk_of=self._desk_of,
            runner=self._runner(guard),
            windows=self._windows,
            making=self._making(journal),
            scarcity=Scarcity(
                self._windows.store_is_busy,
                clock=self._clock,
                spread=self._spread,
                backoff=self._backoff,
                listener=self._listener,
            ),
            listener=self._listener,
            score=Score(self._clock, self._tally, self._counted),
            journal=journal,
            again=again,
            guard=guard,
        )

    def _making(self, journal: Journal) -> Making:
        return Making(
            desk_of=self._desk_of,
            windows=self._windows,
            journal=journal,
            clock=self._clock,
            spread=self._spread,
            backoff=self._backoff,
            listener=self._listener,
        )

    def _surroundings(self, transport: Transport) -> Surroundings:
        return Surroundings(
            transport=transport,
            clock=self._clock,
            spread=self._spread,
            listener=self._listener,
            limits=self._limits,
            schedule=self._schedule,
            backoff=self._backoff,
            deadline=self._deadline,
            tally=self._tally,
            chances=self._chances,
        )

    def _guard(self, seconds: float) -> Guard:
        return partial(GuardedSink, clock=self._clock, seconds=seconds, listener=self._listener)

    def _runner(self, guard: Guard) -> Runner:
        if self._transport is None:
            raise ConfigError("the exporter is used outside its 'async with' block")

        async def renew(order: TransferOrder) -> SignedUrl:
            return await self._desk_of(order.job).renew(order)

        here = InProcess(
            transport=self._transport,
            clock=self._clock,
            spread=self._spread,
            listener=self._listener,
            renew=renew,
            store_is_busy=self._windows.store_is_busy,
            turns=self._turns,
            backoff=self._backoff,
            guard=guard,
        )
        if self._places is None:
            return here
        from asyncexport.engine.runners.workers import Workers  # noqa: PLC0415

        busy = self._windows.store_is_busy
        return Workers(self._places, here, guard=guard, listener=self._listener, renew=renew, store_is_busy=busy)

    def _open_desks(self) -> list[Desk]:
        if not self._desks and self._accounts:
            raise ConfigError("the exporter is used outside its 'async with' block")
        if asyncio.get_running_loop() is not self._loop:
            raise ConfigError("the exporter belongs to another event loop; make one in this loop")
        return list(self._desks.values())

    def _desk_of(self, job: Job) -> Desk:
        key = (job.profile.account, job.profile.region.value)
        if key not in self._desks:
            raise ConfigError(f"{job}: this exporter has no account {key[0]!r} in {key[1]}")
        return self._desks[key]

    def _aiohttp(self) -> AbstractAsyncContextManager[Transport]:
        from asyncexport.adapters.http import AiohttpTransport  # noqa: PLC0415  importing aiohttp costs 0.3 s

        return AiohttpTransport(self._session, ca_file=self._ca_file)

    def __repr__(self) -> str:
        return f"<Exporter {len(self._accounts)} accounts, {self._tally.requests} requests so far>"


def _checked(accounts: Sequence[Account]) -> tuple[Account, ...]:
    if not accounts:
        raise ConfigError("an Exporter needs at least one account")
    names = [(account.name, account.region) for account in accounts]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"two accounts are called {twice[0]!r} in {twice[1].value}; give each its own name")
    return tuple(accounts)


def _once_each(listener: Listener) -> Listener:
    """Tell each oddity once, however often it is met."""
    told: set[str] = set()

    def listen(event: Event) -> None:
        if isinstance(event, OddityNoticed):
            if event.what in told:
                return
            told.add(event.what)
        listener(event)

    return listen


def _nobody(event: Event) -> None:
    """Listen to nothing."""
