"""``asyncexport profiles``: what the accounts manage."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import click

from asyncexport.app import options
from asyncexport.app.console import count, table
from asyncexport.app.context import CONTEXT
from asyncexport.app.exits import say, worst
from asyncexport.app.look import look
from asyncexport.app.report import line, refusal_facts
from asyncexport.app.settings import Settings
from asyncexport.engine.exporter import Exporter
from asyncexport.models import Discovery, Profile

COLUMNS = ("account", "region", "profile_id", "type", "country_code", "currency_code", "timezone", "name")


@click.command("profiles", context_settings=CONTEXT)
@options.config
@options.account
@options.json_lines
@options.logs
@click.pass_context
def command(
    ctx: click.Context, /, *, settings: Settings, account: tuple[str, ...], json: bool, **_logs: object
) -> None:
    """List the profiles the accounts manage.

    Agency profiles are listed too, and marked: they have no exports of sponsored ads.
    """
    discovery = asyncio.run(look(settings.choose(accounts=account), Exporter))
    for text in as_json(discovery) if json else as_text(discovery):
        click.echo(text)
    for refused in discovery.refused:
        say(f"account {refused.account}/{refused.region.value}: {refused.error}")
    ctx.exit(worst(refused.error for refused in discovery.refused))


def as_json(discovery: Discovery) -> list[str]:
    """Return a line for each profile and for each account that could not be looked at."""
    found = [{"event": "profile", **_facts(each), "exports": True} for each in discovery.profiles]
    found += [{"event": "profile", **_facts(each), "exports": False} for each in discovery.skipped]
    return [line(each) for each in (*found, *map(refusal_facts, discovery.refused))]


def as_text(discovery: Discovery) -> list[str]:
    """Return the profiles as a table and their number."""
    everything: Sequence[Profile] = (*discovery.profiles, *discovery.skipped)
    totals = count(len(discovery.profiles), "profile")
    if discovery.skipped:
        totals += f", and {count(len(discovery.skipped), 'agency profile')} without exports"
    if not everything:
        return [totals]
    rows = [["account", "region", "profile", "type", "country", "currency", "timezone", "name"]]
    rows += [list(map(str, _facts(each).values())) for each in everything]
    return [*table(rows), "", totals]


def _facts(profile: Profile) -> dict[str, object]:
    return {name: str(getattr(profile, name)) for name in COLUMNS}
