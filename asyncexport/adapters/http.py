"""HTTP by aiohttp: with :mod:`asyncexport.adapters.connecting` the only module of the library that imports it.

Two sessions. The API session sends exactly the headers it is given. The store session knows no default header, no
cookie and no credential, because a signed URL carries its own; the URL goes out byte for byte (``encoded=True``), and
only to public addresses (:mod:`asyncexport.adapters.connecting`). Neither follows redirects, reads ``.netrc`` or proxy
variables, or decodes bodies. aiohttp's total timeout, which would kill long downloads, is off; connecting, the head of
an answer and each piece of a body have their own, so that endless headers, interim answers (1xx) or chunk extensions
end as well. How many connections there are is bounded by those who call: whoever has a permit to call now must not wait
here, behind others, until it is no longer good.

aiohttp's exceptions carry headers and URLs, so none gets out: each is translated into one of our own, raised outside
the ``except`` block so that not even ``__context__`` leads back.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import TracebackType

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.connector import Connection
from yarl import URL

from asyncexport.adapters.connecting import Patience, PublicResolver, tls
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
from asyncexport.ports import Download, Request, Response
from asyncexport.sansio.scarcity import no_descriptor

LARGEST_HEAD = 64 * 1024
"""Bytes of names and values of an answer's headers."""

_CHUNK = 64 * 1024
_FOREIGN = (aiohttp.ClientError, TimeoutError, OSError, ValueError)


