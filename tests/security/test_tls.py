"""Whose word is taken: TLS 1.2 or later, a certificate that is good today, for this name, by somebody we trust."""

from __future__ import annotations

import asyncio
import inspect
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
import trustme

from asyncexport import Exporter, Secret
from asyncexport.adapters.clock import SystemClock
from asyncexport.adapters.connecting import tls
from asyncexport.adapters.http import AiohttpTransport
from asyncexport.engine.runners import Pool, Workers, starting
from asyncexport.engine.transfers.border import GuardedSink
from asyncexport.errors import AsyncexportError, ConfigError, ConnectError, NotAnExport, TlsError
from asyncexport.events import CallRetried, Event
from asyncexport.models import Receipt, SignedUrl, TransferOrder
from asyncexport.ports import Request, Sink
from asyncexport.sinks import Null
from tests.engine.pulling import BRISK
from tests.engine.support import ACCOUNT, order
from tests.security.support import CANARY, allowing, everything_said, spying

Use = Callable[[AiohttpTransport, int], Awaitable[int]]

PAGE = b'HTTP/1.1 200 OK\r\nContent-Length: 6\r\nETag: "e"\r\n\r\n<html>'
OURS = trustme.CA()
FOREIGN = trustme.CA()


def serving(certificate: trustme.LeafCert) -> ssl.SSLContext:
    """Return what a server with this certificate uses."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def good() -> ssl.SSLContext:
    return serving(OURS.issue_cert("localhost"))


def expired() -> ssl.SSLContext:
    return serving(OURS.issue_cert("localhost", not_after=datetime(2020, 1, 1, tzinfo=UTC)))


def not_yet() -> ssl.SSLContext:
    return serving(OURS.issue_cert("localhost", not_before=datetime(2037, 1, 1, tzinfo=UTC)))


def wrong_name() -> ssl.SSLContext:
    return serving(OURS.issue_cert("localhost.example", "api.amazon.com"))


def name_in_the_subject_only() -> ssl.SSLContext:
    return serving(OURS.issue_cert("other.example", common_name="localhost"))


def unknown_authority() -> ssl.SSLContext:
    return serving(FOREIGN.issue_cert("localhost"))


def self_signed() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with FOREIGN.cert_pem.tempfile() as certificate, FOREIGN.private_key_pem.tempfile() as key:
        context.load_cert_chain(certificate, key)
    return context


def tls_1_1() -> ssl.SSLContext:
    context = good()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


IMPOSTORS: dict[str, tuple[Callable[[], ssl.SSLContext], type[ConnectError]]] = {
    "expired": (expired, TlsError),
    "not valid yet": (not_yet, TlsError),
    "another name": (wrong_name, TlsError),
    "the name in the subject only": (name_in_the_subject_only, TlsError),
    "an unknown authority": (unknown_authority, TlsError),
    "signed by itself": (self_signed, TlsError),
    "TLS 1.1": (tls_1_1, ConnectError),
}
OLD_TLS = pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")


@pytest.fixture(scope="module")
def ca_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with our authority."""
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    OURS.cert_pem.write_to_path(str(path))
    return path


async def call(transport: AiohttpTransport, port: int) -> int:
    """Make an API call with a secret in it."""
    answer = await transport.send(Request("GET", f"https://localhost:{port}/", {"Authorization": f"Bearer {CANARY}"}))
    return answer.status


async def fetch(transport: AiohttpTransport, port: int) -> int:
    """Open a signed URL."""
    url = SignedUrl(f"https://localhost:{port}/k?X-Amz-Signature={CANARY}")
    async with transport.download(url, offset=0, etag=None) as download:
        return download.status


@pytest.mark.parametrize("use", [call, fetch])
async def test_a_good_certificate(use: Use, ca_file: Path) -> None:
    """With the authority in ``ca_file`` both the API and the object store are talked to."""
    async with spying(tls=good()) as spy, AiohttpTransport(ca_file=ca_file) as transport:
        assert await use(transport, spy.port) == 200
        assert CANARY.encode() in spy.heard


@OLD_TLS
@pytest.mark.parametrize("use", [call, fetch])
@pytest.mark.parametrize(("impostor", "expected"), IMPOSTORS.values(), ids=IMPOSTORS)
async def test_an_impostor(
    impostor: Callable[[], ssl.SSLContext],
    expected: type[ConnectError],
    use: Use,
    ca_file: Path,
) -> None:
    """Who cannot prove who they are hears not one byte, and the error tells no secret either."""
    async with spying(tls=impostor()) as spy, AiohttpTransport(ca_file=ca_file) as transport:
        with pytest.raises(AsyncexportError) as caught:
            await use(transport, spy.port)
        assert spy.heard == b""
    assert type(caught.value) is expected
    assert CANARY not in everything_said(caught.value)


