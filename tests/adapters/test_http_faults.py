"""HTTP by aiohttp, against servers on loopback: what each fault becomes, and that no error tells a secret."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

import pytest
import trustme

from asyncexport.adapters.connecting import Patience
from asyncexport.adapters.http import AiohttpTransport
from asyncexport.errors import (
    AsyncexportError,
    ConfigError,
    ConnectError,
    ConnectionLost,
    Stalled,
    TlsError,
    UrlRefused,
)
from asyncexport.models import SignedUrl
from asyncexport.ports import Request
from tests.adapters.other_end import (
    CANARY,
    OK,
    QUERY,
    SECRET_HEADERS,
    Respond,
    Wire,
    answered,
    closing_after,
    failed,
    fetched,
    resetting_after,
    then_close,
    wire,
)


@pytest.fixture
async def transport() -> AsyncIterator[AiohttpTransport]:
    """A transport with sessions of its own."""
    async with AiohttpTransport() as made:
        yield made


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