class AiohttpTransport:
    """A :class:`asyncexport.ports.Transport`. An async context manager that owns its sessions.

    With a caller's ``session``, API calls go through it as it is (its connector, proxies and traces), downloads through
    its connector only: its default headers must not reach the object store. It is not closed. Which addresses and
    certificates are good, and how many connections there may be, is then the connector's business, and ``ca_file`` and
    ``resolver`` are not used.

    ``ca_file``: certificate authorities trusted besides the system's. ``resolver`` finds the object store's addresses,
    which are checked whoever finds them.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession | None = None,
        *,
        ca_file: str | os.PathLike[str] | None = None,
        resolver: AbstractResolver | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._given = session
        self._ca_file = ca_file
        self._resolver = resolver
        self._patience = patience or Patience()
        self._call_timeout = aiohttp.ClientTimeout(
            total=self._patience.call, sock_connect=self._patience.connect, sock_read=self._patience.head
        )
        self._resources = AsyncExitStack()
        self._api: aiohttp.ClientSession | None = None
        self._store: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> AiohttpTransport:
        if self._given is not None and self._given.closed:
            raise ConfigError("the session that was given is closed: keep it open for as long as it is used here")
        if self._given is not None and self._given.connector is not None:
            self._api, connector = self._given, self._given.connector
        else:
            trust = tls(self._ca_file)
            self._api = await self._open(self._connector(trust, None))
            connector = self._connector(trust, PublicResolver(self._resolver or self._default_resolver()))
        self._store = await self._open(connector)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._api = self._store = None
        await self._resources.aclose()

    def _connector(self, trust: ssl.SSLContext, resolver: AbstractResolver | None) -> aiohttp.TCPConnector:
        connector = aiohttp.TCPConnector(
            limit=0,
            limit_per_host=0,
            keepalive_timeout=self._patience.idle,
            ttl_dns_cache=60,
            ssl=trust,
            resolver=resolver,
        )
        self._resources.push_async_callback(connector.close)
        return connector

    def _default_resolver(self) -> AbstractResolver:
        resolver = aiohttp.DefaultResolver()
        self._resources.push_async_callback(resolver.close)
        return resolver

    async def _open(self, connector: aiohttp.BaseConnector) -> aiohttp.ClientSession:
        return await self._resources.enter_async_context(_session(connector, self._patience))

    async def send(self, request: Request) -> Response:
        """Send one small call and read its answer whole."""
        failure: AsyncexportError
        try:
            return await self._exchange(request)
        except _FOREIGN as error:
            failure = _translated(error, _origin(request.url))
        raise failure

    def download(self, url: SignedUrl, *, offset: int, etag: str | None) -> AbstractAsyncContextManager[Download]:
        """Open the object, from ``offset`` on and only if it still is ``etag`` where these are given."""
        headers = {}
        if offset:
            headers["Range"] = f"bytes={offset}-"
            if etag is not None:
                headers["If-Match"] = etag
        return _Opening(_entered(self._store), url, headers, self._patience.silence)

    async def _exchange(self, request: Request) -> Response:
        async with _entered(self._api).request(
            request.method,
            URL(request.url, encoded=True),
            headers={**request.headers, "Accept-Encoding": "identity"},
            data=request.body or None,
            skip_auto_headers=("Content-Type", "Accept"),
            allow_redirects=False,
            raise_for_status=False,
            timeout=self._call_timeout,
        ) as answer:
            if _head_size(answer) > LARGEST_HEAD:
                raise _too_much(_origin(request.url), answer.status, "the answer's headers are larger than 64 KiB")
            body = bytearray()
            while not answer.content.at_eof():
                body += await answer.content.read(_CHUNK)
                if len(body) > request.largest:
                    body.clear()  # whoever shows the locals of this frame would show a token in it
                    raise _too_much(
                        _origin(request.url), answer.status, f"the answer is larger than {request.largest >> 20} MiB"
                    )
            return Response(answer.status, _headers(answer), bytes(body))


class _Opening:
    """``async with``: the head of the answer is there on entry, the connection is given back or cut on exit."""

    def __init__(
        self, session: aiohttp.ClientSession, url: SignedUrl, headers: Mapping[str, str], silence: float
    ) -> None:
        self._session = session
        self._url = url
        self._headers = headers
        self._silence = silence
        self._answer: aiohttp.ClientResponse | None = None

    async def __aenter__(self) -> _AiohttpDownload:
        failure: AsyncexportError
        try:
            self._answer = await self._session.get(
                URL(self._url.reveal(), encoded=True), headers=self._headers, allow_redirects=False
            )
        except _FOREIGN as error:
            failure = _translated(error, str(self._url))
        else:
            if _head_size(self._answer) <= LARGEST_HEAD:
                return _AiohttpDownload(self._answer, str(self._url), self._silence)
            self._answer.close()
            failure = _too_much(str(self._url), self._answer.status, "the answer's headers are larger than 64 KiB")
        raise failure

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._answer is not None:
            self._answer.close()


class _AiohttpDownload:
    def __init__(self, answer: aiohttp.ClientResponse, where: str, silence: float) -> None:
        self._answer = answer
        self._where = where
        self._silence = silence
        self.status = answer.status
        self.headers = _headers(answer)

    async def chunks(self) -> AsyncGenerator[bytes]:
        while True:
            chunk = await self._next()
            if not chunk:
                return
            yield chunk

    async def _next(self) -> bytes:
        failure: AsyncexportError
        content = self._answer.content
        try:
            if (chunk := content.read_nowait(_CHUNK)) or content.at_eof():
                return chunk
            async with asyncio.timeout(self._silence):
                return await content.read(_CHUNK)
        except TimeoutError:
            failure = Stalled(f"{self._where}: no byte for {self._silence:.0f} s")
        except _FOREIGN as error:
            failure = _translated(error, self._where)
        raise failure


def _session(connector: aiohttp.BaseConnector, patience: Patience) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        connector_owner=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=patience.connect, sock_read=patience.head),
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
        read_bufsize=_CHUNK,
        response_class=_answering_within(patience.head),
    )


def _answering_within(seconds: float) -> type[aiohttp.ClientResponse]:
    """Return a kind of answer whose head must be whole in time, however busily it is being sent.

    Waiting for a connection does not count: a caller's connector may have few of them. Its repr names no URL.
    """

    class Answer(aiohttp.ClientResponse):
        def __repr__(self) -> str:
            return f"<Answer {self.status}>"

        async def start(self, connection: Connection) -> aiohttp.ClientResponse:
            async with asyncio.timeout(seconds):
                return await super().start(connection)

    return Answer


def _entered(session: aiohttp.ClientSession | None) -> aiohttp.ClientSession:
    if session is None:
        raise RuntimeError("the transport is used outside its 'async with' block")
    if session.closed:
        raise ConfigError("the session was closed while it was in use; close it after the exporter has been left")
    return session


def _headers(answer: aiohttp.ClientResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}


def _head_size(answer: aiohttp.ClientResponse) -> int:
    return sum(len(name) + len(value) for name, value in answer.raw_headers)


def _too_much(where: str, status: int, what: str) -> ProtocolError:
    return ProtocolError(f"{where}: {what}", status=status)


def _origin(url: str) -> str:
    try:
        return str(URL(url, encoded=True).origin())
    except ValueError:
        return "a URL without a host"


_MEANINGS: tuple[tuple[tuple[type[Exception], ...], type[AsyncexportError], str], ...] = (
    ((ssl.SSLCertVerificationError,), TlsError, "the host's certificate is not to be trusted"),
    ((aiohttp.ClientSSLError,), ConnectError, "the TLS handshake failed"),
    ((aiohttp.ConnectionTimeoutError,), ConnectError, "no connection in time"),
    ((aiohttp.ClientConnectorError,), ConnectError, "cannot connect"),
    ((TimeoutError,), ConnectionLost, "no answer in time"),
    ((aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError), UrlRefused, "not a URL that can be connected to"),
    ((ValueError,), ConfigError, "ids, credentials or the URL hold what HTTP cannot carry, a line break perhaps"),
    ((aiohttp.ClientResponseError,), ConnectionLost, "the answer is not readable HTTP"),
    ((Exception,), ConnectionLost, "the connection was lost before the answer was whole"),
)


def _translated(error: Exception, where: str) -> AsyncexportError:
    """Say in our own words what ``error`` means; its own text is not used, since it may hold secrets."""
    if (scarcity := no_descriptor(error, f"{where}: no connection")) is not None:
        return scarcity
    kind, meaning = next((kind, text) for types, kind, text in _MEANINGS if isinstance(error, types))
    reason = f": {error.strerror}" if isinstance(error, OSError) and error.strerror else ""
    return kind(f"{where}: {meaning}{reason}")
