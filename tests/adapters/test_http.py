"""HTTP by aiohttp, against servers on loopback: what goes out on the wire, what is taken in, what each fault becomes.

``Wire`` is the other end of the connection, byte by byte: it keeps what came in and sends what it is told to.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

import aiohttp
import pytest
import trustme
from aiohttp import web

from asyncexport.adapters.connecting import Patience
from asyncexport.adapters.http import LARGEST_ANSWER, AiohttpTransport
from asyncexport.errors import (
    AsyncexportError,
    ConfigError,
    ConnectError,
    ConnectionLost,
    ProtocolError,
    Stalled,
    TlsError,
    UrlRefused,
)
from asyncexport.models import SignedUrl
from asyncexport.ports import Request, Response, Transport

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


@pytest.fixture
async def transport() -> AsyncIterator[AiohttpTransport]:
    """A transport with sessions of its own."""
    async with AiohttpTransport() as made:
        yield made


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


# what goes out


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


# what each fault becomes


CUTS = {
    "before the answer": b"",
    "in the status line": b"HTTP/1.1 20",
    "in the headers": b"HTTP/1.1 200 OK\r\nContent-Le",
    "in a body with a length": answered(b"abc", length=10),
    "in a chunked body": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
}


@pytest.mark.parametrize("ending", [closing_after, resetting_after])
@pytest.mark.parametrize("sent", CUTS.values(), ids=CUTS)
async def test_a_connection_that_is_cut(
    transport: AiohttpTransport, ending: Callable[..., Respond], sent: bytes
) -> None:
    """A connection that ends before the answer is whole was lost, wherever it ended and however."""
    async with wire(ending(sent)) as server:
        call = await failed(transport.send(Request("POST", f"{server.url}/x", SECRET_HEADERS, CANARY.encode())))
        download = await failed(fetched(transport, f"{server.url}/k?{QUERY}"))

    assert type(call) is type(download) is ConnectionLost
    assert str(call).startswith(f"{server.url}: ")
    assert str(download).startswith(f"{server.url}/k?<redacted>: ")


async def test_what_came_before_the_cut(transport: AiohttpTransport) -> None:
    """The bytes before a cut are handed on before it is told."""
    received = b""
    async with wire(closing_after(answered(b"abc", length=10))) as server:
        url = SignedUrl(f"{server.url}/k")
        async with transport.download(url, offset=0, etag=None) as answer, aclosing(answer.chunks()) as chunks:
            with pytest.raises(ConnectionLost):
                async for chunk in chunks:
                    received += chunk

    assert received == b"abc"


@pytest.mark.parametrize(
    "sent",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_an_answer_that_is_no_http(transport: AiohttpTransport, sent: bytes) -> None:
    """What cannot be read as HTTP is a connection that did not do its job."""
    async with wire(closing_after(sent)) as server:
        call = await failed(transport.send(Request("GET", server.url, SECRET_HEADERS)))
        download = await failed(fetched(transport, f"{server.url}/k?{QUERY}"))

    assert isinstance(call, ConnectError)
    assert isinstance(download, ConnectError)


async def test_a_host_that_refuses(transport: AiohttpTransport) -> None:
    """Where nobody listens there is no connection, and the reason is said."""
    async with wire() as server:
        url = server.url

    call = await failed(transport.send(Request("GET", f"{url}/x?t={CANARY}", SECRET_HEADERS)))
    download = await failed(fetched(transport, f"{url}/k?{QUERY}"))

    assert type(call) is type(download) is ConnectError
    assert str(call).startswith(f"{url}: cannot connect")


async def test_a_host_that_does_not_exist(transport: AiohttpTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name without an address is no connection either."""

    async def getaddrinfo(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    error = await failed(transport.send(Request("GET", "http://no-such-host.invalid/x", SECRET_HEADERS)))

    assert type(error) is ConnectError
    assert str(error).startswith("http://no-such-host.invalid: cannot connect")


async def test_a_body_that_stalls() -> None:
    """A connection that stays open and brings nothing is given up after its patience, with what it brought."""

    async def respond(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await then_close(writer, answered(b"abc", length=10))
        await asyncio.Event().wait()

    patience = Patience(silence=0.05)
    async with AiohttpTransport(patience=patience) as transport, wire(respond) as server:
        error = await failed(fetched(transport, f"{server.url}/k?{QUERY}"))

    assert type(error) is Stalled
    assert str(error).startswith(f"{server.url}/k?<redacted>: no byte for ")


async def test_a_host_that_does_not_answer() -> None:
    """A call that is not answered in time was lost: the server may have acted on it."""

    async def respond(*_: object) -> None:
        await asyncio.Event().wait()

    patience = Patience(head=0.05)
    async with AiohttpTransport(patience=patience) as transport, wire(respond) as server:
        call = await failed(transport.send(Request("GET", server.url, SECRET_HEADERS)))
        download = await failed(fetched(transport, f"{server.url}/k?{QUERY}"))

    assert type(call) is type(download) is ConnectionLost
    assert isinstance(call, ConnectionLost)
    assert call.sent


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("ftp://127.0.0.1/x", UrlRefused),
        ("http:///x", UrlRefused),
        ("http://127.0.0.1:99999/", ConfigError),
        (f"http://user:{CANARY}@127.0.0.1/x", ConfigError),
    ],
)
async def test_a_url_that_leads_nowhere(transport: AiohttpTransport, url: str, kind: type[AsyncexportError]) -> None:
    """A URL that cannot be connected to is told as that, not as a lost connection."""
    error = await failed(transport.send(Request("GET", url, SECRET_HEADERS)))

    assert type(error) is kind


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\x00b"])
async def test_a_header_with_a_line_break(transport: AiohttpTransport, value: str) -> None:
    """A value that would end its header is never sent: the error says what to look for."""
    async with wire() as server:
        headers = {**SECRET_HEADERS, "Amazon-Advertising-API-Scope": value}
        error = await failed(transport.send(Request("GET", server.url, headers)))

    assert isinstance(error, ConfigError)
    assert "line break" in str(error)
    assert server.heads == []


