"""Shared options: what wins over what, and what they set up."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from asyncexport.adapters.cores import cores
from asyncexport.app import options
from asyncexport.app.cli import main
from asyncexport.app.commands.status import command as status
from asyncexport.app.context import CONTEXT
from asyncexport.app.progress import LineView, LiveView
from asyncexport.app.settings import Settings

CONFIG = """
[run]
entities = ["targets"]
[sink]
path = "from-file"
[[accounts]]
name = "acme"
region = "EU"
client_id = "amzn1.id"
client_secret = { env = "HUSH" }
refresh_token = { env = "HUSH" }
"""
SEEN: dict[str, Any] = {}


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@click.command(context_settings=CONTEXT)
@options.config
@options.out
@options.entity
@options.profile
@options.snapshot
@options.workers
@options.json_lines
@options.logs
def probe(**given: Any) -> None:
    SEEN.clear()
    SEEN.update(given, level=logging.getLevelName(logging.getLogger().level))


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HUSH", "hush")
    path = tmp_path / "asyncexport.toml"
    path.write_text(CONFIG)
    return path


def called(*arguments: str, env: dict[str, str] | None = None) -> Result:
    result = CliRunner().invoke(probe, arguments, env=env)
    assert result.exception is None, result.output
    return result


@pytest.mark.usefixtures("config")
def test_what_wins() -> None:
    """A flag wins over the environment, that over the file, that over the default."""
    env = {"ASYNCEXPORT_OUT": "from-env", "ASYNCEXPORT_ENTITY": "ads campaigns", "ASYNCEXPORT_JSON": "1"}
    called("--out", "from-flag", "--entity", "adGroups", env=env)
    assert (SEEN["out"], SEEN["entity"], SEEN["json"]) == ("from-flag", ("adGroups",), True)
    called(env=env)
    assert (SEEN["out"], SEEN["entity"]) == ("from-env", ("ads", "campaigns"))
    called()
    assert (SEEN["out"], SEEN["entity"], SEEN["workers"]) == ("from-file", ("targets",), cores())
    assert isinstance(SEEN["settings"], Settings)


def test_defaults_without_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file the defaults hold, and the account is the environment's."""
    monkeypatch.chdir(tmp_path)
    keys = ("CLIENT_ID", "CLIENT_SECRET", "REFRESH_TOKEN")
    called(env={"AMAZON_ADS_REGION": "NA", **{f"AMAZON_ADS_{key}": "hush" for key in keys}})
    assert (SEEN["out"], SEEN["profile"]) == ("exports", ())
    assert SEEN["entity"] == ("campaigns", "adGroups", "targets", "ads")
    assert SEEN["settings"].accounts[0].name == "default"


def test_a_file_that_is_named_by_the_environment(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ASYNCEXPORT_CONFIG names the file as -c does; relative paths in it belong to its folder."""
    elsewhere = config.parent / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    called(env={"ASYNCEXPORT_CONFIG": str(config)})
    assert SEEN["out"] == str(config.parent / "from-file")


def test_a_configuration_that_may_be_mistaken(config: Path) -> None:
    """What the settings warn of is said once, on stderr; the command goes on."""
    config.write_text(config.read_text().replace("[run]", '[run]\nad_products = ["SPONSORED_PRODUCT"]'))
    result = called()
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("warning: [run]: ad_products: 'SPONSORED_PRODUCT' is none of ")


@pytest.mark.usefixtures("config")
@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_folder(empty: str) -> None:
    """An empty --out, as an unset variable of a shell makes it, is refused and never means the current folder."""
    result = CliRunner().invoke(probe, ["--out", empty])
    assert result.exit_code == 2
    assert "it is empty" in result.stderr


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "x"])
def test_seconds_that_are_none(text: str) -> None:
    """A duration is a finite number, and in its range."""
    with pytest.raises(click.BadParameter):
        options.Seconds(min=0).convert(text, None, None)
    assert options.Seconds(min=0).convert("2.5", None, None) == 2.5


def test_the_grace_of_a_run() -> None:
    """The options that take seconds take finite ones."""
    commands = (main.commands["run"], main.commands["emulate"])
    kinds = {each.name: each.type for command in commands for each in command.params}
    assert isinstance(kinds["grace"], options.Seconds)
    assert isinstance(kinds["generation"], options.Seconds)


@pytest.mark.usefixtures("config")
def test_the_snapshot() -> None:
    """A label is today's date in UTC if none is given, and is refused where it cannot be part of a path."""
    called()
    year, month, day = SEEN["snapshot"].split("-")
    assert (len(year), len(month), len(day)) == (4, 2, 2)
    result = CliRunner().invoke(main, ["run", "--snapshot", "../x"])
    assert result.exit_code == 2
    assert "error: --snapshot '../x' cannot be part of a path" in result.stderr


@pytest.mark.usefixtures("config")
@pytest.mark.parametrize(
    ("arguments", "level"),
    [
        ((), "WARNING"),
        (("-v",), "INFO"),
        (("-vv",), "DEBUG"),
        (("--log-level", "error"), "ERROR"),
        (("--log-level", "error", "-v"), "INFO"),
    ],
)
def test_the_level_of_logs(arguments: tuple[str, ...], level: str) -> None:
    """-v is info, -vv is debug, --log-level names any."""
    called(*arguments)
    assert SEEN["level"] == level


@pytest.mark.usefixtures("config")
def test_completion_in_a_shell() -> None:
    """While a shell completes a word nothing is loaded and nothing is set up."""
    before = list(logging.getLogger().handlers)
    with probe.make_context("probe", ["-c", "nowhere.toml"], resilient_parsing=True) as context:
        assert context.params["settings"] is None
    with status.make_context("status", ["-c", "nowhere.toml"], resilient_parsing=True) as context:
        assert context.default_map is None
    assert logging.getLogger().handlers == before


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_how_progress_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Live on a terminal, lines elsewhere and where JSON shares the terminal, nothing when quiet or closed."""
    monkeypatch.setenv("TERM", "xterm")
    assert options.view_of(quiet=True, json=False) is None
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert isinstance(options.view_of(quiet=False, json=False), LineView)
    monkeypatch.setattr("sys.stderr", Terminal())
    assert isinstance(options.view_of(quiet=False, json=False), LiveView)
    monkeypatch.setattr("sys.stdout", Terminal())
    assert isinstance(options.view_of(quiet=False, json=True), LineView)
    monkeypatch.setattr("sys.stdout", None)
    assert isinstance(options.view_of(quiet=False, json=True), LiveView)
    monkeypatch.setattr("sys.stderr", None)
    assert options.view_of(quiet=False, json=False) is None


def test_how_progress_is_shown_on_a_dumb_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot draw over what it has shown, so lines are all that a person would see."""
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr("sys.stderr", Terminal())
    assert isinstance(options.view_of(quiet=False, json=False), LineView)
