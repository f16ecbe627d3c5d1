"""``asyncexport run``: the main job."""

from __future__ import annotations

import click

from asyncexport.adapters.clock import SystemClock
from asyncexport.app import options
from asyncexport.app.console import terminal_width
from asyncexport.app.context import CONTEXT
from asyncexport.app.ending import ended
from asyncexport.app.pull import Wish, pull
from asyncexport.app.report import JsonReport, TextReport
from asyncexport.app.settings import Settings
from asyncexport.engine.exporter import Exporter


@click.command("run", context_settings=CONTEXT)
@options.config
@options.out
@options.entity
@options.profile
@options.account
@options.snapshot
@options.workers
@options.runner
@options.dask
@click.option("--again", is_flag=True, help="Pull anew what is already there and replace it file by file.")
@click.option("--rebuild", is_flag=True, help="Begin a new journal where the old one cannot be used.")
@click.option(
    "--grace",
    metavar="SECONDS",
    type=options.Seconds(min=0),
    default=25.0,
    help="After the first signal, how long what is under way may take to finish.",
)
@options.json_lines
@options.quiet
@options.logs
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    settings: Settings,
    out: str,
    entity: tuple[str, ...],
    profile: tuple[str, ...],
    account: tuple[str, ...],
    snapshot: str,
    workers: int | None,
    runner: str | None,
    dask: str,
    again: bool,
    rebuild: bool,
    grace: float,
    json: bool,
    quiet: bool,
    **_logs: object,
) -> None:
    """Pull every export of every profile into the output folder.

    Results go to stdout, everything else to stderr. The first SIGINT or SIGTERM lets what is under way finish, the
    second stops at once; either way, and after a kill too, the same command with the same --snapshot goes on where
    this one stopped: exports that were asked for are collected, not asked for again.
    """
    chosen = settings.choose(out=out, entities=entity, accounts=account, workers=workers, runner=runner, dask=dask)
    wish = Wish(
        settings=chosen,
        snapshot=snapshot,
        profiles=profile,
        again=again,
        rebuild=rebuild,
        grace=grace,
        quiet=quiet,
    )
    report = JsonReport(click.echo) if json else TextReport(click.echo, brief=quiet, width=terminal_width())
    view = options.view_of(quiet=quiet, json=json)
    ctx.exit(ended(pull(wish, report=report, view=view, clock=SystemClock(), make_exporter=Exporter)))
