"""Damage on real sockets: what arrives, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import pytest
from aiohttp import web

from asyncexport.emulator.store.damage import FIN, RESET, Amount, Damage
from asyncexport.emulator.store.sending import Outgoing, Sender

BODY = bytes(range(256)) * 40
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@dataclass
class Wire:
    """An open connection to a server that gives one answer, and what that server counts."""

    reader: asyncio.StreamReader
    closing: asyncio.Event
    counted: list[int]

    async def head(self) -> bytes:
        """Read the head of the answer."""
        return await self.reader.readuntil(b"\r\n\r\n")


@asynccontextmanager
async def sent(
    damage: Damage, *, status: int = 200, request: bytes = REQUEST, size: int = 1_000
) -> AsyncIterator[Wire]:
    closing = asyncio.Event()
    counted: list[int] = []
    sender = Sender(closing, counted.append)

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        chunks = (BODY[at : at + size] for at in range(0, len(BODY), size))
        return await sender.send(request, Outgoing(status, {"ETag": '"x"'}, chunks, len(BODY), damage))

    async with _listening(handler) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        try:
            yield Wire(reader, closing, counted)
        finally:
            closing.set()
            writer.close()
            await _closed(writer)


async def _closed(writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionResetError):
        await writer.wait_closed()


@asynccontextmanager
async def _listening(handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> AsyncIterator[int]:
    runner = web.ServerRunner(web.Server(handler, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def test_an_undamaged_answer_is_whole_and_keeps_the_connection() -> None:
    """Head, length, body; every byte is counted."""
    async with sent(Damage()) as wire:
        head = await wire.head()
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"Content-Length: 10240" in head
        assert await wire.reader.readexactly(len(BODY)) == BODY
        assert not wire.reader.at_eof()
        assert sum(wire.counted) == len(BODY)


async def test_a_reset_comes_before_any_byte() -> None:
    """The peer sees a connection reset and no answer."""
    async with sent(Damage(cut=RESET)) as wire:
        with pytest.raises(ConnectionResetError):
            await wire.reader.read()


async def test_a_reset_can_come_after_some_bytes() -> None:
    """So many bytes of the body are flushed, then the connection is reset."""
    async with sent(Damage(cut=RESET, cut_after=Amount(1_500), stall=0.001, stall_after=Amount(1_500))) as wire:
        head = await wire.head()
        assert b"Content-Length: 10240" in head
        assert await wire.reader.readexactly(1_500) == BODY[:1_500]
        with pytest.raises(ConnectionResetError):
            await wire.reader.read()
        assert sum(wire.counted) == 1_500


async def test_the_end_can_come_early() -> None:
    """The announced length is that of the whole, and the stream ends before it, in good order."""
    async with sent(Damage(cut=FIN, cut_after=Amount(50, share=True))) as wire:
        assert b"Content-Length: 10240" in await wire.head()
        assert await wire.reader.read() == BODY[:5_120]


async def test_a_cut_at_byte_0_comes_after_the_head() -> None:
    """The head arrives and nothing else."""
    async with sent(Damage(cut=FIN, cut_after=Amount(0))) as wire:
        assert b"200 OK" in await wire.head()
        assert await wire.reader.read() == b""


async def test_a_stall_holds_back_the_rest_until_it_is_over() -> None:
    """What came before the stall is there; the rest comes when the wait ends, here because the server closes."""
    async with sent(Damage(stall=3_600.0, stall_after=Amount(3_333))) as wire:
        await wire.head()
        assert await wire.reader.readexactly(3_333) == BODY[:3_333]
        assert sum(wire.counted) == 3_333
        wire.closing.set()
        with pytest.raises(ConnectionResetError):
            await wire.reader.read()


async def test_a_short_stall_only_delays() -> None:
    """The whole body arrives."""
    async with sent(Damage(stall=0.001, stall_after=Amount(3_333))) as wire:
        await wire.head()
        assert await wire.reader.readexactly(len(BODY)) == BODY


async def test_a_drip_comes_in_drops() -> None:
    """The first drop is there; for the next a second would pass."""
    async with sent(Damage(drip=10)) as wire:
        await wire.head()
        assert await wire.reader.readexactly(10) == BODY[:10]
        assert wire.counted == [10]


async def test_a_delay_comes_before_the_answer() -> None:
    """Nothing is sent while it lasts."""
    async with sent(Damage(delay=3_600.0)) as wire:
        assert wire.counted == []
        wire.closing.set()
        with pytest.raises(ConnectionResetError):
            await wire.reader.readexactly(len(BODY) + 1_000)
        assert wire.counted == []


async def test_without_a_length_the_body_is_chunked() -> None:
    """No Content-Length, chunks instead."""
    async with sent(Damage(chunked=True), size=len(BODY)) as wire:
        head = await wire.head()
        assert b"Transfer-Encoding: chunked" in head
        assert b"Content-Length" not in head
        assert await wire.reader.readexactly(6) == b"2800\r\n"
        assert await wire.reader.readexactly(len(BODY)) == BODY
        assert await wire.reader.readexactly(7) == b"\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("damage", "body"),
    [
        (Damage(half=True), BODY[:5_120]),
        (Damage(extra=2), BODY + b"\xa5\xa5"),
        (Damage(drop=Amount(5_000)), BODY[:5_000] + BODY[5_001:]),
        (Damage(flip=Amount(0)), b"\x01" + BODY[1:]),
    ],
    ids=["half", "extra", "drop", "flip"],
)
async def test_a_changed_body_has_the_length_it_announces(damage: Damage, body: bytes) -> None:
    """The framing is right, the bytes are not."""
    async with sent(damage) as wire:
        head = await wire.head()
        assert f"Content-Length: {len(body)}\r\n".encode() in head
        assert await wire.reader.readexactly(len(body)) == body


@pytest.mark.parametrize(("status", "request_line"), [(204, b"GET"), (304, b"GET"), (200, b"HEAD")])
async def test_some_answers_have_no_body(status: int, request_line: bytes) -> None:
    """204, 304 and whatever answers HEAD end with their heads."""
    async with sent(Damage(), status=status, request=REQUEST.replace(b"GET", request_line)) as wire:
        assert f" {status} ".encode() in await wire.head()
        assert wire.counted == []


async def test_a_peer_that_leaves_ends_the_sending() -> None:
    """A client that goes away in the middle of a drip is no error of the server."""
    async with sent(Damage(drip=1)) as wire:
        await wire.head()
        await wire.reader.readexactly(1)
    assert wire.counted == [1]


async def test_a_peer_that_has_left_cannot_be_reset() -> None:
    """A client that goes away while its reset is still to come is no error of the server."""
    closing = asyncio.Event()
    asked: asyncio.Future[web.BaseRequest] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        asked.set_result(request)
        sender = Sender(closing, lambda _: None)
        response = await sender.send(request, Outgoing(200, {}, [BODY], len(BODY), Damage(cut=RESET, delay=3_600.0)))
        done.set()
        return response

    async with _listening(handler) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST)
        request = await asked
        writer.close()
        while request.transport is not None:  # noqa: ASYNC110  aiohttp has no event for it
            await asyncio.sleep(0)
        closing.set()
        await done.wait()
