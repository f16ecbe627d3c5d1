"""The emulator on its two listeners."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from asyncexport.accounts import Account, Secret
from asyncexport.emulator.checks import MEDIA_TYPES
from asyncexport.emulator.laws import Constant
from asyncexport.emulator.records.data import EMPTY_EXPORT, rows
from asyncexport.emulator.server import EmulatorServer, serve
from asyncexport.emulator.state import AdsState
from asyncexport.emulator.store.objects import ObjectKey
from asyncexport.emulator.world import World
from asyncexport.models import Entity, Filters
from tests.emulator.calls import WORLD, a_state

PROFILE = max(WORLD.grants[0].profiles, key=lambda profile: profile.campaigns)


def instant_state(plan: str = "", **options: Any) -> AdsState:
    return a_state(plan, generation=Constant(0.0), **options)


class Client:
    """A plain HTTP client of one account."""

    def __init__(self, server: EmulatorServer, session: aiohttp.ClientSession) -> None:
        self.server, self.session = server, session
        self.account: Account = server.accounts()[0]
        self.token = ""

    async def headers(self) -> dict[str, str]:
        """Return the headers of an authorised call."""
        if not self.token:
            form = {
                "grant_type": "refresh_token",
                "refresh_token": revealed(self.account.refresh_token),
                "client_id": str(self.account.client_id),
                "client_secret": revealed(self.account.client_secret),
            }
            async with self.session.post(self.account.token_url, data=form) as answer:
                self.token = (await answer.json())["access_token"]
        return {
            "Authorization": f"Bearer {self.token}",
            "Amazon-Advertising-API-ClientId": str(self.account.client_id),
            "Accept-Encoding": "identity",
        }

    async def url(self, entity: Entity, profile_id: str = "") -> str:
        """Ask for an export and look until there is a URL."""
        media = MEDIA_TYPES[entity]
        headers = {
            **await self.headers(),
            "Accept": media,
            "Content-Type": media,
            "Amazon-Advertising-API-Scope": profile_id or PROFILE.profile_id,
        }
        post = self.session.post(f"{self.account.api_url}/{entity}/export", headers=headers, data=b"{}")
        async with post as answer:
            assert answer.status == 202
            export_id = json.loads(await answer.read())["exportId"]
        while True:
            async with self.session.get(f"{self.account.api_url}/exports/{export_id}", headers=headers) as answer:
                body = json.loads(await answer.read())
            if "url" in body:
                return str(body["url"])


def revealed(secret: object) -> str:
    assert isinstance(secret, Secret)
    return secret.reveal()


def session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(auto_decompress=False)


async def test_a_client_gets_the_rows_over_two_sockets() -> None:
    """API and store are different listeners, and what comes down is the data."""
    async with EmulatorServer(instant_state()) as server, session() as http:
        client = Client(server, http)
        url = await client.url(Entity.TARGETS)
        assert url.startswith(server.store_url)
        assert server.store_url != server.api_url
        async with http.get(URL(url, encoded=True)) as answer:
            body = await answer.read()
            assert answer.headers["Server"] == "AmazonS3"
            assert "Content-Encoding" not in answer.headers
        expected = rows(PROFILE, Entity.TARGETS, Filters(states=("ENABLED", "PAUSED")), WORLD.seed)
        assert gzip.decompress(body) == b"[" + b",".join(expected) + b"]"
        assert server.state.counters.bytes_served == len(body)


async def test_a_client_that_requotes_the_url_is_refused() -> None:
    """The escapes must come back byte for byte: aiohttp rewrites a URL that is given as text."""
    async with EmulatorServer(instant_state()) as server, session() as http:
        url = await Client(server, http).url(Entity.ADS)
        async with http.get(url) as answer:
            assert answer.status == 403
            assert b"SignatureDoesNotMatch" in await answer.read()


async def test_an_empty_profile_has_the_22_bytes() -> None:
    """A profile without rows gives the file that was observed."""
    world = World.generate(accounts=1, profiles=1, rows=0)
    state = AdsState(world, generation=Constant(0.0))
    async with EmulatorServer(state) as server, session() as http:
        url = await Client(server, http).url(Entity.ADS, world.grants[0].profiles[0].profile_id)
        async with http.get(URL(url, encoded=True)) as answer:
            assert await answer.read() == EMPTY_EXPORT


async def test_pieces_of_plain_json_can_be_had() -> None:
    """The identity form is inflated on the way, and a range of it is a piece of the text."""
    async with EmulatorServer(instant_state("download every=1: identity")) as server, session() as http:
        url = URL(await Client(server, http).url(Entity.ADS), encoded=True)
        async with http.get(url) as answer:
            text = await answer.read()
        assert json.loads(text)
        async with http.get(url, headers={"Range": "bytes=100-199"}) as answer:
            assert (answer.status, await answer.read()) == (206, text[100:200])


async def test_accounts_are_ready_to_use() -> None:
    """Names, regions and secrets are the world's, the urls the region's at the server, its host is for downloads."""
    async with EmulatorServer(WORLD) as server:
        accounts = server.accounts()
        assert [(each.name, each.region) for each in accounts] == [(each.account, each.region) for each in WORLD.grants]
        assert [each.api_url for each in accounts] == [f"{server.api_url}/na", f"{server.api_url}/eu"]
        assert all(each.token_url == server.token_url for each in accounts)
        assert all(each.download_hosts == ("127.0.0.1",) for each in accounts)
        assert server.now >= 0


async def test_ports_can_be_chosen(unused_tcp_port_factory: Any) -> None:
    """The listeners are where they were asked to be."""
    api, store = unused_tcp_port_factory(), unused_tcp_port_factory()
    async with EmulatorServer(WORLD, api_port=api, store_port=store) as server:
        assert (server.api_url, server.store_url) == (f"http://127.0.0.1:{api}", f"http://127.0.0.1:{store}")


async def test_a_taken_port_leaves_nothing_behind(unused_tcp_port_factory: Any) -> None:
    """Entering fails whole: no listener, no task."""
    port = unused_tcp_port_factory()
    async with EmulatorServer(WORLD, store_port=port):
        with pytest.raises(OSError, match="address already in use"):
            async with EmulatorServer(WORLD, store_port=port):
                pytest.fail("the port was taken")
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_a_state_keeps_its_own_speed() -> None:
    """Speed is for worlds; a state has been told its own."""
    with pytest.raises(ValueError, match="give it to AdsState"):
        EmulatorServer(a_state(), speed=2.0)


async def test_nothing_stays_behind(tmp_path: Path) -> None:
    """After the block there is no task and no file, and nobody listens."""
    async with EmulatorServer(instant_state(), spool=tmp_path) as server, session() as http:
        await Client(server, http).url(Entity.ADS)
    assert os.listdir(tmp_path) == []  # noqa: PTH208
    assert asyncio.all_tasks() == {asyncio.current_task()}
    with pytest.raises(OSError, match=r"refused|Connect call failed"):
        await asyncio.open_connection("127.0.0.1", URL(server.api_url).port)


async def test_objects_can_be_made_ahead() -> None:
    """After warming, every object of the chosen entities is there."""
    async with EmulatorServer(instant_state()) as server:
        await server.warm([Entity.ADS], Filters(states=("ENABLED", "PAUSED")))
        async with session() as http:
            await Client(server, http).url(Entity.ADS)
        await server.warm()


async def test_content_can_be_replaced() -> None:
    """A test may store what no honest server would make."""
    async with EmulatorServer(instant_state(), content=lambda _: [b"no export"]) as server, session() as http:
        url = await Client(server, http).url(Entity.ADS)
        async with http.get(URL(url, encoded=True)) as answer:
            assert await answer.read() == b"no export"


async def test_one_server_can_become_another(tmp_path: Path) -> None:
    """The listeners stay; weather, books and objects are the new state's, and the old objects' file is gone."""
    async with EmulatorServer(instant_state(), spool=tmp_path) as server, session() as http:
        url, where, spool = await Client(server, http).url(Entity.ADS), server.store_url, server._spool
        other = instant_state("profiles: return-503", seed=9)
        await server.become(other, content=lambda _: [EMPTY_EXPORT])
        assert (server.state, server.store_url, other.store_url) == (other, where, where)
        with pytest.raises(ValueError, match="closed file"):
            list(spool.read(ObjectKey.of(PROFILE.profile_id, Entity.ADS, Filters(states=("ENABLED", "PAUSED"))), 0, 1))
        async with http.get(URL(url, encoded=True)) as answer:
            assert answer.status == 403
        client = Client(server, http)
        async with http.get(f"{server.api_url}/v2/profiles", headers=await client.headers()) as answer:
            assert answer.status == 503
        async with http.get(URL(await client.url(Entity.ADS), encoded=True)) as answer:
            assert await answer.read() == EMPTY_EXPORT
        assert len(other.journal) == 1


async def test_a_maker_that_fails_is_heard_of_at_the_end() -> None:
    """An error in making objects is not swallowed."""

    def content(_: object) -> list[bytes]:
        raise RuntimeError("no such content")

    with pytest.raises(RuntimeError, match="no such content"):
        async with EmulatorServer(instant_state(), content=content) as server:
            await server.warm()


async def test_serving_lasts_until_cancelled() -> None:
    """The helper says when it listens and stops when it is told to."""
    ready: asyncio.Future[EmulatorServer] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(EmulatorServer(WORLD), ready.set_result))
    server = await ready
    async with session() as http, http.get(f"{server.api_url}/v2/profiles") as answer:
        assert answer.status == 401
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
