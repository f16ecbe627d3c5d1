"""Ids that come from elsewhere cannot smuggle a header, a line or a path into a request."""

from __future__ import annotations

import re
from contextlib import suppress
from urllib.parse import unquote

import pytest

from asyncexport import Account, Exporter, Failed, Job, Profile, Region, Secret
from asyncexport.adapters.http import AiohttpTransport
from asyncexport.emulator.server import EmulatorServer
from asyncexport.emulator.weather import Weather
from asyncexport.errors import ConfigError, ProtocolError
from asyncexport.models import Entity, Exported
from asyncexport.sansio.wire import status_request
from asyncexport.sinks import Memory
from tests.engine.pulling import BRISK, QUICK, planned, pulled
from tests.engine.support import ACCOUNT, JOB
from tests.security.support import CANARY, allowing, spying

UNUSABLE = ["a%0D%0AX-Evil:%201", "a%0Ab", "a%00b", "..", "...", "a%2F..%2Fb", "%2Fetc%2Fpasswd", "a%5Cb", "%1b%5B2J"]
ODD = ["a%3Fb=c", "a%23b", "a%2525b", "%252e%252e%252f", "%250d%250aX-Evil:%25201", "a%3Bb&c", "a@b:80", "é"]


@pytest.mark.emulator(profiles=1, accounts=1)
@pytest.mark.parametrize("export_id", UNUSABLE)
async def test_an_export_id_that_is_not_used(export_id: str, emulator: EmulatorServer) -> None:
    """Line breaks, NULs, slashes and climbing dots: the answer is refused and nothing is asked under that id."""
    emulator.state.weather = Weather.parse(f"request times=99: id-{export_id}")
    async with Exporter(emulator.accounts(), schedule=QUICK, backoff=BRISK) as exporter:
        outcomes = await pulled(exporter, await planned(exporter, [Entity.CAMPAIGNS]), Memory())
    assert [type(each.error) for each in outcomes if isinstance(each, Failed)] == [ProtocolError]
    assert emulator.state.counters.requests["exports"] == 0


@pytest.mark.parametrize("export_id", ODD)
async def test_an_odd_export_id_on_the_wire(export_id: str) -> None:
    """What is odd and usable stays one piece of the path, encoded: no query, no header, no other path."""
    async with spying() as spy, AiohttpTransport() as transport:
        account = allowing(ACCOUNT, api_url=spy.url)
        await transport.send(status_request(account, "client", Secret(CANARY), JOB, unquote(export_id)))
        line, *headers = spy.heard.decode().split("\r\n")
    found = re.fullmatch(r"GET /exports/([A-Za-z0-9._~%-]+) HTTP/1\.1", line)
    assert found, line
    assert unquote(found[1]) == unquote(export_id)
    assert not [header for header in headers if header.lower().startswith("x-evil")]


@pytest.mark.emulator(profiles=1, accounts=1)
@pytest.mark.parametrize("profile_id", ["1\r\nX-Evil: 1", "1\nX-Evil: 1", "1\x00", "1\r\n\r\nGET /evil HTTP/1.1"])
async def test_a_profile_id_of_a_hand_made_job(profile_id: str, emulator: EmulatorServer) -> None:
    """It would go into a header: that job fails as a mistake of whoever made it, and nothing of it is sent."""
    account = emulator.accounts()[0]
    job = Job(Profile(account.name, Region(account.region), profile_id), Entity.CAMPAIGNS)
    async with Exporter([account], schedule=QUICK, backoff=BRISK) as exporter:
        outcomes = await pulled(exporter, [job], Memory())
        good = await pulled(exporter, await planned(exporter, [Entity.ADS]), Memory())
    assert [type(each.error) for each in outcomes if isinstance(each, Failed)] == [ConfigError]
    assert all(isinstance(each, Exported) for each in good)
    assert emulator.state.counters.requests["campaigns"] == 0


@pytest.mark.parametrize("name", ["client_id", "client_secret", "refresh_token"])
@pytest.mark.parametrize("tail", ["\r\nX-Evil: 1", "\nX-Evil: 1", "\x00", "&grant_type=evil", "%0d%0aX-Evil: 1"])
async def test_a_credential_with_a_tail(name: str, tail: str) -> None:
    """It is refused, or goes out encoded as a part of itself: no further header and no further field of the form."""
    async with spying() as spy:
        given = dict.fromkeys(("client_id", "client_secret", "refresh_token"), "x") | {name: f"{CANARY}{tail}"}
        account = Account("acme", region="NA", token_url=f"{spy.url}/token", api_url=spy.url, **given)  # type: ignore[arg-type]
        with suppress(ConfigError):
            async with Exporter([account], backoff=BRISK) as exporter:
                await exporter.discover()
        heard = spy.heard
    assert b"\nX-Evil" not in heard
    assert b"&grant_type=evil" not in heard
