"""Who is connected to, and what they get to see: public addresses only, and no word more than the signed URL."""

from __future__ import annotations

import socket

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from asyncexport import Exporter, Failed
from asyncexport.adapters.connecting import PublicResolver
from asyncexport.adapters.http import AiohttpTransport
from asyncexport.emulator.server import EmulatorServer
from asyncexport.emulator.weather import Weather
from asyncexport.errors import ConnectError, UrlRefused
from asyncexport.models import SignedUrl
from asyncexport.sansio.transfers.urls import is_loopback_address, is_public_address
from asyncexport.sinks import Memory
from tests.engine.pulling import BRISK, QUICK, planned, pulled
from tests.security.support import allowing, leaked, spying

PUBLIC = ["52.217.1.1", "8.8.8.8", "2600:1fa0::1", "::ffff:52.217.1.1", "64:ff9b::34d9:101", "2002:34d9:101::1"]
PRIVATE = {
    "loopback": "127.0.0.1",
    "loopback's other end": "127.255.255.254",
    "this host": "0.0.0.0",  # noqa: S104  nothing is bound to it
    "this network": "0.1.2.3",
    "private 10": "10.0.0.1",
    "private 172": "172.16.0.1",
    "private 192": "192.168.1.1",
    "metadata": "169.254.169.254",
    "carrier's own": "100.64.0.1",
    "metadata of another cloud": "100.100.100.200",
    "multicast": "224.0.0.1",
    "broadcast": "255.255.255.255",
    "reserved": "240.0.0.1",
    "documentation": "203.0.113.7",
    "benchmarks": "198.18.0.1",
    "IPv6 loopback": "::1",
    "IPv6 nothing": "::",
    "IPv6 unique local": "fd00:ec2::254",
    "IPv6 link-local": "fe80::1",
    "IPv6 link-local with a zone": "fe80::1%eth0",
    "IPv6 site-local": "fec0::1",
    "IPv6 multicast": "ff02::1",
    "IPv6 documentation": "2001:db8::1",
    "IPv4-mapped loopback": "::ffff:127.0.0.1",
    "IPv4-mapped metadata": "::ffff:a9fe:a9fe",
    "IPv4-translated loopback": "::ffff:0:7f00:1",
    "IPv4-compatible loopback": "::127.0.0.1",
    "6to4 of loopback": "2002:7f00:1::",
    "NAT64 of loopback": "64:ff9b::7f00:1",
    "NAT64 of metadata": "64:ff9b::169.254.169.254",
    "local NAT64": "64:ff9b:1::808:808",
    "Teredo": "2001::1",
    "no address": "bucket.s3.amazonaws.com",
    "nothing": "",
}


