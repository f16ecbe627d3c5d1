"""The main job of the command line: discover, plan, export everything, report, and leave a manifest.

Contract: :func:`pull` returns the exit status; what it raises is for :class:`asyncexport.app.exits.Boundary`. Whatever
becomes of a run that has begun, from a whole success to a bug, the sink is asked to keep a manifest of what was known
by then, for no longer than any other call of it may take. The order matters: the output folder is tried before any
request is made, so that nothing is asked of Amazon that could not be stored.

``make_exporter`` is the seam for tests: anything with the exporter's interface.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Protocol, TypeAlias

from asyncexport.adapters.logs import EventLog
from asyncexport.app.exits import Exit, say
from asyncexport.app.manifest import RunRecord
from asyncexport.app.patience import Waiting
from asyncexport.app.progress import Board, View, showing
from asyncexport.app.report import Report, advice
from asyncexport.app.settings import Settings, harmless_environment
from asyncexport.app.signals import Interruption, interruptible
from asyncexport.app.sinking import open_while, sink_of
from asyncexport.app.standing import collectable
from asyncexport.engine.transfers.border import GuardedSink
from asyncexport.errors import AsyncexportError, ConfigError, StateError
from asyncexport.events import fan_out
from asyncexport.models import Discovery, Job, Outcome, Profile, Summary
from asyncexport.ports import Clock, KeepsManifests, Listener, Sink
from asyncexport.sansio.scheduling.planning import plan


class ExporterLike(Protocol):
    """What the command line uses of :class:`asyncexport.Exporter`."""

    async def __aenter__(self) -> ExporterLike: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> object: ...

    async def discover(self) -> Discovery: ...

    def run(
        self, jobs: Iterable[Job], *, sink: Sink, again: bool = False
    ) -> AbstractAsyncContextManager[AsyncIterator[Outcome]]: ...

    def drain(self) -> None: ...

    @property
    def summary(self) -> Summary: ...


MakeExporter: TypeAlias = Callable[..., ExporterLike]


@dataclass(frozen=True, slots=True)
class Wish:
    """What one run is asked to do. ``profiles`` are ids, empty for all; ``grace`` is in seconds.

    ``rebuild``: begin a new journal where the old one cannot be used.

    With ``quiet`` nothing is said on stderr about a run that is wholly committed, as cron likes it.
    """

    settings: Settings
    snapshot: str
    profiles: tuple[str, ...] = ()
    again: bool = False
    rebuild: bool = False
    grace: float = 25.0
    quiet: bool = False


class Pull:
    """One run of the command line, in the steps that :func:`pull` puts in order."""

    def __init__(
        self,
        wish: Wish,
        sink: Sink,
        shelf: KeepsManifests,
        record: RunRecord,
        board: Board,
        report: Report,
        now: Callable[[], datetime],
    ) -> None:
        self._wish = wish
        self._now = now
        self._sink = sink
        self._shelf = shelf
        self._report = report
        self._exporter: ExporterLike | None = None
        self.record = record
        self.board = board
        self.interruption = Interruption(grace=wish.grace, tell=say)

    @property
    def summary(self) -> Summary:
        """The numbers of the run so far."""
        return Summary() if self._exporter is None else self._exporter.summary

    @property
    def begun(self) -> bool:
        """Whether the accounts have been looked at, so that there is something to tell."""
        return self._exporter is not None

    @property
    def status(self) -> Exit:
        """The exit status of the run so far."""
        return self.record.status(self.interruption.status)

    @property
    def collectable(self) -> int:
        """How many exports were asked for and not committed, and are kept by Amazon for the next run."""
        state_dir = self._wish.settings.run.state_dir
        if state_dir is None:
            return 0
        with suppress(StateError):  # what a journal that broke meanwhile knows is no reason to fail
            return collectable(state_dir, self.record.jobs, now=self._now().timestamp())
        return 0

    async def work(self, make_exporter: MakeExporter, log: Listener) -> None:
        """Discover, plan and export until every job has its outcome or a signal stops it."""
        settings = self._wish.settings
        async with (
            interruptible(self.interruption),
            make_exporter(
                settings.accounts,
                state_dir=settings.run.state_dir,
                workers=settings.run.workers,
                runner=settings.run.runner,
                dask=settings.run.scheduler,
                worker_environment=harmless_environment(settings.accounts, dsn=settings.sink.dsn),
                limits=settings.limits,
                deadline=settings.run.deadline,
                listener=fan_out(self.board, self.record, log, *([] if self._wish.quiet else [Waiting()])),
                rebuild=self._wish.rebuild,
                ca_file=settings.run.ca_file,
            ) as exporter,
        ):
            self._plan(await exporter.discover())
            self._exporter = exporter
            await self._export(exporter)

    def _plan(self, discovery: Discovery) -> None:
        wish = self._wish
        profiles = select(discovery, wish.profiles)
        run = wish.settings.run
        jobs = plan(profiles, entities=run.entities, filters=run.filters, snapshot=wish.snapshot)
        self.record.plan(discovery, jobs)
        for refused in discovery.refused:
            self._report.refused(refused)

    async def _export(self, exporter: ExporterLike) -> None:
        if not self.record.jobs:
            return
        self.interruption.drain = exporter.drain
        async with exporter.run(self.record.jobs, sink=self._sink, again=self._wish.again) as outcomes:
            async for outcome in outcomes:
                self.record.add(outcome)
                self._report.outcome(outcome)

    async def keep(self, status: Exit | None) -> str:
        """Store the manifest and return where."""
        return await self._shelf.keep(
            self.record.name, self.record.manifest(self.summary, status, again=self._wish.again)
        )

    def finish(self) -> None:
        """Write the end of the report."""
        self._report.finish(self.record, self.summary)


async def pull(
    wish: Wish,
    *,
    report: Report,
    view: View | None,
    clock: Clock,
    make_exporter: MakeExporter,
    log: Listener | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    nonce: str | None = None,
) -> Exit:
    """Carry out ``wish`` and return the exit status. Raises what stops a run as a whole.

    :class:`ConfigError` for a profile nobody manages, ``LockHeld``, ``SinkError`` for an output folder that cannot be
    written to, ``BrokenPipeError`` when the reader of stdout has gone.
    """
    sink = sink_of(wish.settings.sink)
    await sink.prepare()
    record = RunRecord(snapshot=wish.snapshot, now=now, nonce=nonce or secrets.token_hex(2))
    log = log or EventLog(told=True)
    shelf = GuardedSink(sink, clock=clock, seconds=wish.settings.limits.sink_timeout, listener=log)
    run = Pull(wish, sink, shelf, record, Board(wish.settings.limits.told, clock.now), report, now)
    try:
        async with open_while(sink), showing(run.board, view, clock):
            await run.work(make_exporter, log)
    except BaseException:
        await _keep_anyway(run)
        raise
    status = run.status
    try:
        place = await run.keep(status)
    finally:
        run.finish()
    if status is not Exit.OK or not wish.quiet:
        _conclude(run, place)
    return status


async def _keep_anyway(run: Pull) -> None:
    """Keep a manifest of a run that is ending by an exception, which must stay the one that is seen."""
    if not run.begun:
        return
    try:
        await run.keep(None)
    except AsyncexportError as error:
        say(f"the manifest could not be kept either: {error}")


def _conclude(run: Pull, place: str) -> None:
    if not run.record.jobs and not run.record.refused and run.interruption.status is None:
        say("nothing to do: the accounts manage no seller or vendor profile")
    if text := advice(run.record, run.collectable):
        say(text)
    say(f"manifest: {place}")


def select(discovery: Discovery, wanted: Sequence[str]) -> Sequence[Profile]:
    """Return the discovered profiles with the ``wanted`` ids, all of them when none is named.

    Raises :class:`ConfigError` for an id that no account manages, unless an account that might could not be looked at.
    """
    if not wanted:
        return discovery.profiles
    for profile_id in wanted:
        if any(each.profile_id == profile_id for each in discovery.skipped):
            raise ConfigError(f"--profile {profile_id}: an agency profile, which has no exports of sponsored ads")
        if not discovery.refused and all(each.profile_id != profile_id for each in discovery.profiles):
            raise ConfigError(f"--profile {profile_id}: no account manages it; asyncexport profiles lists them all")
    return [each for each in discovery.profiles if each.profile_id in wanted]