# TLS


def server_tls(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


@pytest.mark.filterwarnings("default::ResourceWarning")
async def test_a_certificate_of_nobody_we_know(transport: AiohttpTransport) -> None:
    """A host whose certificate nobody vouches for gets nothing, and is not asked again."""
    async with wire(tls=server_tls(trustme.CA(), "127.0.0.1")) as server:
        call = await failed(transport.send(Request("GET", server.url, SECRET_HEADERS)))
        download = await failed(fetched(transport, f"{server.url}/k?{QUERY}"))

    assert type(call) is type(download) is TlsError
    assert server.heads == []


@pytest.mark.parametrize("said", [b"", OK])
async def test_a_host_that_breaks_a_handshake(transport: AiohttpTransport, said: bytes) -> None:
    """A handshake that is cut, or answered in plain text, is no connection; it may be tried again."""

    class NoTls(Wire):
        async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            await then_close(writer, said)
            writer.close()

    async with wire(made=NoTls(b"")) as server:
        url = server.url.replace("http:", "https:")
        error = await failed(transport.send(Request("GET", f"{url}/x", SECRET_HEADERS)))

    assert isinstance(error, ConnectError)
    assert not isinstance(error, TlsError)


# whose session it is


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
        with pytest.raises(RuntimeError, match="Session is closed"):
            await transport.send(Request("GET", f"{server.url}/x", {}))


async def test_a_transport_that_was_not_entered() -> None:
    """Outside its block a transport has no sessions, and says so."""
    transport = AiohttpTransport()

    with pytest.raises(RuntimeError, match="used outside its 'async with' block"):
        await transport.send(Request("GET", "http://127.0.0.1:1/", {}))
    with pytest.raises(RuntimeError, match="used outside its 'async with' block"):
        transport.download(SignedUrl("http://127.0.0.1:1/"), offset=0, etag=None)