class Names(AbstractResolver):
    """A name server that says what it is told to, one answer after the other; the last one stays."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [ResolveResult(hostname=host, host=at, port=port, family=family, proto=0, flags=0) for at in answer]

    async def close(self) -> None:
        self.asked.append("closed")


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address(address: str) -> None:
    """What lies in the public internet is connected to."""
    assert is_public_address(address)
    assert not is_loopback_address(address)


@pytest.mark.parametrize("address", PRIVATE.values(), ids=PRIVATE)
def test_an_address_that_is_not_public(address: str) -> None:
    """Nothing that leads to this machine, its networks or nowhere is connected to, in whatever form it comes."""
    assert not is_public_address(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_a_name_that_leads_into_the_network(address: str) -> None:
    """The name is fine, the address is not: refused with the reason, and nobody is connected to."""
    async with spying() as spy, AiohttpTransport(resolver=Names([address])) as transport:
        url = SignedUrl(f"https://b.s3.amazonaws.com:{spy.port}/k?X-Amz-Signature=canary")
        with pytest.raises(UrlRefused, match=f"b.s3.amazonaws.com leads to {address}") as caught:
            async with transport.download(url, offset=0, etag=None):
                raise AssertionError("it was opened")
        assert spy.connects == 0
    assert "canary" not in str(caught.value)


async def test_one_private_address_among_public_ones() -> None:
    """A name that leads to both is refused as a whole: which of them is taken would be chance."""
    with pytest.raises(UrlRefused, match=r"10\.0\.0\.1"):
        await PublicResolver(Names(["52.217.1.1", "10.0.0.1"])).resolve("b.s3.amazonaws.com", 443)


async def test_a_name_that_changes_its_mind() -> None:
    """Each answer of the name server is judged, not only the first one (rebinding)."""
    resolver = PublicResolver(Names(["52.217.1.1"], ["127.0.0.1"]))
    assert [each["host"] for each in await resolver.resolve("b.s3.amazonaws.com", 443)] == ["52.217.1.1"]
    with pytest.raises(UrlRefused):
        await resolver.resolve("b.s3.amazonaws.com", 443)


async def test_a_resolver_that_is_closed() -> None:
    """Closing it closes the one that does the work."""
    names = Names([])
    await PublicResolver(names).close()
    assert names.asked == ["closed"]


async def test_the_name_localhost() -> None:
    """It is admitted where the API itself is there, and then it may mean nothing but this machine."""
    async with spying() as spy:
        for answer, expected in ((["127.0.0.1"], ""), (["10.0.0.1"], "10.0.0.1")):
            async with AiohttpTransport(resolver=Names(answer)) as transport:
                refused = ""
                try:
                    async with transport.download(
                        SignedUrl(f"http://localhost:{spy.port}/k"), offset=0, etag=None
                    ) as answering:
                        assert answering.status == 200
                except UrlRefused as error:
                    refused = str(error)
                assert expected in refused
        assert spy.connects == 1


@pytest.mark.emulator(
    profiles=1, accounts=1, weather="poll: evil-url-https://inside.s3.amazonaws.com/k?X-Amz-Signature=canary"
)
async def test_a_run_whose_url_leads_into_the_network(emulator: EmulatorServer) -> None:
    """The export ends with that error, once, without a retry; the other exports go on."""
    names = Names(["169.254.169.254"])
    wider = allowing(emulator.accounts()[0], ".amazonaws.com")
    async with (
        AiohttpTransport(resolver=names) as transport,
        Exporter([wider], transport=transport, schedule=QUICK, backoff=BRISK) as exporter,
    ):
        outcomes = await pulled(exporter, await planned(exporter), Memory())
    failed = [each.error for each in outcomes if isinstance(each, Failed)]
    assert [type(error) for error in failed] == [UrlRefused]
    assert len(outcomes) == 4
    assert names.asked == ["inside.s3.amazonaws.com"]
    assert "canary" not in str(failed[0])


@pytest.mark.emulator(profiles=1, accounts=1)
async def test_what_the_object_store_gets_to_see(emulator: EmulatorServer) -> None:
    """The request line and a Host: no token, no client id, no cookie, no default header, whoever's session it is."""
    jar = {"session": "canary-cookie"}
    defaults = {"Authorization": "Bearer canary-default", "X-Own": "canary-header", "User-Agent": "canary-agent"}
    async with spying() as spy:
        for given in (False, True):
            emulator.state.weather = Weather.parse(f"poll times=9: evil-url-http://127.0.0.1:{spy.port}/k?sig=1")
            async with (
                aiohttp.ClientSession(headers=defaults, cookies=jar) as own,
                Exporter(
                    emulator.accounts(), session=own if given else None, schedule=QUICK, backoff=BRISK
                ) as exporter,
            ):
                jobs = await planned(exporter)
                outcomes = await pulled(exporter, jobs[:1], Memory())
            assert isinstance(outcomes[0], Failed)
        said = spy.heard.decode()
    assert set(said.split("\r\n")) == {"GET /k?sig=1 HTTP/1.1", f"Host: 127.0.0.1:{spy.port}", ""}
    assert leaked(said, emulator) == []


async def test_a_host_that_is_not_there() -> None:
    """A refused connection is an error that passes, told with the host and without the query."""
    async with spying() as spy:
        port = spy.port
    async with AiohttpTransport() as transport:
        with pytest.raises(ConnectError) as caught:
            async with transport.download(SignedUrl(f"http://127.0.0.1:{port}/k?canary"), offset=0, etag=None):
                raise AssertionError("it was opened")
    assert "canary" not in str(caught.value)
