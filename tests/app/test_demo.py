"""The demo: small, against the real emulator, with the weather told afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncexport.adapters.clock import SystemClock
from asyncexport.app.demo import WEATHER, aftermath, demo, python_line, server
from asyncexport.app.report import TextReport
from asyncexport.emulator.laws import Constant
from asyncexport.emulator.server import EmulatorServer
from asyncexport.emulator.state import AdsState
from asyncexport.emulator.weather import Weather
from asyncexport.engine.exporter import Exporter


async def test_a_small_demo(tmp_path: Path) -> None:
    """The demo pulls everything, counts what the emulator saw, and says which weather it never met."""
    world = server(2).state.world
    weather = Weather.parse("request nth=1: return-503\nrequest nth=900: return-429")
    emulator = EmulatorServer(AdsState(world, generation=Constant(0.01), weather=weather))
    lines: list[str] = []
    for _ in range(2):
        status = await demo(
            emulator,
            tmp_path,
            snapshot="2026-11-23",
            report=TextReport(lines.append),
            view=None,
            clock=SystemClock(),
            make_exporter=Exporter,
            write=lines.append,
        )
        assert status == 0
    assert sum(line.startswith("8 exports committed") for line in lines) == 2
    assert lines.count("  met: request: return-503") == 2
    assert "  not met: request nth=900: return-429" in lines
    assert any("skipped: agency profiles have no exports (1)" in line for line in lines)


def test_the_python_of_a_virtual_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python below the current folder is called as a person would type it, another one by its whole path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.executable", str(tmp_path / ".venv" / "bin" / "python"))
    assert python_line(Path("x")).startswith(".venv/bin/python -c ")
    monkeypatch.setattr("sys.executable", "/opt/my python")
    assert python_line(Path("x")).startswith("'/opt/my python' -c ")


def test_the_weather_of_the_demo() -> None:
    """The demo's weather has something of every stage, and is told fault by fault."""
    emulator = server(12)
    stages = {fault.stage for fault in Weather.parse(WEATHER).faults}
    assert {"request", "poll", "download"} <= stages
    told = [line for line in aftermath(emulator, Path("x")) if line.startswith("  not met: ")]
    assert len(told) == len(emulator.state.weather.faults)
