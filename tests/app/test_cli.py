"""The command itself: quick help, commands that are there, and errors that end well."""

from __future__ import annotations

import importlib

import click
import pytest
from click.testing import CliRunner

from asyncexport._version import __version__
from asyncexport.app.cli import COMMANDS, LazyCommands, main
from asyncexport.app.exits import MEANINGS, Exit
from tests.app.support import python


def command(name: str) -> click.Command:
    found = main.get_command(click.Context(main), name)
    assert found is not None
    return found


def test_help() -> None:
    """The help lists every command and every exit status."""
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.output.split("Commands:\n")[1].splitlines()[: len(COMMANDS)]] == list(
        COMMANDS
    )
    said = result.output.split("Exit status:\n")[1].splitlines()
    assert [int(line.split()[0]) for line in said] == [int(status) for status in Exit]
    assert {line.split(maxsplit=1)[1] for line in said} == set(MEANINGS.values())


def test_completion() -> None:
    """A shell completes the names of all commands."""
    assert main.list_commands(click.Context(main)) == list(COMMANDS)


def test_the_commands_as_a_mapping() -> None:
    """The group's commands behave as click expects: looked up once, listed, replaced, removed."""
    commands = LazyCommands()
    assert (len(commands), list(commands)) == (len(COMMANDS), list(COMMANDS))
    assert commands["version"] is commands["version"]
    commands["version"] = commands["status"]
    assert commands["version"].name == "status"
    del commands["version"]
    assert "version" not in commands


def test_help_is_light() -> None:
    """The help imports nothing heavy: no aiohttp, no rich, no structlog."""
    code = (
        "import sys\n"
        "from asyncexport.app.cli import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "print([each for each in ('aiohttp', 'rich', 'structlog') if each in sys.modules])\n"
    )
    with python("-c", code) as other:
        shown, _ = other.communicate()
    assert shown.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command(name: str) -> None:
    """Each command exists under its name, and the list says of it what it says of itself."""
    found = command(name)
    assert found.name == name
    assert found.get_short_help_str(limit=200) == COMMANDS[name]
    assert CliRunner().invoke(main, [name, "--help"]).exit_code == 0


@pytest.mark.parametrize("name", COMMANDS)
def test_each_option(name: str) -> None:
    """Every option explains itself, and none takes a secret: those are never on a command line."""
    for parameter in command(name).params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name
            assert not {"secret", "token"} & set(str(parameter.name).split("_"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rnu"], "No such command 'rnu'"),
        (["--bogus"], "No such option '--bogus'"),
        (["version", "--bogus"], "No such option '--bogus'"),
        (["emulate", "--generation", "nan"], "nan is no number of seconds"),
        (["emulate", "--generation", "inf"], "inf is no number of seconds"),
        (["demo", "--keep", ""], "it is empty"),
        (["status", "--out", " "], "it is empty"),
        (["status", "-c", ""], "it is empty"),
        (["run", "-c", ""], "it is empty"),
    ],
)
def test_a_mistake_of_usage(arguments: list[str], said: str) -> None:
    """What was typed wrongly is refused in one line that says where to read on."""
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1
    assert said in result.stderr
    assert result.stderr.endswith(" --help\n")


def test_without_a_command() -> None:
    """The bare command shows its help."""
    result = CliRunner().invoke(main, [])
    assert result.exit_code == 2
    assert "Commands:\n" in result.output


def test_a_mistake_in_the_configuration(tmp_path: pytest.TempPathFactory) -> None:
    """An error while options are read ends like any other: one line and its status."""
    result = CliRunner().invoke(main, ["run", "-c", f"{tmp_path}/nowhere.toml"])
    assert result.exit_code == 2
    assert result.stderr == f"error: {tmp_path}/nowhere.toml: there is no such file\n"


def test_the_version() -> None:
    """Both ways to ask for the version work."""
    assert CliRunner().invoke(main, ["--version"]).stdout == f"asyncexport {__version__}\n"


def test_running_as_a_module() -> None:
    """``python -m asyncexport`` is the same command."""
    with python("-m", "asyncexport", "version") as other:
        shown, _ = other.communicate()
    assert shown.startswith(f"asyncexport {__version__} (Python ")
    assert importlib.import_module("asyncexport.__main__").main is main
