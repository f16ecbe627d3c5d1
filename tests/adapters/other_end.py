"""The other end of a connection, byte by byte: it keeps what came in and sends what it is told to."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

import pytest

from asyncexport.errors import (
    AsyncexportError,
)
from asyncexport.models import SignedUrl
from asyncexport.ports import Transport

CANARY = "canary-5f2e"
SECRET_HEADERS = {
    "Authorization": f"Bearer Atza|{CANARY}",
    "Amazon-Advertising-API-ClientId": "client",
    "Accept": "application/json",
    "User-Agent": "asyncexport/test",
}
QUERY = f"X-Amz-Security-Token=a%2Bb%2Fc%3D%3d&X-Amz-Signature={CANARY}&x=~!$'()*,;:@/?&&empty=&k=%20+"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}"

Respond = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Wire:
    """The other end: ``heads`` are the requests as they came, ``bodies`` what followed them."""

    def __init__(self, answer: bytes | Respond) -> None:
        self._answer = answer
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.url = ""
        self._serving: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving[asyncio.ensure_future(self.serve(reader, writer))] = writer

    async def hang_up(self) -> None:
        """End whatever is still being served, and wait until every connection is gone."""
        for task, writer in self._serving.items():
            task.cancel()
            writer.transport.abort()
        await asyncio.gather(*self._serving, return_exceptions=True)
        for writer in self._serving.values():
            with suppress(OSError):
                await writer.wait_closed()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._is_answered(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _is_answered(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        size = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
        self.heads.append(head)
        self.bodies.append(await reader.readexactly(size))
        if callable(self._answer):
            await self._answer(reader, writer)
            return False
        await then_close(writer, self._answer)
        return True

    def lines(self, at: int = 0) -> list[str]:
        return self.heads[at].decode("latin-1").split("\r\n")[:-2]


@asynccontextmanager
async def wire(
    answer: bytes | Respond = OK, *, tls: ssl.SSLContext | None = None, made: Wire | None = None
) -> AsyncIterator[Wire]:
    made = made or Wire(answer)
    server = await asyncio.start_server(made.accept, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    made.url = f"http{'s' if tls else ''}://127.0.0.1:{port}"
    try:
        yield made
    finally:
        server.close()
        await made.hang_up()


def answered(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    head = [f"HTTP/1.1 {status}", f"Content-Length: {size}", *headers, "", ""]
    return "\r\n".join(head).encode() + body


async def then_close(writer: asyncio.StreamWriter, *pieces: bytes) -> None:
    for piece in pieces:
        writer.write(piece)
        await writer.drain()


def closing_after(*pieces: bytes) -> Respond:
    async def respond(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await then_close(writer, *pieces)

    return respond


def resetting_after(*pieces: bytes) -> Respond:
    async def respond(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await then_close(writer, *pieces)
        writer.transport.abort()

    return respond


async def fetched(transport: Transport, url: str, *, offset: int = 0, etag: str | None = None) -> tuple[int, bytes]:
    async with (
        transport.download(SignedUrl(url), offset=offset, etag=etag) as answer,
        aclosing(answer.chunks()) as chunks,
    ):
        return answer.status, b"".join([chunk async for chunk in chunks])


async def failed(awaitable: Awaitable[Any]) -> AsyncexportError:
    """Return the error that ``awaitable`` ends with, having looked whether it leads to anything that tells secrets."""
    with pytest.raises(AsyncexportError) as caught:
        await awaitable
    error = caught.value
    assert (error.__cause__, error.__context__) == (None, None)
    assert CANARY not in f"{error!s} {error!r} {error.args!r} {vars(error)!r}"
    return error
