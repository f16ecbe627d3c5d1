"""The command ``asyncexport``: a group whose commands are loaded when they are called.

Contract: ``asyncexport --help`` imports click and nothing heavier, so it answers at once; each command lives in the
module of its name under :mod:`asyncexport.app.commands` as ``command``. Whatever a command raises ends at the
:class:`Boundary`: one clear line and the right exit status.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, MutableMapping
from typing import Any

import click

from asyncexport._version import __version__
from asyncexport.app.exits import MEANINGS, Boundary

COMMANDS = {
    "run": "Pull every export of every profile into the output folder.",
    "plan": "Show what run would do; ask for no export.",
    "profiles": "List the profiles the accounts manage.",
    "check": "Try configuration, credentials, profiles, output and workers.",
    "status": "Tell what the last run did, what is under way and what is missing.",
    "changes": "Tell what was added, changed and removed between snapshots.",
    "rows": "Decode one export file to JSON Lines on stdout.",
    "emulate": "Serve an Amazon Ads of our own on this machine.",
    "demo": "Run the main job against the emulator, bad weather included.",
    "version": "Print the version.",
}
STATUSES = ("Exit status:", *(f"  {status:<5d}{meaning}" for status, meaning in MEANINGS.items()))


class LazyCommands(MutableMapping[str, click.Command]):
    """The commands by name: their names are known, each is imported when it is looked up for the first time."""

    def __init__(self) -> None:
        self._loaded: dict[str, click.Command | None] = dict.fromkeys(COMMANDS)

    def __getitem__(self, name: str) -> click.Command:
        found = self._loaded[name]
        if found is None:
            found = self._loaded[name] = importlib.import_module(f"asyncexport.app.commands.{name}").command
        return found

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._loaded)

    def __len__(self) -> int:
        return len(self._loaded)


class LazyGroup(click.Group):
    """A group that lists its commands in their own order and imports only the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names in the order of the help."""
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401
    ) -> click.Context:
        """Read the options before the command inside the boundary."""
        with Boundary():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401
        """Run the command inside the boundary."""
        with Boundary():
            return super().invoke(ctx)


@click.command(
    cls=LazyGroup,
    commands=LazyCommands(),
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\n" + "\n".join(STATUSES),
)
@click.version_option(__version__, prog_name="asyncexport", message="%(prog)s %(version)s", help="Print the version.")
def main() -> None:
    """Pull every Amazon Ads export of every profile you manage."""
