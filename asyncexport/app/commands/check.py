"""``asyncexport check``: would a run get going?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import click

from asyncexport.accounts import Account
from asyncexport.adapters.journal import FILE, tally
from asyncexport.app import options
from asyncexport.app.console import count, size
from asyncexport.app.context import CONTEXT
from asyncexport.app.exits import fix_of, worst
from asyncexport.app.look import look
from asyncexport.app.pull import MakeExporter
from asyncexport.app.settings import Settings, harmless_environment
from asyncexport.app.sinking import sink_of
from asyncexport.engine.exporter import Exporter
from asyncexport.engine.runners import begins, starting
from asyncexport.engine.runners.choosing import seats_for
from asyncexport.errors import AsyncexportError, ConfigError, SinkError, StateError, TooManyOpenFiles
from asyncexport.events import Event, OddityNoticed
from asyncexport.models import Discovery
from asyncexport.sansio.pacing.backoff import Backoff
from asyncexport.sansio.redact import safe_line
from asyncexport.sinks.stores.objects import BOUNDLESS


@click.command("check", context_settings=CONTEXT)
@options.config
@options.out
@options.account
@options.logs
@click.pass_context
def command(ctx: click.Context, /, *, settings: Settings, out: str, account: tuple[str, ...], **_logs: object) -> None:
    """Try configuration, credentials, profiles, output and workers.

    One line each, and one for the journal; no export is asked for. The output folder is made if it is not there. The
    exit status is the one a run would end with.
    """
    ctx.exit(asyncio.run(_check(settings.choose(out=out, accounts=account))))


async def _check(settings: Settings) -> int:
    errors = []
    async for subject, good, error in findings(settings, Exporter):
        if error is None:
            click.echo(safe_line(f"ok      {subject}: {good}"))
            continue
        errors.append(error)
        fix = fix_of(error)
        click.echo(safe_line(f"failed  {subject}: {error}" + (f" -> {fix}" if fix else "")))
    return worst(errors)


async def findings(
    settings: Settings, make_exporter: MakeExporter
) -> AsyncIterator[tuple[str, str, AsyncexportError | None]]:
    """Yield each subject with what is good about it, or with the error."""
    source = settings.source or "environment"
    yield "configuration", f"{source}, {count(len(settings.accounts), 'account')}", None
    discovery = await look(settings, make_exporter)
    for account in settings.accounts:
        for finding in _account(account, discovery):
            yield finding
    try:
        free = await sink_of(settings.sink).prepare()
    except (ConfigError, SinkError, TooManyOpenFiles) as error:
        yield "output", "", error
    else:
        yield "output", f"{settings.sink.place} can be written to{_room(free)}", None
    yield _journal(settings.run.state_dir)
    if settings.run.runner == "dask":
        yield await _dask(settings)
    else:
        yield "workers", await _workers(settings), None


async def _workers(settings: Settings) -> str:
    """Say where the transfers of large exports would run; that they cannot run elsewhere is no fault."""
    most, limits = settings.run.workers, settings.limits
    if most == 0:
        return "0, so all transfers run in the one process"
    start = starting(
        ca_file=settings.run.ca_file,
        backoff=Backoff(),
        sink_timeout=limits.sink_timeout,
        environment=harmless_environment(settings.accounts, dsn=settings.sink.dsn),
    )
    if await begins(start):
        return f"{count(most, 'process', 'processes')} can be started for the transfers of large exports"
    return "processes cannot be started, so all transfers run in the one"


async def _dask(settings: Settings) -> tuple[str, str, AsyncexportError | None]:
    """Say whether the cluster can be used, and whether its workers can store where this machine would."""
    oddities: list[Event] = []
    try:
        seats = seats_for(
            settings.run.scheduler,
            None if settings.run.ca_file is None else str(settings.run.ca_file),
            Backoff(),
            settings.limits,
            workers=settings.run.workers,
            environment=harmless_environment(settings.accounts, dsn=settings.sink.dsn),
            listener=oddities.append,
        )
        try:
            await seats.open()
            await seats.check(sink_of(settings.sink))
        finally:
            await seats.aclose()
    except AsyncexportError as error:
        return "dask", "", error
    where = f"at {settings.run.scheduler}" if settings.run.scheduler else "of this machine"
    but = "".join(f"; {event.what}" for event in oddities if isinstance(event, OddityNoticed))
    return "dask", f"{count(seats.cluster.workers, 'worker')} of the cluster {where} can be used{but}", None


def _room(free: int) -> str:
    return "" if free == BOUNDLESS else f", {size(free)} free"


def _journal(state_dir: Path | None) -> tuple[str, str, AsyncexportError | None]:
    if state_dir is None:
        return "journal", "none is kept", None
    try:
        jobs = sum(each.jobs for each in tally(state_dir, kept_since=0.0))
    except StateError as error:
        return "journal", "", error
    return "journal", f"{count(jobs, 'export')} in {state_dir / FILE}", None


def _account(account: Account, discovery: Discovery) -> list[tuple[str, str, AsyncexportError | None]]:
    subject = f"account {account.name}/{account.region.value}"
    found: list[tuple[str, str, AsyncexportError | None]] = [
        (f"{subject}/{each.profile_id}".rstrip("/"), "", each.error)
        for each in discovery.refused
        if each.account == account.name
    ]
    if any(name == subject for name, _, _ in found):
        return found
    own = [sum(each.account == account.name for each in group) for group in (discovery.profiles, discovery.skipped)]
    agencies = f", {count(own[1], 'agency profile')} without exports" if own[1] else ""
    return [(subject, f"token granted, {count(own[0], 'profile')}{agencies}", None), *found]
