"""Names and texts of others cannot drive a terminal or forge a line of a log, whatever command shows them."""

from __future__ import annotations

import json
import logging
import unicodedata
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner

from asyncexport.accounts import Region
from asyncexport.app.cli import main
from asyncexport.app.commands.emulate import configuration
from asyncexport.app.progress import Board, headline, slots_line, volume
from asyncexport.emulator.laws import Constant
from asyncexport.emulator.server import EmulatorServer
from asyncexport.emulator.state import AdsState
from asyncexport.emulator.weather import Weather
from asyncexport.emulator.world import World
from asyncexport.events import ExportRequested, RunStarted
from asyncexport.models import Entity, Job, Profile
from asyncexport.testing import FakeClock
from tests.app.conftest import in_thread
from tests.security.support import named

HOSTILE = [
    "\x1b[2J\x1b[1;1Howned",
    "\x1b]0;title\x07\x1b]52;c;c3RvbGVu\x07",
    "a\nFORGED level=error event=all.fine",
    "a\r\x1b[K0 failed",
    "\u202etxt.exe\u2066",
    "\x9b31m\x85\u2028\u2029",
    "\x08\x08\x08\x7f\x00",
    "\u200b\ufeff\u00ad",
    "[bold red]markup[/] [link=https://evil.example]x[/link]",
]
COMMANDS = {
    "profiles": ["profiles"],
    "plan": ["plan"],
    "check": ["check"],
    "run": ["run", "--entity", "campaigns"],
    "run, quiet": ["run", "--entity", "campaigns", "-q"],
    "run, everything logged": ["run", "--entity", "campaigns", "-vv"],
    "run, everything logged as JSON": ["run", "--entity", "campaigns", "--json", "-vv", "--log-format", "json"],
    "status": ["status"],
}


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Undo what the command does to the root logger."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve a world of hostile names, in which one request is refused, and configure it."""
    world = named(World.generate(seed=2, accounts=1, profiles=len(HOSTILE), rows=100, agency=True), HOSTILE[::-1])
    state = AdsState(world, generation=Constant(0.0), rate=None, weather=Weather.parse("request nth=2: return-400"))
    with ExitStack() as stack:
        server = stack.enter_context(in_thread(EmulatorServer(state)))
        path = tmp_path / "asyncexport.toml"
        text = configuration(server.accounts()).replace('name = "account-1"', 'name = "acme\\u001b[31m\\u202e"')
        path.write_text(text)
        path.chmod(0o600)
        monkeypatch.chdir(tmp_path)
        yield str(path)


def forbidden(text: str) -> set[str]:
    """Return the characters of ``text`` that a terminal or a reader of logs acts on, but for the end of a line."""
    return {char for char in text if char != "\n" and unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}}


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_a_command_that_shows_hostile_names(arguments: list[str], config: str) -> None:
    """What it prints, results and logs alike, holds nothing a terminal acts on, and no line that was smuggled in."""
    if arguments == ["status"]:
        CliRunner().invoke(main, ["run", "-c", config, "--entity", "campaigns"])
    result = CliRunner().invoke(main, [*arguments[:1], "-c", config, *arguments[1:]])
    assert result.exit_code in {0, 1}, result.output
    assert forbidden(result.stdout) == set()
    assert forbidden(result.stderr) == set()
    assert not [line for line in result.output.splitlines() if line.startswith(("FORGED", "0 failed", "owned"))]


def test_names_are_shown_in_full(config: str) -> None:
    """Escaped is not lost: the text form shows what was there, and JSON carries the very name."""
    shown = CliRunner().invoke(main, ["profiles", "-c", config]).stdout
    assert "\\x1b[2J" in shown
    assert "\\u202e" in shown
    assert "[bold red]markup" in shown
    lines = CliRunner().invoke(main, ["profiles", "-c", config, "--json"]).stdout.splitlines()
    assert {json.loads(line)["name"] for line in lines} == set(HOSTILE)
    assert all(line.isascii() for line in lines)


def test_the_live_display_shows_no_names() -> None:
    """Progress is numbers and our own words: its texts are made from counts alone, so no name can get there."""
    board = Board(5, FakeClock().now)
    board(RunStarted(1))
    board(ExportRequested(Job(Profile(HOSTILE[0], Region.NA, "1", name=HOSTILE[0]), Entity.ADS), HOSTILE[0]))
    drawn = headline(board) + volume(board, 1.0) + slots_line(board)
    assert "1 running" in drawn
    assert forbidden(drawn) == set()
    assert "owned" not in drawn
