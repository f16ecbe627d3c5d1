"""One account's calls, told to a listener: which endpoint answered with which status, and how long that took."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from asyncexport.accounts import Account
from asyncexport.events import CallEnded
from asyncexport.models import SignedUrl
from asyncexport.ports import Clock, Download, Listener, Request, Response, Transport


class Telling:
    """A :class:`asyncexport.ports.Transport` that passes everything on and tells of every call's end."""

    def __init__(self, transport: Transport, account: Account, *, clock: Clock, listener: Listener) -> None:
        self._transport = transport
        self._account = account
        self._clock = clock
        self._listener = listener

    async def send(self, request: Request) -> Response:
        """Send one call; however it ends, that is told."""
        began, status = self._clock.now(), 0
        try:
            response = await self._transport.send(request)
            status = response.status
        finally:
            seconds = self._clock.now() - began
            self._listener(CallEnded(self._account.name, self._account.region, request.endpoint, status, seconds))
        return response

    def download(self, url: SignedUrl, *, offset: int, etag: str | None) -> AbstractAsyncContextManager[Download]:
        """Open an object, which is told of by others."""
        return self._transport.download(url, offset=offset, etag=etag)
