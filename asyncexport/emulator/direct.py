"""The emulator without sockets: a transport that calls the pure server directly, on whatever clock it is given.

With :class:`asyncexport.testing.FakeClock` a night of a thousand profiles passes in seconds, with the real engine and
the same course every time. Every export has the bytes of the empty one: what is simulated is time, not data.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from urllib.parse import urlsplit

from anyio.lowlevel import checkpoint

from asyncexport.accounts import Account
from asyncexport.emulator.records.data import EMPTY_EXPORT
from asyncexport.emulator.state import AdsState
from asyncexport.emulator.store.s3 import StoreAnswer
from asyncexport.models import SignedUrl
from asyncexport.ports import Clock, Download, Request, Response

API_URL = "https://api.emulated.test"


class DirectTransport:
    """A :class:`asyncexport.ports.Transport` to ``state``; ``latency`` in seconds passes before each answer."""

    def __init__(self, state: AdsState, clock: Clock, *, latency: float = 0.05) -> None:
        self._state = state
        self._clock = clock
        self._latency = latency

    def accounts(self) -> list[Account]:
        """Return the world's grants, ready to use with this transport."""
        return self._state.world.accounts(API_URL, download_hosts=(".amazonaws.com",))

    async def send(self, request: Request) -> Response:
        """Ask the server."""
        await self._clock.sleep(self._latency)
        return self.answer(request, self._clock.now())

    def answer(self, request: Request, now: float) -> Response:
        """Let the server answer what reaches it at ``now``. To be overridden by who wants trouble, or to count."""
        return self._state.api(request, now)

    def fetch(self, target: str, now: float) -> StoreAnswer:
        """Let the store answer likewise."""
        return self._state.store("GET", target, {}, now)

    def download(self, url: SignedUrl, *, offset: int, etag: str | None) -> AbstractAsyncContextManager[Download]:
        """Ask the store. Raises ``ValueError`` for a part: empty exports have none."""
        if offset or etag:
            raise ValueError("a simulated export is downloaded whole")
        return self._open(url)

    @asynccontextmanager
    async def _open(self, url: SignedUrl) -> AsyncIterator[Download]:
        await self._clock.sleep(self._latency)
        parts = urlsplit(url.reveal())
        answer = self.fetch(f"{parts.path}?{parts.query}", self._clock.now())
        yield _Body(answer.status, EMPTY_EXPORT if answer.key is not None else answer.body)


class _Body:
    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.headers = {"content-length": str(len(body))}
        self._body = body

    async def chunks(self) -> AsyncGenerator[bytes]:
        await checkpoint()
        yield self._body
