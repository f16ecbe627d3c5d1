"""``asyncexport emulate``: an Amazon Ads of our own, and a configuration for it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from asyncexport.app.cli import main
from asyncexport.app.commands.emulate import configuration, serve
from asyncexport.app.settings import load
from asyncexport.emulator.server import EmulatorServer
from asyncexport.emulator.world import World
from tests.app.support import python


def test_serving(tmp_path: Path) -> None:
    """What it prints is a configuration that works while it serves; Ctrl-C ends it well."""
    options = (
        "--profiles",
        "1",
        "--accounts",
        "1",
        "--generation",
        "0.01",
        "--rows",
        "50",
        "--port",
        "0",
        "--port",
        "0",
    )
    with python("-m", "asyncexport", "emulate", *options) as emulator:
        assert emulator.stdout is not None
        assert emulator.stderr is not None
        assert emulator.stderr.readline().startswith("serving the API on http://127.0.0.1:")
        config = tmp_path / "asyncexport.toml"
        lines = iter(emulator.stdout.readline, "")
        config.write_text("".join(line for _, line in zip(range(11), lines, strict=False)))
        config.chmod(0o600)
        arguments = ["run", "-c", str(config), "--out", str(tmp_path / "exports"), "-q"]
        result = CliRunner().invoke(main, arguments)
        emulator.send_signal(signal.SIGINT)
        _, said = emulator.communicate()
    assert result.exit_code == 0, result.stderr
    assert "4 exports committed" in result.stdout
    assert (emulator.returncode, said) == (0, "SIGINT: stopping now\n")


async def test_the_end_of_serving(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It serves until a signal and then ends without a fuss, its sockets closed."""
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        if text.startswith("serving"):
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("asyncexport.app.commands.emulate.say", say)
    server = EmulatorServer(World.generate(profiles=1, accounts=1))
    await serve(server)
    assert said == [
        f"serving the API on {server.api_url} and the objects on {server.store_url}; Ctrl-C ends it",
        "SIGTERM: stopping now",
    ]
    assert capsys.readouterr().out == configuration(server.accounts())
    address = server.api_url.removeprefix("http://").split(":")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(address[0], int(address[1]))


def test_a_port_that_is_taken() -> None:
    """A port that is taken is a mistake of usage, in one line."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        result = CliRunner().invoke(main, ["emulate", "--port", str(other.getsockname()[1])])
    assert result.exit_code == 2
    assert result.stderr.startswith("error: --port: cannot listen there")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--weather", "request: rain"), "unknown word 'rain'"),
        (("--port", "1", "--port", "2", "--port", "3"), "there are two listeners"),
        (("--generation", "0"), "x>0"),
    ],
)
def test_options_that_make_no_sense(arguments: tuple[str, ...], reason: str) -> None:
    """An option that makes no sense is refused with its reason."""
    result = CliRunner().invoke(main, ["emulate", *arguments])
    assert result.exit_code == 2
    assert reason in " ".join(result.stderr.split())


async def test_a_configuration(tmp_path: Path) -> None:
    """The printed configuration is TOML that loads to the very accounts."""
    async with EmulatorServer(World.generate(profiles=2)) as server:
        text = configuration(server.accounts())
        assert text.startswith("# Save as asyncexport.toml, run: chmod 600")
        assert len(tomllib.loads(text)["accounts"]) == 2
        path = tmp_path / "x.toml"
        path.write_text(text)
        path.chmod(0o600)
        assert list(load(path, {}).accounts) == server.accounts()
