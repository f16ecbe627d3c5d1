"""Answers onto the wire, damage included: what only a socket can do.

An answer is written in pieces, between which the damage happens: waiting, dripping, a FIN before the announced length,
or a reset (``SO_LINGER`` 0, so that the peer sees ECONNRESET). What should arrive before a cut is flushed out of our
own buffers first.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from aiohttp import web

from asyncexport.emulator.damage import RESET, Damage, damaged

_SEVERED = 499


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What is to be sent: status, headers without ``Content-Length``, and ``size`` bytes of body in chunks."""

    status: int
    headers: Mapping[str, str]
    chunks: Iterable[bytes]
    size: int
    damage: Damage


class Sender:
    """Writes answers. ``closing`` ends every wait at once; ``count`` is told of body bytes that went out."""

    def __init__(self, closing: asyncio.Event, count: Callable[[int], None]) -> None:
        self._closing = closing
        self._count = count

    async def send(self, request: web.BaseRequest, out: Outgoing) -> web.StreamResponse:
        """Send one answer as its damage says and return it, for aiohttp to finish."""
        damage = out.damage
        await self._pause(damage.delay)
        if damage.cut and damage.cut_after is None:
            return _sever(request, damage.cut)
        response = await _begin(request, out)
        if out.status in {204, 304} or request.method == "HEAD":
            return response
        length = damage.length(out.size)
        stop = damage.cut_after.of(length) if damage.cut_after is not None else length
        await self._body(response, damaged(out.chunks, out.size, damage), stop, damage, damage.stall_after.of(length))
        if damage.cut:
            await request.writer.drain()
            return _sever(request, damage.cut)
        return response

    async def _body(
        self, response: web.StreamResponse, chunks: Iterator[bytes], stop: int, damage: Damage, stall_at: int
    ) -> None:
        at = 0
        stalled = not damage.stall
        for piece in _pieces(chunks, stop, damage.drip or stop, stall_at):
            if not stalled and at >= stall_at:
                stalled = True
                await self._pause(damage.stall)
            await response.write(piece)
            at += len(piece)
            self._count(len(piece))
            if damage.drip:
                await self._pause(1.0)
        if not stalled:
            await self._pause(damage.stall)

    async def _pause(self, seconds: float) -> None:
        if seconds <= 0:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            pass


def _pieces(chunks: Iterator[bytes], stop: int, largest: int, edge: int) -> Iterator[bytes]:
    at = 0
    for chunk in chunks:
        begin = 0
        while begin < len(chunk) and at < stop:
            end = min(len(chunk), begin + largest, begin + stop - at, *((begin + edge - at,) if at < edge else ()))
            yield chunk[begin:end]
            at += end - begin
            begin = end


async def _begin(request: web.BaseRequest, out: Outgoing) -> web.StreamResponse:
    response = web.StreamResponse(status=out.status, headers=dict(out.headers))
    if out.damage.chunked:
        response.enable_chunked_encoding()
    else:
        response.content_length = out.damage.length(out.size)
    if out.damage.cut and request.transport is not None:
        request.transport.set_write_buffer_limits(high=0)
    await response.prepare(request)
    return response


def _sever(request: web.BaseRequest, how: str) -> web.StreamResponse:
    transport = request.transport
    if transport is not None and how == RESET:
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    elif transport is not None:
        transport.close()
    return web.Response(status=_SEVERED)
