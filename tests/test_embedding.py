"""The README's programs that embed the library: each runs as it stands, with a real client, against the emulator."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
import structlog
import uvicorn

from asyncexport.emulator.records.data import EMPTY_EXPORT, rows
from asyncexport.emulator.server import EmulatorServer
from asyncexport.emulator.store.objects import ObjectKey
from asyncexport.models import Entity, Filters
from asyncexport.pytest_plugin import emulated
from tests.test_docs import blocks
from tests.test_end_to_end import Desk
from tests.test_resume import Gate

LARGE = 30_000


def program(word: str) -> str:
    """Return the README's program that has ``word`` in it."""
    (found,) = [block for block in blocks("python") if word in block]
    return found


def there(emulator: EmulatorServer, word: str) -> dict[str, Any]:
    """Run a program up to where it has defined what it has; return that."""
    names: dict[str, Any] = {"account": emulator.accounts()[0], "__name__": "readme"}
    exec(program(word), names)  # noqa: S102
    return names


# a web service


@asynccontextmanager
async def served(emulator: EmulatorServer) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the program's app on a loopback port until the block is left and every answer has ended."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = uvicorn.Server(uvicorn.Config(there(emulator, "FastAPI")["app"], log_config=None, lifespan="on"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/exports"
            async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30.0) as client:
                yield client
        finally:
            server.should_exit = True
            await serving


def file_of(count: int) -> bytes:
    """Return so many KB, not compressed."""
    text = ",".join(f'{{"campaignId":"{number}","name":"{"x" * 1_000}"}}' for number in range(count))
    return gzip.compress(f"[{text}]".encode(), compresslevel=0)


def large(_: ObjectKey) -> list[bytes]:
    """Return a file larger than all the buffers on its way."""
    return [file_of(LARGE)]


def damaged(_: ObjectKey) -> list[bytes]:
    """Return a file whose checksum is wrong, which shows at its end."""
    return [file_of(500)[:-8] + bytes(8)]


@pytest.fixture
def profile_id(emulator: EmulatorServer) -> str:
    return next(iter(emulator.state.world.profiles))


@pytest.mark.emulator(profiles=1, accounts=1)
async def test_an_export_to_a_client(emulator: EmulatorServer, profile_id: str) -> None:
    """The client has every row, a line each; an export without rows is an empty answer."""
    world = emulator.state.world
    async with served(emulator) as client:
        answer = await client.get(f"/{profile_id}/ads")
        await emulator.become(emulator.state, content=lambda _: [EMPTY_EXPORT])
        nothing = await client.get(f"/{profile_id}/targets")

    expected = [json.loads(row) for row in rows(world.profiles[profile_id], Entity.ADS, Filters(), world.seed)]
    assert list(map(json.loads, answer.text.splitlines())) == expected
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert (nothing.status_code, nothing.content) == (200, b"")


@pytest.mark.emulator(profiles=1, accounts=1, weather="poll nth=1: fail-SOMETHING_NEW")
async def test_an_export_that_fails_before_its_first_row(emulator: EmulatorServer, profile_id: str) -> None:
    """The client is told what is wrong, by the status; who asks for nothing that there is, too."""
    async with served(emulator) as client:
        failed = await client.get(f"/{profile_id}/ads")
        answers = [await client.get(path) for path in ("/7/ads", f"/{profile_id}/reports")]

    assert failed.status_code == 502
    assert "SOMETHING_NEW" in failed.json()["detail"]
    assert [answer.status_code for answer in answers] == [404, 422]


@pytest.mark.emulator(profiles=1, accounts=1)
async def test_an_export_that_breaks_midway(emulator: EmulatorServer, profile_id: str) -> None:
    """An answer that lacks rows does not end like a whole one."""
    await emulator.become(emulator.state, content=damaged)
    async with served(emulator) as client:
        with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
            await client.get(f"/{profile_id}/campaigns")


