"""An emulator in a thread of its own, so that commands can run in the main thread as they do in life."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from asyncexport.app.commands.emulate import configuration
from asyncexport.emulator.laws import Constant
from asyncexport.emulator.server import EmulatorServer
from asyncexport.emulator.state import AdsState
from asyncexport.emulator.weather import Weather
from asyncexport.emulator.world import World

Emulate = Callable[..., "Emulated"]


class Emulated:
    """A running emulator and a configuration file for it."""

    def __init__(self, server: EmulatorServer, config: Path, folder: Path) -> None:
        self.server = server
        self.config = str(config)
        self.folder = folder
        config.write_text(configuration(server.accounts()) + f'\n[sink]\npath = "{folder}"\n')
        config.chmod(0o600)

    def add(self, text: str) -> None:
        """Put another table into the configuration."""
        path = Path(self.config)
        path.write_text(f"{path.read_text()}\n{text}\n")

    @property
    def profiles(self) -> list[str]:
        """The profile ids, those of the first account first."""
        return [profile.profile_id for grant in self.server.state.world.grants for profile in grant.profiles]


@contextmanager
def in_thread(server: EmulatorServer) -> Iterator[EmulatorServer]:
    """Serve in another thread while the block runs."""
    running: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        stop = asyncio.Event()
        async with server:
            running.set_result((asyncio.get_running_loop(), stop))
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="emulator")
    thread.start()
    loop, stop = running.result(timeout=30)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


@pytest.fixture
def emulate(tmp_path: Path) -> Iterator[Emulate]:
    """Start emulators: ``emulate(accounts=1, profiles=2, rows=500, seconds=0.01, weather="", agency=False)``."""
    with ExitStack() as stack:

        def start(
            *,
            accounts: int = 1,
            profiles: int = 2,
            rows: int = 500,
            seconds: float = 0.01,
            weather: str = "",
            agency: bool = False,
        ) -> Emulated:
            world = World.generate(seed=1, accounts=accounts, profiles=profiles, rows=rows, agency=agency)
            state = AdsState(world, generation=Constant(seconds), weather=Weather.parse(weather))
            server = stack.enter_context(in_thread(EmulatorServer(state)))
            return Emulated(server, tmp_path / "asyncexport.toml", tmp_path / "exports")

        yield start
