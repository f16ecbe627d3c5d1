"""The options that commands share, each declared once, and how their values meet the settings.

Contract: the value of ``--config`` *is* the loaded :class:`Settings` (:class:`Places` for commands that need no
credentials); being eager, it is read first and gives click its ``default_map``, so that a flag wins over
``ASYNCEXPORT_<OPTION>`` over the file over the default (:mod:`asyncexport.app.context`). What draws is imported when
something is drawn.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from asyncexport.adapters.logs import configure
from asyncexport.app.exits import say
from asyncexport.app.settings import MOST_WORKERS, Places, Settings, SinkSettings, load, load_places, load_sink
from asyncexport.engine.runners.choosing import RUNNERS
from asyncexport.models import Entity
from asyncexport.sinks import check_label

if TYPE_CHECKING:
    from asyncexport.app.progress import View

Command = TypeVar("Command", bound=Callable[..., Any])

LEVELS = ("debug", "info", "warning", "error")


class Seconds(click.FloatRange):
    """A duration in seconds: finite, so no ``nan``, which is in every range, and no ``inf``."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401
        """Return the number. Raises :class:`click.BadParameter`."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is no number of seconds", param, ctx)
        return number


def filled(_ctx: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Return a text that is not empty: ``--out "$UNSET"`` does not mean the current folder."""
    if not value.strip():
        raise click.BadParameter("it is empty; is a variable not set? Leave the option out for the default")
    return value


def _load(ctx: click.Context, parameter: click.Parameter, value: str | None) -> Settings | None:
    if ctx.resilient_parsing:
        return None
    settings = load(None if value is None else filled(ctx, parameter, value))
    for warning in settings.warnings:
        say(f"warning: {warning}")
    ctx.default_map = {**(ctx.default_map or {}), **settings.as_defaults()}
    return settings


def _load_places(ctx: click.Context, parameter: click.Parameter, value: str | None) -> Places | None:
    if ctx.resilient_parsing:
        return None
    places = load_places(None if value is None else filled(ctx, parameter, value))
    ctx.default_map = {**(ctx.default_map or {}), "out": str(places.out)}
    return places


def _load_sink(ctx: click.Context, parameter: click.Parameter, value: str | None) -> SinkSettings | None:
    if ctx.resilient_parsing:
        return None
    sink = load_sink(None if value is None else filled(ctx, parameter, value))
    ctx.default_map = {**(ctx.default_map or {}), "out": sink.place}
    return sink


def _check_snapshot(_ctx: click.Context, _parameter: click.Parameter, value: str) -> str:
    return check_label(value, what="--snapshot")


def _configure_logs(ctx: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not ctx.resilient_parsing:
        configure(_level(ctx.params, value), json=ctx.params.get("log_format") == "json")
    return value


def _level(given: dict[str, Any], named: str) -> str:
    verbose = given.get("verbose", 0)
    return ("debug" if verbose > 1 else "info") if verbose else named


def _config(callback: Callable[..., object]) -> Callable[[Command], Command]:
    return click.option(
        "-c",
        "--config",
        "settings",
        metavar="FILE",
        is_eager=True,
        callback=callback,
        envvar="ASYNCEXPORT_CONFIG",
        show_default="asyncexport.toml here, if there is one",
        help="The configuration, a TOML file.",
    )


config = _config(_load)
offline_config = _config(_load_places)
sink_config = _config(_load_sink)
out = click.option(
    "--out",
    metavar="DIR",
    default="exports",
    callback=filled,
    help="The folder that exports go to; of DuckDB the file.",
)
entity = click.option(
    "--entity",
    metavar="E",
    multiple=True,
    type=click.Choice([each.value for each in Entity]),
    show_default="all four",
    help="What to export: campaigns, adGroups, targets or ads. May be repeated.",
)
profile = click.option(
    "--profile", metavar="ID", multiple=True, show_default="all", help="Only this profile. May be repeated."
)
account = click.option(
    "--account", metavar="NAME", multiple=True, show_default="all", help="Only this account. May be repeated."
)
snapshot = click.option(
    "--snapshot",
    metavar="LABEL",
    default=lambda: f"{datetime.now(UTC):%Y-%m-%d}",
    callback=_check_snapshot,
    show_default="today's date in UTC",
    help="The label of this run's rows. A second run under the same label does only what is missing.",
)
workers = click.option(
    "--workers",
    metavar="N",
    type=click.IntRange(0, MOST_WORKERS),
    show_default="one per core",
    help="Processes for the transfers of large exports, started when there are any; 0: all run in this one.",
)
runner = click.option(
    "--runner",
    type=click.Choice(RUNNERS),
    show_default="processes",
    help="Where those processes are: on this machine, or the workers of a Dask cluster.",
)
dask = click.option(
    "--dask",
    metavar="ADDRESS",
    default="",
    show_default="a cluster of this machine's own",
    help="Of --runner dask the cluster: its scheduler, tcp://HOST:PORT.",
)
json_lines = click.option("--json", "json", is_flag=True, help="Results as JSON Lines on stdout.")
quiet = click.option("-q", "--quiet", is_flag=True, help="No progress, and only failures and totals as results.")


def logs(command: Command) -> Command:
    """Add the options about logging and set it up before the command's own body runs."""
    for decorate in (
        click.option(
            "--log-level",
            type=click.Choice(LEVELS),
            default="warning",
            callback=_configure_logs,
            help="What is logged to stderr.",
        ),
        click.option(
            "--log-format", type=click.Choice(["text", "json"]), default="text", is_eager=True, help="How it is logged."
        ),
        click.option(
            "-v", "--verbose", count=True, is_eager=True, help="Log more: -v is info, -vv is debug with tracebacks."
        ),
    ):
        command = decorate(command)
    return command


def view_of(*, quiet: bool, json: bool) -> View | None:
    """Return how progress is shown: live on a terminal, else as lines; not at all when quiet or where stderr is closed.

    When results stream to the same terminal as JSON, a live display would be torn, and a dumb terminal cannot draw one:
    so lines it is.
    """
    if quiet or sys.stderr is None:
        return None
    from asyncexport.app.progress import LineView, LiveView  # noqa: PLC0415  imports rich

    if sys.stderr.isatty() and not (json and sys.stdout is not None and sys.stdout.isatty()):
        live = LiveView()
        if live.is_possible:
            return live
    return LineView(sys.stderr)
