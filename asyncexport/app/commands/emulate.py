"""``asyncexport emulate``: an Amazon Ads of our own, until Ctrl-C."""

from __future__ import annotations

import asyncio
import json as json_text
import time
from contextlib import AsyncExitStack

import click

from asyncexport.accounts import Account, Secret
from asyncexport.app import options
from asyncexport.app.context import CONTEXT
from asyncexport.app.exits import say
from asyncexport.app.signals import Interruption, interruptible
from asyncexport.emulator.laws import LogNormal
from asyncexport.emulator.server import EmulatorServer
from asyncexport.emulator.state import AdsState
from asyncexport.emulator.weather import Weather
from asyncexport.emulator.world import World
from asyncexport.errors import ConfigError

MOST_PORTS = 2
HABIT = 0.9
"""The share of an export's time that is its profile's own: a night is much like the one before."""


def _weather(_ctx: click.Context, _parameter: click.Parameter, value: str) -> Weather:
    try:
        return Weather.parse(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _ports(_ctx: click.Context, _parameter: click.Parameter, value: tuple[int, ...]) -> tuple[int, ...]:
    if len(value) > MOST_PORTS:
        raise click.BadParameter("there are two listeners: the API's port first, then the object store's")
    return (*value, 0, 0)[:MOST_PORTS]


@click.command("emulate", context_settings=CONTEXT)
@click.option(
    "--port",
    metavar="N",
    type=click.IntRange(0, 65535),
    multiple=True,
    callback=_ports,
    show_default="free ones",
    help="The API's port; given a second time, the object store's.",
)
@click.option("--profiles", metavar="N", type=click.IntRange(min=0), default=12, help="How many profiles there are.")
@click.option("--accounts", metavar="N", type=click.IntRange(min=1), default=2, help="How many accounts manage them.")
@click.option("--seed", metavar="N", type=int, default=0, help="What everything is drawn from.")
@click.option(
    "--rows", metavar="N", type=click.IntRange(min=0), default=20_000, help="Rows of all exports together, roughly."
)
@click.option(
    "--generation",
    metavar="SECONDS",
    type=options.Seconds(min=0, min_open=True),
    default=15.0,
    help="How long an export takes to be generated, the median.",
)
@click.option(
    "--times-out-above",
    metavar="N",
    type=click.IntRange(min=0),
    default=None,
    show_default="never",
    help="How many rows are too many for one export: then it fails, and has to be split.",
)
@click.option(
    "--weather",
    metavar="TEXT",
    default="",
    callback=_weather,
    show_default="fair",
    help="What goes wrong, for example 'request every=5: return-429; download nth=2: broken-after-50%'.",
)
def command(
    *,
    port: tuple[int, int],
    profiles: int,
    accounts: int,
    seed: int,
    rows: int,
    generation: float,
    times_out_above: int | None,
    weather: Weather,
) -> None:
    """Serve an Amazon Ads of our own on this machine.

    Prints a configuration to paste, and serves until Ctrl-C. An export takes about as long each time it is asked for.
    """
    world = World.generate(seed=seed, accounts=accounts, profiles=profiles, rows=rows)
    law = LogNormal(median=generation, habit=HABIT)
    state = AdsState(world, generation=law, times_out_above=times_out_above, weather=weather, epoch=time.time())
    asyncio.run(serve(EmulatorServer(state, api_port=port[0], store_port=port[1])))


async def serve(server: EmulatorServer) -> None:
    """Print the configuration and serve until a signal. Raises :class:`ConfigError` for a port that is taken."""
    async with interruptible(Interruption(grace=0, tell=say)), AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(server)
        except OSError as error:
            raise ConfigError(f"--port: cannot listen there ({error.strerror}); choose another") from None
        click.echo(configuration(server.accounts()), nl=False)
        say(f"serving the API on {server.api_url} and the objects on {server.store_url}; Ctrl-C ends it")
        await asyncio.Event().wait()


def configuration(accounts: list[Account]) -> str:
    """Return a configuration file for the accounts of an emulator, secrets included."""
    head = "# Save as asyncexport.toml, run: chmod 600 asyncexport.toml, then: asyncexport run\n"
    return head + "".join(map(_table, accounts))


def _table(account: Account) -> str:
    values = {
        "name": account.name,
        "region": account.region.value,
        "client_id": account.client_id,
        "client_secret": account.client_secret,
        "refresh_token": account.refresh_token,
        "api_url": account.api_url,
        "token_url": account.token_url,
        "download_hosts": list(account.download_hosts),
    }
    lines = [f"{key} = {json_text.dumps(_plain(value))}" for key, value in values.items()]
    return "\n".join(["", "[[accounts]]", *lines, ""])


def _plain(value: object) -> object:
    return value.reveal() if isinstance(value, Secret) else value
