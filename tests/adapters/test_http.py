"""HTTP by aiohttp, against servers on loopback: what goes out on the wire, what is taken in, whose session it is."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import aclosing

import aiohttp
import pytest
from aiohttp import web

from asyncexport.adapters.http import AiohttpTransport
from asyncexport.errors import (
    ConfigError,
    ProtocolError,
)
from asyncexport.models import SignedUrl
from asyncexport.ports import LARGEST_ANSWER, Request, Response
from tests.adapters.other_end import (
    CANARY,
    OK,
    QUERY,
    SECRET_HEADERS,
    answered,
    failed,
    fetched,
    then_close,
    wire,
)


@pytest.fixture
async def transport() -> AsyncIterator[AiohttpTransport]:
    """A transport with sessions of its own."""
    async with AiohttpTransport() as made:
        yield made


async def test_a_call(transport: AiohttpTransport) -> None:
    """Exactly the given headers go out, and what HTTP itself demands; the answer comes back whole."""
    async with wire(answered(b'{"a":1}', "X-Amz-RID: RID", "Content-Type: application/json")) as server:
        request = Request("POST", f"{server.url}/campaigns/export", {**SECRET_HEADERS, "Content-Type": "a/b"}, b"{}")
        response = await transport.send(request)

    port = server.url.rpartition(":")[2]
    assert server.lines()[0] == "POST /campaigns/export HTTP/1.1"
    assert sorted(server.lines()[1:]) == sorted(
        [f"{name}: {value}" for name, value in SECRET_HEADERS.items()]
        + [f"Host: 127.0.0.1:{port}", "Content-Type: a/b", "Content-Length: 2", "Accept-Encoding: identity"]
    )
    assert server.bodies == [b"{}"]
    assert response.status == 200
    assert response.headers == {"content-length": "7", "x-amz-rid": "RID", "content-type": "application/json"}
    assert response.body == b'{"a":1}'


async def test_a_call_without_a_body(transport: AiohttpTransport) -> None:
    """A look has the headers it is given, Content-Type too, and neither a body nor a length."""
    async with wire() as server:
        await transport.send(Request("GET", f"{server.url}/exports/e", {"Accept": "a/b", "Content-Type": "a/b"}))

    names = [line.partition(":")[0] for line in server.lines()[1:]]
    assert sorted(names) == ["Accept", "Accept-Encoding", "Content-Type", "Host"]


async def test_the_path_of_a_call(transport: AiohttpTransport) -> None:
    """What was percent-encoded stays so."""
    async with wire() as server:
        await transport.send(Request("GET", f"{server.url}/exports/a%2Fb%2e%2E%00?x=%2B", {}))

    assert server.lines()[0] == "GET /exports/a%2Fb%2e%2E%00?x=%2B HTTP/1.1"


async def test_a_download_on_the_wire(transport: AiohttpTransport) -> None:
    """A signed URL goes out byte for byte, and with it nothing but the host: no header of ours, no credential."""
    async with wire() as server:
        await fetched(transport, f"{server.url}/CAMPAIGN/a%2fb%2Bc/../d?{QUERY}")

    host = server.url.removeprefix("http://")
    assert server.lines() == [f"GET /CAMPAIGN/a%2fb%2Bc/../d?{QUERY} HTTP/1.1", f"Host: {host}"]


async def test_a_download_that_goes_on(transport: AiohttpTransport) -> None:
    """Going on asks for the rest, only if it still is the same object."""
    async with wire(answered(b"cd", 'ETag: "e"', status="206 Partial Content")) as server:
        answer = await fetched(transport, f"{server.url}/k", offset=7, etag='"e-1"')
        await fetched(transport, f"{server.url}/k", offset=7)
        await fetched(transport, f"{server.url}/k", offset=0, etag='"e-1"')

    assert answer == (206, b"cd")
    assert server.lines(0)[2:] == ["Range: bytes=7-", 'If-Match: "e-1"']
    assert server.lines(1)[2:] == ["Range: bytes=7-"]
    assert server.lines(2)[2:] == []


async def test_cookies(transport: AiohttpTransport) -> None:
    """Cookies that are set are sent back by neither session."""
    async with wire(answered(b"{}", "Set-Cookie: session=1; Path=/")) as server:
        for _ in range(2):
            await transport.send(Request("GET", f"{server.url}/x", {}))
            await fetched(transport, f"{server.url}/k")

    assert len(server.heads) == 4
    assert b"cookie" not in b"".join(server.heads).lower()


async def test_calls_one_after_the_other(transport: AiohttpTransport) -> None:
    """Calls to one host share a connection."""
    connections = 0

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await then_close(writer, OK)
        while await reader.readuntil(b"\r\n\r\n"):
            await then_close(writer, OK)

    async with wire(respond) as server:
        for _ in range(3):
            await transport.send(Request("GET", f"{server.url}/x", {}))

    assert connections == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect(transport: AiohttpTransport, status: int) -> None:
    """A redirect is an answer like any other: nobody goes where it points."""
    async with wire() as other:
        redirect = answered(b"", f"Location: {other.url}/evil", status=f"{status} Elsewhere")
        async with wire(redirect) as server:
            response = await transport.send(Request("GET", f"{server.url}/v2/profiles", SECRET_HEADERS))
            download = await fetched(transport, f"{server.url}/k?{QUERY}")

    assert (response.status, download[0]) == (status, status)
    assert other.heads == []


# what is taken in


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "gzip, gzip"])
async def test_a_body_that_says_how_it_is_coded(transport: AiohttpTransport, coding: str) -> None:
    """A body is handed on as it came: its first bytes tell what it is, not its headers."""
    body = gzip.compress(b"[]")
    async with wire(answered(body, f"Content-Encoding: {coding}")) as server:
        assert await fetched(transport, f"{server.url}/k") == (200, body)


async def test_a_large_body(transport: AiohttpTransport) -> None:
    """A large body comes in bounded chunks, whole and in order."""
    body = bytes(range(256)) * 8192

    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=body)

    app = web.Application()
    app.router.add_get("/k", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    url = SignedUrl(f"http://{host}:{port}/k")
    async with transport.download(url, offset=0, etag=None) as answer, aclosing(answer.chunks()) as chunks:
        received = [chunk async for chunk in chunks]
    await runner.cleanup()

    assert b"".join(received) == body
    assert max(map(len, received)) <= 64 * 1024
    assert answer.headers["content-length"] == str(len(body))


async def test_a_chunked_body(transport: AiohttpTransport) -> None:
    """Chunked framing is taken off, whatever the chunks."""
    body = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2;x=y\r\nbc\r\n0\r\n\r\n"
    async with wire(body) as server:
        assert await fetched(transport, f"{server.url}/k") == (200, b"abc")
        assert (await transport.send(Request("GET", server.url, {}))).body == b"abc"


async def test_an_empty_body(transport: AiohttpTransport) -> None:
    """No body is an empty one."""
    async with wire(b"HTTP/1.1 204 No Content\r\n\r\n") as server:
        assert await transport.send(Request("GET", server.url, {})) == Response(204, {}, b"")
        assert await fetched(transport, f"{server.url}/k") == (204, b"")


async def test_a_download_that_is_left_early(transport: AiohttpTransport) -> None:
    """Who leaves in the middle of a body cuts the connection: the rest is not read, and nothing stays open."""
    gone = asyncio.Event()

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answered(b"x" * 1000, length=10**9))
        await reader.read()
        gone.set()

    async with wire(respond) as server:
        url = SignedUrl(f"{server.url}/k")
        async with transport.download(url, offset=0, etag=None) as answer, aclosing(answer.chunks()) as chunks:
            assert await anext(chunks)
        await gone.wait()


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_an_answer_that_is_too_large(transport: AiohttpTransport, framing: str) -> None:
    """A small call's answer ends at one mebibyte: what is larger is refused without reading it to its end."""

    async def respond(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if framing == "length":
            writer.write(answered(b"x" * (LARGEST_ANSWER + 1), length=10**9))
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            writer.write((b"10000\r\n" + b"x" * 65536 + b"\r\n") * 17)
        await writer.drain()
        await asyncio.Event().wait()

    async with wire(respond) as server:
        error = await failed(transport.send(Request("GET", server.url, SECRET_HEADERS)))

    assert isinstance(error, ProtocolError)
    assert str(error) == f"{server.url}: the answer is larger than 1 MiB"
    assert error.status == 200


async def test_an_answer_of_exactly_the_largest_size(transport: AiohttpTransport) -> None:
    """One mebibyte is taken whole."""
    async with wire(answered(b"x" * LARGEST_ANSWER)) as server:
        assert len((await transport.send(Request("GET", server.url, {}))).body) == LARGEST_ANSWER
    async with wire(answered(b"x" * (LARGEST_ANSWER + 1))) as server:
        roomy = Request("GET", server.url, {}, largest=2 * LARGEST_ANSWER)
        assert len((await transport.send(roomy)).body) == LARGEST_ANSWER + 1


async def test_a_session_that_the_caller_closes_too_early() -> None:
    """It is told as a mistake in words of ours, by calls and by downloads."""
    own = aiohttp.ClientSession()
    async with AiohttpTransport(own) as transport:
        await own.close()
        with pytest.raises(ConfigError, match="closed while it was in use"):
            await transport.send(Request("GET", "http://127.0.0.1:9/x", {}))
        with pytest.raises(ConfigError, match="closed while it was in use"):
            await fetched(transport, "http://127.0.0.1:9/k")


async def test_a_session_of_the_caller() -> None:
    """Calls go through the caller's session as it is; downloads get its connector but none of its headers."""
    own = aiohttp.ClientSession(headers={"X-Own": "own", "Authorization": CANARY}, cookies={"own": "1"})
    async with own, wire(answered(gzip.compress(b"[]"), "Content-Encoding: gzip")) as server:
        async with AiohttpTransport(own) as transport:
            await transport.send(Request("GET", f"{server.url}/x", {"Accept": "a/b"}))
            download = await fetched(transport, f"{server.url}/k")
        assert not own.closed
        assert own.connector is not None
        assert not own.connector.closed

    assert "X-Own: own" in server.lines(0)
    assert [line.partition(":")[0] for line in server.lines(1)[1:]] == ["Host"]
    assert download == (200, gzip.compress(b"[]"))


async def test_a_session_that_is_closed() -> None:
    """A closed session is refused on entry, with the way out."""
    session = aiohttp.ClientSession()
    await session.close()

    with pytest.raises(ConfigError, match="the session that was given is closed: keep it open"):
        async with AiohttpTransport(session):
            raise NotImplementedError


async def test_sessions_of_our_own() -> None:
    """What we opened we close: nothing is left when the block is."""
    async with wire() as server:
        async with AiohttpTransport() as transport:
            await transport.send(Request("GET", f"{server.url}/x", {}))
        with pytest.raises(RuntimeError, match="outside its 'async with' block"):
            await transport.send(Request("GET", f"{server.url}/x", {}))


async def test_an_environment_that_names_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls and downloads go where they were told, not through whom the environment names."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    async with wire() as server, AiohttpTransport() as transport:
        assert (await transport.send(Request("GET", f"{server.url}/x", {}))).status == 200
        async with transport.download(SignedUrl(f"{server.url}/y"), offset=0, etag=None) as download:
            assert download.status == 200


async def test_a_transport_that_was_not_entered() -> None:
    """Outside its block a transport has no sessions, and says so."""
    transport = AiohttpTransport()

    with pytest.raises(RuntimeError, match="used outside its 'async with' block"):
        await transport.send(Request("GET", "http://127.0.0.1:1/", {}))
    with pytest.raises(RuntimeError, match="used outside its 'async with' block"):
        transport.download(SignedUrl("http://127.0.0.1:1/"), offset=0, etag=None)


async def test_calls_that_are_made_at_once_go_out_at_once(transport: AiohttpTransport) -> None:
    """None waits for another's connection: it might be told to wait by the answer to that, and go out all the same."""
    came, all_came = 0, asyncio.Event()

    async def respond(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal came
        came += 1
        if came == 150:
            all_came.set()
        await all_came.wait()
        await then_close(writer, OK)

    async with wire(respond) as server:
        calls = [transport.send(Request("GET", f"{server.url}/{number}", {})) for number in range(150)]
        answers = await asyncio.gather(*calls)

    assert [answer.status for answer in answers] == [200] * 150
