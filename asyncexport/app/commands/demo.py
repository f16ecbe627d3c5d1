"""``asyncexport demo``: the main job against the emulator."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from asyncexport.adapters.clock import SystemClock
from asyncexport.app import options
from asyncexport.app.console import terminal_width
from asyncexport.app.context import CONTEXT
from asyncexport.app.demo import demo, server
from asyncexport.app.ending import ended
from asyncexport.app.report import TextReport
from asyncexport.engine.exporter import Exporter


@click.command("demo", context_settings=CONTEXT)
@click.option(
    "--profiles", metavar="N", type=click.IntRange(min=1), default=12, help="How many profiles the two accounts manage."
)
@click.option(
    "--keep",
    metavar="DIR",
    default="demo-exports",
    callback=options.filled,
    help="The folder that the exports are left in.",
)
@options.quiet
@options.logs
@click.pass_context
def command(ctx: click.Context, /, *, profiles: int, keep: str, quiet: bool, **_logs: object) -> None:
    """Run the main job against the emulator, bad weather included.

    Two accounts in two regions on this machine, all four exports of each profile; needs no network and no credentials,
    and takes a few seconds.
    """
    work = demo(
        server(profiles),
        Path(keep),
        snapshot=f"{datetime.now(UTC):%Y-%m-%d}",
        report=TextReport(click.echo, brief=quiet, width=terminal_width()),
        view=options.view_of(quiet=quiet, json=False),
        clock=SystemClock(),
        make_exporter=Exporter,
        write=click.echo,
    )
    ctx.exit(ended(work))
