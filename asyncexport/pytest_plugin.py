"""The emulator as a pytest fixture. Put ``pytest_plugins = ["asyncexport.pytest_plugin"]`` into your ``conftest.py``.

Needs pytest-asyncio. A test that wants another world marks itself: ``@pytest.mark.emulator(profiles=3,
weather="...")``.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from asyncexport.emulator.laws import Constant, Law
from asyncexport.emulator.server import EmulatorServer
from asyncexport.emulator.state import AdsState
from asyncexport.emulator.weather import Weather
from asyncexport.emulator.world import World


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line(
        "markers",
        "emulator(profiles, accounts, rows, seed, agency, weather, generation, cap, rate, times_out_above): "
        "what is emulated",
    )


@pytest_asyncio.fixture
async def emulator(request: pytest.FixtureRequest) -> AsyncIterator[EmulatorServer]:
    """Run an Amazon Ads on loopback for one test: 4 profiles in 2 accounts, small exports that are ready at once."""
    mark = request.node.get_closest_marker("emulator")
    async with EmulatorServer(emulated(**(mark.kwargs if mark else {}))) as server:
        yield server


def emulated(
    *,
    profiles: int = 4,
    accounts: int = 2,
    rows: int = 400,
    seed: int = 1,
    agency: bool = False,
    weather: str = "",
    generation: Law | None = None,
    cap: int | None = 5,
    rate: float | None = None,
    times_out_above: int | None = None,
) -> AdsState:
    """Return the state that the fixture runs.

    ``weather`` is a plan in words, ``generation`` how long exports take, ``times_out_above`` how many rows one
    may have.
    """
    return AdsState(
        World.generate(seed=seed, accounts=accounts, profiles=profiles, rows=rows, agency=agency),
        generation=generation or Constant(0.0),
        weather=Weather.parse(weather),
        cap=cap,
        rate=rate,
        times_out_above=times_out_above,
        epoch=time.time(),
    )
