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

from asyncexport.emulator.store.damage import RESET, Damage, damaged

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
    """Writes answers. ``closing`` ends every wait and every body; ``count`` is told of body bytes that went out."""

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
        await self._body(response, _pieces(out, stop), damage.stall_after.of(length), damage)
        if damage.cut or self._closing.is_set():
            await request.writer.drain()
            return _sever(request, damage.cut or RESET)
        return response

    async def _body(self, response: web.StreamResponse, pieces: Iterator[bytes], stall_at: int, damage: Damage) -> None:
        at = 0
        for piece in pieces:
            await self._pause(damage.stall if at == stall_at else 0.0)
            await self._pause(1.0 if damage.drip and at else 0.0)
            if self._closing.is_set():
                return
            await response.write(piece)
            at += len(piece)
            self._count(len(piece))
        await self._pause(damage.stall if at == stall_at else 0.0)

    async def _pause(self, seconds: float) -> None:
        if seconds <= 0:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            pass


def _pieces(out: Outgoing, stop: int) -> Iterator[bytes]:
    """Cut the damaged body at ``stop``, where it is to stall, and where a drip ends."""
    damage = out.damage
    edge = damage.stall_after.of(damage.length(out.size))
    at = 0
    for chunk in damaged(out.chunks, out.size, damage):
        begin = 0
        while begin < len(chunk) and at < stop:
            room = min(stop, edge if at < edge else stop) - at
            piece = chunk[begin : begin + min(room, damage.drip or room)]
            yield piece
            at += len(piece)
            begin += len(piece)


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
    if transport is None:
        return web.Response(status=_SEVERED)
    if how == RESET:
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()
    return web.Response(status=_SEVERED)