@pytest.mark.emulator(profiles=1, accounts=1)
async def test_a_client_that_goes_away(emulator: EmulatorServer, profile_id: str) -> None:
    """The download waits for a client that does not read, while another is served, and ends when that has gone."""
    await emulator.become(emulator.state, content=large)
    async with served(emulator) as client, client.stream("GET", f"/{profile_id}/campaigns") as answer:
        unread = answer.aiter_bytes(1_000)
        await anext(unread)
        other = await client.get(f"/{profile_id}/ads")
        assert len(other.content.splitlines()) == LARGE

    assert emulator.state.counters.bytes_served < 2 * LARGE * 1_000


# a session and a log of one's own


@pytest.fixture
def structured(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Forget afterwards how the program has configured structlog."""
    caplog.set_level("INFO")
    yield caplog
    structlog.reset_defaults()


@pytest.mark.emulator(profiles=1, accounts=1, weather="poll nth=1: fail-SOMETHING_NEW")
async def test_a_session_and_a_log_of_ones_own(
    emulator: EmulatorServer,
    structured: pytest.LogCaptureFixture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every call goes through the session, no download does, and it stays open; all that is logged is by one logger."""
    monkeypatch.chdir(tmp_path)
    urls: list[str] = []

    async def note(_: object, __: object, sent: aiohttp.TraceRequestStartParams) -> None:
        urls.append(str(sent.url))

    tracing = aiohttp.TraceConfig()
    tracing.on_request_start.append(note)
    async with aiohttp.ClientSession(trace_configs=[tracing]) as session:
        failed = await there(emulator, "structlog.configure")["pull"](session, "night")
        assert not session.closed

    assert len(failed) == 1
    asked = emulator.state.counters.requests
    assert asked["store"] == 3
    assert len(urls) == asked.total() - asked["store"]
    assert {record.name for record in structured.records} == {"ads"}
    entries = [json.loads(record.getMessage()) for record in structured.records]
    assert [entry["outcome"] for entry in entries if entry["event"] == "job.finished"].count("exported") == 3
    assert [entry["error"] for entry in entries if entry["level"] == "error"] == ["ExportFailed"]


# a task that is told to stop


@pytest.fixture
def signals() -> Iterator[None]:
    """Keep a signal that the program does not expect from ending the tests, and put everything back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda *_: pytest.fail("nobody waits for a signal"))
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


async def until(holds: Callable[[], bool], task: asyncio.Task[None]) -> None:
    """Come back when something holds, while ``task`` goes on."""
    while not holds():
        assert not task.done()
        await asyncio.sleep(0.01)
    assert not task.done()


@pytest.mark.usefixtures("signals")
async def test_a_task_that_is_told_to_stop(
    emulator: EmulatorServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each signal ends it cleanly; what was asked for before the first is collected after the next start."""
    monkeypatch.chdir(tmp_path)
    gate = Gate()
    gate.quick = 0
    await emulator.become(emulated(profiles=1, accounts=1, generation=gate))
    main = there(emulator, "add_signal_handler")["main"]
    tree = Desk(emulator, tmp_path)

    first = asyncio.create_task(main())
    await until(lambda: gate.asked == len(Entity), first)
    signal.raise_signal(signal.SIGTERM)
    await first
    assert tree.stored() == {}

    gate.open(emulator)
    second = asyncio.create_task(main())
    await until(lambda: len(tree.stored()) == len(Entity), second)
    signal.raise_signal(signal.SIGINT)
    await second
    assert gate.asked == len(Entity)
    assert tree.stored() == tree.truth()


async def test_a_task_that_meets_an_error(
    emulator: EmulatorServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure of the hour is told, and the task goes on."""
    monkeypatch.chdir(tmp_path)
    names = there(emulator, "add_signal_handler")
    (tmp_path / "state").write_text("no folder")
    task = asyncio.create_task(names["every_hour"]())
    said = io.StringIO()
    monkeypatch.setattr("sys.stdout", said)
    await until(lambda: bool(said.getvalue()), task)

    assert said.getvalue().startswith("in an hour again: ")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
