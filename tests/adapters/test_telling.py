"""Calls are told to a listener, however they end."""

from __future__ import annotations

import pytest

from asyncexport.accounts import Account, Region
from asyncexport.adapters.telling import Telling
from asyncexport.errors import ConnectionLost
from asyncexport.events import CallEnded, Event
from asyncexport.models import SignedUrl
from asyncexport.ports import Request, Response
from asyncexport.testing import FakeClock, FakeDownload, FakeTransport

ACCOUNT = Account("acme", region="EU", client_id="c", client_secret="s", refresh_token="t")
REQUEST = Request("GET", "https://api.test/v2/profiles", {}, endpoint="profiles")


async def test_calls() -> None:
    """An answer is told with its status, a lost one with none; the caller gets both as they are."""
    heard: list[Event] = []
    clock = FakeClock()

    def slow(_: Request) -> Response:
        clock.advance(2.0)
        return Response(429, {})

    transport = FakeTransport(slow, ConnectionLost("cut"))
    telling = Telling(transport, ACCOUNT, clock=clock, listener=heard.append)

    assert await telling.send(REQUEST) == Response(429, {})
    with pytest.raises(ConnectionLost, match="cut"):
        await telling.send(REQUEST)
    assert heard == [
        CallEnded("acme", Region.EU, "profiles", 429, 2.0),
        CallEnded("acme", Region.EU, "profiles", 0, 0.0),
    ]


async def test_downloads() -> None:
    """A download is passed on as it is."""
    transport = FakeTransport(downloads=[FakeDownload(200)])
    telling = Telling(transport, ACCOUNT, clock=FakeClock(), listener=lambda _: None)

    async with telling.download(SignedUrl("https://store.test/a"), offset=3, etag="e") as download:
        assert download.status == 200
    assert transport.opened == [(SignedUrl("https://store.test/a"), 3, "e")]