@OLD_TLS
async def test_a_server_of_tls_1_1_would_be_heard_by_the_careless(ca_file: Path) -> None:
    """What refuses it is our context, not the machine: a client that allows TLS 1.1 does talk to that server."""
    lax = ssl.create_default_context(cafile=str(ca_file))
    lax.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    lax.set_ciphers("ALL:@SECLEVEL=0")
    async with spying(tls=tls_1_1()) as spy:
        _, writer = await asyncio.open_connection("127.0.0.1", spy.port, ssl=lax, server_hostname="localhost")
        assert writer.get_extra_info("ssl_object").version() == "TLSv1.1"
        writer.close()


async def test_a_bad_certificate_is_met_once(ca_file: Path) -> None:
    """Trying again would ask the same impostor: one request, one refusal of the whole account."""
    events: list[Event] = []
    async with spying(tls=expired()) as spy:
        account = allowing(ACCOUNT, token_url=f"https://localhost:{spy.port}/auth", client_secret=Secret(CANARY))
        async with Exporter([account], ca_file=ca_file, backoff=BRISK, listener=events.append) as exporter:
            found = await exporter.discover()
            assert exporter.summary.requests == 1
    assert not [each for each in events if isinstance(each, CallRetried)]
    assert [type(each.error) for each in found.refused] == [TlsError]
    assert CANARY not in everything_said(found.refused[0].error)


def test_the_context() -> None:
    """Certificates and names are verified, and TLS begins at 1.2."""
    context = tls()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_a_system_without_authorities(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has none, nobody is trusted; that is no reason to trust anybody."""
    nowhere = ssl.DefaultVerifyPaths("", "", "SSL_CERT_FILE", "/nowhere.pem", "SSL_CERT_DIR", "/nowhere")
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: nowhere)
    context = tls()
    assert context.get_ca_certs() == []
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_verification_has_no_switch() -> None:
    """There is no parameter by which it could be turned off: a further authority is all that can be said."""
    for takes in (Exporter, AiohttpTransport, tls):
        names = " ".join(inspect.signature(takes).parameters).lower()
        for word in ("verify", "ssl", "insecure", "context", "check"):
            assert word not in names


async def test_what_the_environment_says_about_certificates(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ca_file: Path
) -> None:
    """``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` win nobody's trust, and ``SSLKEYLOGFILE`` gets no keys."""
    keys = tmp_path / "keys.log"
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    monkeypatch.setenv("SSL_CERT_DIR", str(ca_file.parent))
    monkeypatch.setenv("SSLKEYLOGFILE", str(keys))
    assert ssl.create_default_context().keylog_filename == str(keys), "this Python would have logged"
    async with spying(tls=good()) as spy:
        async with AiohttpTransport() as transport:
            with pytest.raises(TlsError):
                await call(transport, spy.port)
        async with AiohttpTransport(ca_file=ca_file) as transport:
            assert await call(transport, spy.port) == 200
    assert [line for line in keys.read_text().splitlines() if not line.startswith("#")] == []
    assert tls().keylog_filename is None


@pytest.mark.parametrize(("content", "why"), [(None, "No such file"), ("no certificate", "no certificates in PEM")])
async def test_an_authority_that_cannot_be_read(content: str | None, why: str, tmp_path: Path) -> None:
    """The refusal names the file and the cause, before anybody is connected to."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=f"ca.pem: {why}"):
        await AiohttpTransport(ca_file=path).__aenter__()


@pytest.mark.parametrize(("is_told", "expected"), [(True, NotAnExport), (False, TlsError)], ids=["ca_file", "none"])
async def test_a_worker_process_trusts_whom_its_exporter_trusts(
    is_told: bool, expected: type[AsyncexportError], ca_file: Path
) -> None:
    """It is told of ``ca_file``; without one a signed URL does not reach a server that only our authority knows."""

    async def never(_: TransferOrder) -> SignedUrl:
        raise AssertionError("nobody wanted a URL")

    class Nowhere:
        async def run(self, order: TransferOrder, sink: Sink) -> Receipt:
            raise AssertionError(f"{order} was to go into {sink} elsewhere")

    start = starting(ca_file=ca_file if is_told else None, backoff=BRISK, sink_timeout=60.0)
    pool = Pool(1, start)
    guard = partial(GuardedSink, clock=SystemClock(), seconds=60.0, listener=lambda _: None)
    workers = Workers(pool, Nowhere(), guard=guard, listener=lambda _: None, renew=never, store_is_busy=lambda: None)
    async with spying(PAGE, tls=good()) as spy:
        url = f"https://localhost:{spy.port}/k?X-Amz-Signature={CANARY}"
        try:
            with pytest.raises(expected) as caught:
                await workers.run(order(url, file_size=None), Null())
        finally:
            await pool.aclose()
        assert (CANARY.encode() in spy.heard) == is_told
    assert CANARY not in everything_said(caught.value)
