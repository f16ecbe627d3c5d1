"""The command with worker processes: what becomes of them when it is killed or interrupted, and what they can see."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from asyncexport.emulator.server import EmulatorServer
from tests.test_end_to_end import Desk, canaries, text

COMMAND = """
import sys
from asyncexport.sansio.scheduling import placing
placing.WORTH_A_JOURNEY, placing.WORTH_A_START = 0, 1
from asyncexport.app.cli import main
main(sys.argv[1:])
"""
"""The command, to which every export is large."""


class Workshop(Desk):
    """A configured folder in which the command uses one worker."""

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        """Start the command as the leader of a process group, as a terminal does, with a secret in its environment."""
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-X", "dev", "-W", "error", "-c", COMMAND, *arguments, "--workers", "1"),
            cwd=self.folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": "/usr/bin:/bin", "TOKEN": text(self.server.accounts()[0].refresh_token)},
            start_new_session=True,
        )

    async def in_transfer(self, process: asyncio.subprocess.Process, files: int = 1) -> int:
        """Wait until so many transfers are under way; return the id of the worker that does them."""
        while len(self.remains) < files:  # noqa: ASYNC110  another process's progress has no event to wait for
            await asyncio.sleep(0.01)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        [worker] = await asyncio.to_thread(lambda: children.read_text().split())
        return int(worker)

    @property
    def remains(self) -> list[Path]:
        """What a transfer under way has on the disk."""
        return list((self.folder / "exports").rglob("*.part"))


@pytest.fixture
def desk(emulator: EmulatorServer, tmp_path: Path) -> Workshop:
    """Return a configured folder."""
    return Workshop(emulator, tmp_path)


async def gone(pid: int) -> bool:
    """Wait until a process has ended that is nobody's child any more."""
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        await asyncio.sleep(0.01)


def seen_of(pid: int) -> str:
    """Return what everybody can see of a process, and what its user can."""
    return "".join(Path(f"/proc/{pid}/{name}").read_text() for name in ("cmdline", "environ"))


@pytest.mark.emulator(profiles=1, accounts=1, weather="download nth=2: stall-20-after-50%")
async def test_a_command_that_is_killed_leaves_no_process(desk: Workshop) -> None:
    """Its worker ends at once, having seen no secret but in the pipe; the next run does the rest."""
    process = await desk.start("run", "--snapshot", "night")
    worker = await desk.in_transfer(process)
    seen = await asyncio.to_thread(seen_of, worker)
    assert "asyncexport.engine.runners.worker" in seen
    assert [secret for secret in canaries(desk.server) if secret in seen] == []
    process.kill()
    await process.communicate()
    assert await gone(worker)
    assert desk.remains == []
    ended = await desk.run("run", "--json", "--snapshot", "night")
    assert ended.status == 0, ended.err
    assert desk.stored() == desk.truth()
    assert desk.remains == []


@pytest.mark.emulator(profiles=1, accounts=1, weather="download times=9: stall-1-after-50%")
async def test_ctrl_c_lets_the_worker_finish_what_is_under_way(desk: Workshop) -> None:
    """A terminal signals the whole group; the worker follows the command, which drains. Here that was everything."""
    process = await desk.start("run", "--json", "--snapshot", "night")
    worker = await desk.in_transfer(process, files=4)
    os.killpg(process.pid, signal.SIGINT)
    os.kill(worker, signal.SIGINT)
    os.kill(worker, signal.SIGTERM)
    _, err = await process.communicate()
    assert process.returncode == 0, err
    assert b"a second signal stops it now" in err
    assert desk.stored() == desk.truth()
    assert await gone(worker)


@pytest.mark.emulator(profiles=1, accounts=1, weather="download times=9: stall-20-after-50%")
async def test_a_second_signal_stops_the_worker_at_once(desk: Workshop) -> None:
    """Its transfers are rolled back before the command ends."""
    process = await desk.start("run")
    worker = await desk.in_transfer(process, files=4)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    while b"finish" not in (line := await process.stderr.readline()):
        assert line, "the first signal was not answered"
    process.send_signal(signal.SIGINT)
    _, err = await process.communicate()
    assert process.returncode == 130, err
    assert list((desk.folder / "exports").rglob("part-*")) == []
    assert await gone(worker)
