"""What a hostile server can make us take or wait for: bounded, in bytes and in time, and told as a typed error."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from asyncexport import Exporter, Failed, Schedule
from asyncexport.adapters.connecting import Patience
from asyncexport.adapters.http import AiohttpTransport
from asyncexport.emulator.server import EmulatorServer
from asyncexport.emulator.weather import Weather
from asyncexport.errors import AsyncexportError, ConnectionLost, ProtocolError, Stalled
from asyncexport.models import SignedUrl
from asyncexport.ports import LARGEST_ANSWER, Request
from asyncexport.sinks import Memory
from tests.engine.pulling import BRISK, QUICK, planned, pulled
from tests.security.support import CANARY, Spy, Talk, endless, everything_said, spying

Use = Callable[[Spy], Awaitable[None]]

SHORT = Patience(connect=5.0, head=0.2, call=0.4, silence=0.2)
"""What is endless lasts longer than any of these, however slow the machine is."""

ROOMY = 8 << 20
"""More than a client may take of something endless: its own limit, and what lies in the buffers of two sockets."""


async def call(spy: Spy, patience: Patience = SHORT) -> None:
    """Make a small call with a secret in it."""
    async with AiohttpTransport(patience=patience) as transport:
        await transport.send(Request("GET", f"{spy.url}/", {"Authorization": f"Bearer {CANARY}"}))


async def fetch(spy: Spy, patience: Patience = SHORT) -> None:
    """Read an object to its end."""
    async with AiohttpTransport(patience=patience) as transport:
        url = SignedUrl(f"{spy.url}/k?X-Amz-Signature={CANARY}")
        async with transport.download(url, offset=0, etag=None) as download:
            async for _ in download.chunks():
                pass


def answer(*lines: bytes) -> bytes:
    """Return the head of an answer."""
    return b"HTTP/1.1 200 OK\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


FILLED = [b"X-%d: %s" % (number, b"v" * 990) for number in range(66)]
HEADS = {
    "64 KiB in many headers": (answer(*FILLED, b"Content-Length: 0"), ProtocolError),
    "one header of 100 KiB": (answer(b"X: " + b"v" * 100_000), ConnectionLost),
    "a name of 100 KiB": (answer(b"X" * 100_000 + b": v"), ConnectionLost),
    "1,000 headers": (answer(*(b"X-%d: v" % number for number in range(1_000))), ConnectionLost),
    "a status line of 100 KiB": (b"HTTP/1.1 200 " + b"v" * 100_000 + b"\r\n\r\n", ConnectionLost),
    "two lengths": (answer(b"Content-Length: 1", b"Content-Length: 2") + b"ab", ConnectionLost),
    "a length and chunks": (answer(b"Content-Length: 5", b"Transfer-Encoding: chunked") + b"0\r\n\r\n", ConnectionLost),
    "a negative length": (answer(b"Content-Length: -1"), ConnectionLost),
    "another protocol": (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", ConnectionLost),
    "no head at all": (b"{}\r\n\r\n", ConnectionLost),
    "a NUL in a header": (answer(b"X: a\x00b", b"Content-Length: 0"), ConnectionLost),
}


@pytest.mark.parametrize("use", [call, fetch])
@pytest.mark.parametrize(("head", "expected"), HEADS.values(), ids=HEADS)
async def test_a_head_that_is_too_much_or_nonsense(head: bytes, expected: type[AsyncexportError], use: Use) -> None:
    """More than 64 KiB of headers, and what can be read in two ways, is refused."""
    async with spying(head) as spy:
        with pytest.raises(AsyncexportError) as caught:
            await use(spy)
    assert type(caught.value) is expected
    assert CANARY not in everything_said(caught.value)


async def test_headers_that_are_just_enough() -> None:
    """Sixty kilobytes of headers are unusual, and read."""
    async with spying(answer(*FILLED[:60], b"Content-Length: 0")) as spy:
        await call(spy)
        assert spy.connects == 1


CHUNKED = answer(b"Transfer-Encoding: chunked")
FLOODS: dict[str, Talk] = {
    "interim answers": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "early hints": endless(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 50),
    "a chunk's extension": endless(CHUNKED + b"1;", b"e=" + b"v" * 1000),
    "headers that drip": endless(b"HTTP/1.1 200 OK\r\n", b""),
}


@pytest.mark.parametrize("use", [call, fetch])
@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
async def test_a_flood_that_is_no_answer(flood: Talk, use: Use) -> None:
    """What never becomes an answer or a byte of one ends with our patience, however busy the line is."""
    async with spying(flood) as spy:
        with pytest.raises((ConnectionLost, Stalled)) as caught:
            await use(spy)
    assert CANARY not in everything_said(caught.value)


ENDLESS: dict[str, Talk] = {
    "chunks": endless(CHUNKED, b"3e8\r\n" + b" " * 1000 + b"\r\n"),
    "a body without a length": endless(answer(b"Connection: close"), b" " * 1000),
    "a body that says it ends in a while": endless(answer(b"Content-Length: 99999999999"), b" " * 1000),
}


@pytest.mark.parametrize("talk", ENDLESS.values(), ids=ENDLESS)
async def test_an_answer_without_end(talk: Talk) -> None:
    """Of a small answer no more than 1 MiB is read, whatever it says of its length."""
    async with spying(talk) as spy:
        with pytest.raises(ProtocolError, match="larger than 1 MiB"):
            await call(spy, Patience())
        assert LARGEST_ANSWER < spy.sent < ROOMY


async def test_a_small_answer_that_drips() -> None:
    """A byte now and then keeps the line alive, and not the call: it has a time in all."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(b"Content-Length: 1000000"))
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0)

    async with spying(talk) as spy:
        with pytest.raises(ConnectionLost, match="no answer in time"):
            await call(spy, Patience(head=5.0, call=0.3))


