"""``asyncexport version``."""

from __future__ import annotations

import platform

import click

from asyncexport._version import __version__


@click.command("version")
def command() -> None:
    """Print the version."""
    click.echo(f"asyncexport {__version__} (Python {platform.python_version()})")
