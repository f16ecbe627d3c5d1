"""Redirects: none is followed, whoever sends it and wherever it leads, and the next host hears nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from asyncexport import Exporter, Failed
from asyncexport.adapters.http import AiohttpTransport
from asyncexport.emulator.server import EmulatorServer
from asyncexport.emulator.weather import Weather
from asyncexport.errors import AsyncexportError, UrlRefused
from asyncexport.models import SignedUrl
from asyncexport.ports import Request
from asyncexport.sansio.transfers.downloads import refusal
from asyncexport.sinks import Memory
from tests.engine.pulling import BRISK, QUICK, planned, pulled
from tests.security.support import CANARY, Talk, everything_said, leaked, spying

STATUSES = [300, 301, 302, 303, 307, 308]
PLACES = [
    "http://127.0.0.1:{port}/other",
    "//127.0.0.1:{port}/other",
    "https://127.0.0.1:{port}/other",
    "http://localhost:{port}/other",
    "/loop",
    "",
    "file:///etc/passwd",
    "data:application/json,%5B%5D",
    "gopher://127.0.0.1:{port}/",
    "javascript:alert(1)",
    "http://user:password@127.0.0.1:{port}/",
]
Use = Callable[[AiohttpTransport, str], Awaitable[int]]


async def call(transport: AiohttpTransport, url: str) -> int:
    """Make an API call with a secret in it."""
    return (await transport.send(Request("GET", url, {"Authorization": f"Bearer {CANARY}"}))).status


async def fetch(transport: AiohttpTransport, url: str) -> int:
    """Open a signed URL."""
    async with transport.download(SignedUrl(f"{url}?X-Amz-Signature={CANARY}"), offset=0, etag=None) as download:
        return download.status


@pytest.mark.parametrize("use", [call, fetch])
@pytest.mark.parametrize("place", PLACES)
async def test_a_redirect_on_the_wire(place: str, use: Use) -> None:
    """It comes back as the answer it is; neither the other host nor this one is asked a second time."""
    async with spying() as other:
        talk = redirecting(place.format(port=other.port))
        async with spying(talk) as first, AiohttpTransport() as transport:
            assert [await use(transport, f"{first.url}/here") for _ in STATUSES] == STATUSES
        assert other.connects == 0


def redirecting(location: str) -> Talk:
    """Return a conversation that answers every status there is, one after the other, and hangs up after the last."""
    left = list(STATUSES)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while left:
            await reader.readuntil(b"\r\n\r\n")
            head = f"HTTP/1.1 {left.pop(0)} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
            writer.write(head.encode())

    return talk


@pytest.mark.parametrize("status", STATUSES)
def test_a_redirect_of_the_object_store(status: int) -> None:
    """It is refused for good, without quoting where it leads."""
    error = refusal(status, {"location": f"https://evil.example/?{CANARY}"}, b"")
    assert type(error) is UrlRefused
    assert CANARY not in str(error)


@pytest.mark.emulator(profiles=1, accounts=1)
@pytest.mark.parametrize("stage", ["token", "profiles", "request", "poll", "download"])
async def test_a_redirect_at_every_stage(stage: str, emulator: EmulatorServer) -> None:
    """The run ends as that error; the other host is not connected to, and no secret is told anywhere."""
    async with spying() as other:
        emulator.state.weather = Weather.parse(f"{stage} times=99: redirect-{other.url}/trap")
        async with Exporter(emulator.accounts(), schedule=QUICK, backoff=BRISK) as exporter:
            errors = await _errors(exporter)
        assert other.connects == 0
    assert errors
    assert {type(error) for error in errors} == {UrlRefused}
    assert [secret for error in errors for secret in leaked(everything_said(error), emulator)] == []


@pytest.mark.emulator(profiles=1, accounts=1)
async def test_a_token_host_that_redirects_is_asked_once(emulator: EmulatorServer) -> None:
    """The credentials went out once and do not go out again, neither there nor here."""
    async with spying() as other:
        emulator.state.weather = Weather.parse(f"token times=99: redirect-{other.url}/trap")
        async with Exporter(emulator.accounts(), schedule=QUICK, backoff=BRISK) as exporter:
            assert len((await exporter.discover()).refused) == 1
            assert len((await exporter.discover()).refused) == 1
        assert other.connects == 0
    assert emulator.state.counters.requests["token"] == 1


async def _errors(exporter: Exporter) -> list[AsyncexportError]:
    found = await exporter.discover()
    if found.refused:
        return [each.error for each in found.refused]
    outcomes = await pulled(exporter, await planned(exporter), Memory())
    return [each.error for each in outcomes if isinstance(each, Failed)]