async def test_an_object_that_falls_silent() -> None:
    """The head and one byte came, and then nothing."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(b"Content-Length: 10") + b"[")
        await writer.drain()
        await asyncio.Event().wait()

    async with spying(talk) as spy:
        with pytest.raises(Stalled, match="no byte for"):
            await fetch(spy)


async def test_the_head_is_given_time_and_not_the_queue() -> None:
    """Waiting for one of the few connections of a caller's own session is no fault of the server."""
    async with (
        spying(answer(b"Content-Length: 10") + b"x") as spy,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session,
        AiohttpTransport(session, patience=Patience(head=0.2, silence=0.5)) as transport,
    ):
        url = SignedUrl(f"{spy.url}/k")

        async def second() -> int:
            async with transport.download(url, offset=0, etag=None) as download:
                return download.status

        async with transport.download(url, offset=0, etag=None) as download:
            waiting = asyncio.create_task(second())
            with pytest.raises(Stalled):
                assert [chunk async for chunk in download.chunks()]
            assert spy.connects == 1
        assert await waiting == 200


@pytest.mark.emulator(profiles=1, accounts=1)
@pytest.mark.parametrize("stage", ["token", "request", "poll"])
async def test_an_answer_larger_than_1_mib_at_every_stage(stage: str, emulator: EmulatorServer) -> None:
    """It ends as that error wherever it comes, and costs nobody else anything."""
    emulator.state.weather = Weather.parse(f"{stage} times=99: huge-body")
    async with Exporter(emulator.accounts(), schedule=QUICK, backoff=BRISK) as exporter:
        found = await exporter.discover()
        if found.refused:
            errors = [each.error for each in found.refused]
        else:
            outcomes = await pulled(exporter, await planned(exporter), Memory())
            errors = [each.error for each in outcomes if isinstance(each, Failed)]
    assert errors
    assert {type(error) for error in errors} == {ProtocolError}
    assert all("larger than 1 MiB" in str(error) for error in errors)


@pytest.mark.emulator(
    profiles=1, accounts=1, weather="poll times=99999: word-PROCESSING; poll every=2: retry-after-1e9"
)
async def test_an_export_that_never_ends(emulator: EmulatorServer) -> None:
    """The deadline ends it, each export by itself, whatever the server says."""
    patient = Schedule(first=0.005, growth=1.0, longest=0.01)
    async with Exporter(emulator.accounts(), schedule=patient, backoff=BRISK, deadline=0.2) as exporter:
        outcomes = await pulled(exporter, await planned(exporter), Memory())
    assert {type(each.error).__name__ for each in outcomes if isinstance(each, Failed)} == {"ExportDeadline"}
    assert len(outcomes) == 4
