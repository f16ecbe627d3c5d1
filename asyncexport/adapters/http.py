"""HTTP by aiohttp: the only module of the library that imports it.

Two sessions over one connector. The API session sends exactly the headers it is given. The store session knows no
default header, no cookie and no credential, because a signed URL carries its own; the URL goes out byte for byte
(``encoded=True``). Neither follows redirects, reads ``.netrc`` or proxy variables, or decodes bodies. aiohttp's total
timeout, which would kill long downloads, is off; connecting and each read have their own.

aiohttp's exceptions carry headers and URLs, so none gets out: each is translated into one of our own, raised outside
the ``except`` block so that not even ``__context__`` leads back.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import cache
from types import TracebackType

import aiohttp
from yarl import URL

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

LARGEST_ANSWER = 1 << 20
"""Bytes of a small JSON answer; the rest is not read."""

_CONNECT_SECONDS = 15.0
_ANSWER_SECONDS = 60.0
_CALL_SECONDS = 120.0
_SILENCE_SECONDS = 30.0
_CHUNK = 64 * 1024

_API_TIMEOUT = aiohttp.ClientTimeout(total=_CALL_SECONDS, sock_connect=_CONNECT_SECONDS, sock_read=_ANSWER_SECONDS)
_STORE_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=_SILENCE_SECONDS)
_FOREIGN = (aiohttp.ClientError, TimeoutError, OSError, ValueError)


class AiohttpTransport:
    """A :class:`asyncexport.ports.Transport`. An async context manager that owns its sessions.

    With a caller's ``session``, API calls go through it as it is (its connector, proxies and traces), downloads through
    its connector only: its default headers must not reach the object store. It is not closed.
    """

    def __init__(self, session: aiohttp.ClientSession | None = None, *, connections: int = 100) -> None:
        self._given = session
        self._connections = connections
        self._resources = AsyncExitStack()
        self._api: aiohttp.ClientSession | None = None
        self._store: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> AiohttpTransport:
        if self._given is not None and self._given.closed:
            raise ConfigError("the session that was given is closed: keep it open for as long as it is used here")
        connector = self._given.connector if self._given else None
        if connector is None:
            connector = aiohttp.TCPConnector(limit=self._connections, limit_per_host=0, ttl_dns_cache=60, ssl=_tls())
            self._resources.push_async_callback(connector.close)
        self._api = self._given or await self._resources.enter_async_context(_session(connector, _API_TIMEOUT))
        self._store = await self._resources.enter_async_context(_session(connector, _STORE_TIMEOUT))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._resources.aclose()

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
        return _Opening(_entered(self._store), url, headers)

    async def _exchange(self, request: Request) -> Response:
        async with _entered(self._api).request(
            request.method,
            URL(request.url, encoded=True),
            headers={**request.headers, "Accept-Encoding": "identity"},
            data=request.body or None,
            skip_auto_headers=("Content-Type", "Accept"),
            allow_redirects=False,
            raise_for_status=False,
            timeout=_API_TIMEOUT,
        ) as answer:
            body = await answer.content.read(LARGEST_ANSWER + 1)
            while not answer.content.at_eof() and len(body) <= LARGEST_ANSWER:
                body += await answer.content.read(LARGEST_ANSWER + 1 - len(body))
            if len(body) > LARGEST_ANSWER:
                raise ProtocolError(f"{_origin(request.url)}: the answer is larger than 1 MiB", status=answer.status)
            return Response(answer.status, _headers(answer), body)


class _Opening:
    """``async with``: the head of the answer is there on entry, the connection is given back or cut on exit."""

    def __init__(self, session: aiohttp.ClientSession, url: SignedUrl, headers: Mapping[str, str]) -> None:
        self._session = session
        self._url = url
        self._headers = headers
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
            return _AiohttpDownload(self._answer, str(self._url))
        raise failure

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._answer is not None:
            self._answer.close()


class _AiohttpDownload:
    def __init__(self, answer: aiohttp.ClientResponse, where: str) -> None:
        self._answer = answer
        self._where = where
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
        try:
            return await self._answer.content.read(_CHUNK)
        except aiohttp.SocketTimeoutError:
            failure = Stalled(f"{self._where}: no byte for {_SILENCE_SECONDS:.0f} s")
        except _FOREIGN as error:
            failure = _translated(error, self._where)
        raise failure


@cache
def _tls() -> ssl.SSLContext:
    """Verify certificates and names, speak TLS 1.2 or later, and keep no log of session keys (``SSLKEYLOGFILE``)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_default_certs()
    return context


def _session(connector: aiohttp.BaseConnector, timeout: aiohttp.ClientTimeout) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        connector_owner=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        timeout=timeout,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
        read_bufsize=_CHUNK,
    )


def _entered(session: aiohttp.ClientSession | None) -> aiohttp.ClientSession:
    if session is None:
        raise RuntimeError("the transport is used outside its 'async with' block")
    return session


def _headers(answer: aiohttp.ClientResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}


def _origin(url: str) -> str:
    try:
        return str(URL(url, encoded=True).origin())
    except ValueError:
        return "a URL without a host"


_MEANINGS: tuple[tuple[tuple[type[Exception], ...], type[AsyncexportError], str], ...] = (
    ((ssl.SSLCertVerificationError,), TlsError, "the host's certificate is not to be trusted"),
    ((aiohttp.ClientSSLError,), ConnectError, "the TLS handshake failed"),
    ((aiohttp.ConnectionTimeoutError,), ConnectError, f"no connection within {_CONNECT_SECONDS:.0f} s"),
    ((aiohttp.ClientConnectorError,), ConnectError, "cannot connect"),
    ((TimeoutError,), ConnectionLost, "no answer in time"),
    ((aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError), UrlRefused, "not a URL that can be connected to"),
    ((ValueError,), ConfigError, "ids, credentials or the URL hold what HTTP cannot carry, a line break perhaps"),
    ((aiohttp.ClientResponseError,), ConnectionLost, "the answer is not readable HTTP"),
    ((Exception,), ConnectionLost, "the connection was lost before the answer was whole"),
)


def _translated(error: Exception, where: str) -> AsyncexportError:
    """Say in our own words what ``error`` means; its own text is not used, since it may hold secrets."""
    kind, meaning = next((kind, text) for types, kind, text in _MEANINGS if isinstance(error, types))
    reason = f": {error.strerror}" if isinstance(error, OSError) and error.strerror else ""
    return kind(f"{where}: {meaning}{reason}")
