"""The emulator's pure server as a transport: the same books and the same weather, without a socket or a real second.

What is on a clock that jumps and answers from memory takes the same course each time, which is what a sweep over every
suspension needs. Bodies are cut, flipped and lost as the weather says; what takes time on a wire takes none here.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from anyio.lowlevel import checkpoint

from asyncexport.accounts import Account
from asyncexport.emulator.laws import Constant
from asyncexport.emulator.records.data import export_bytes, rows
from asyncexport.emulator.state import AdsState
from asyncexport.emulator.store.damage import damaged
from asyncexport.emulator.store.objects import ObjectKey, StoredObject
from asyncexport.emulator.store.s3 import StoreAnswer
from asyncexport.emulator.weather import Weather
from asyncexport.emulator.world import World
from asyncexport.errors import ConnectionLost
from asyncexport.models import Entity, Filters, SignedUrl
from asyncexport.ports import Clock, Download, Request, Response

_PIECE = 2_000


class Stock:
    """A shelf whose objects are made at once and kept in memory."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.objects: dict[ObjectKey, bytes] = {}

    def order(self, key: ObjectKey) -> None:
        """Make the object."""
        if key not in self.objects:
            profile = self._world.profiles[key.profile_id]
            self.objects[key] = b"".join(export_bytes(profile, key.entity, key.filters, self._world.seed))

    def find(self, key: ObjectKey) -> StoredObject | None:
        """Return it."""
        body = self.objects.get(key)
        if body is None:
            return None
        return StoredObject(len(body), 0, hashlib.md5(body, usedforsecurity=False).hexdigest())


class Wireless:
    """A :class:`asyncexport.ports.Transport` into a server that lives in the same process and time.

    ``posts`` holds the entity and the profile of every request for an export, in their order; ``under_way`` counts the
    calls that have no answer yet.
    """

    def __init__(self, clock: Clock, *, weather: str = "", profiles: int = 1, rows: int = 40, seed: int = 1) -> None:
        world = World.generate(seed=seed, accounts=1, profiles=profiles, rows=rows)
        self.clock = clock
        self.stock = Stock(world)
        self.state = AdsState(
            world,
            shelf=self.stock,
            generation=Constant(5.0),
            weather=Weather.parse(weather),
            store_url="https://bucket.s3.amazonaws.com",
            rate=None,
            epoch=time.time(),
        )
        self.posts: list[tuple[str, str]] = []
        self.under_way = 0

    def fair(self) -> None:
        """Let the weather be fair from now on."""
        self.state.weather = Weather()

    def account(self) -> Account:
        """Return the world's grant."""
        grant = self.state.world.grants[0]
        return Account(
            grant.account,
            region=grant.region,
            client_id=grant.client_id,
            client_secret=grant.client_secret,
            refresh_token=grant.refresh_token,
        )

    def true_rows(self, profile_id: str, entity: Entity) -> bytes:
        """Return the rows of an export with no filter, one a line."""
        world = self.state.world
        found = rows(world.profiles[profile_id], entity, Filters(), world.seed)
        return b"".join(row + b"\n" for row in found)

    async def send(self, request: Request) -> Response:
        """Answer one small call, a moment later."""
        if request.url.endswith("/export"):
            profile_id = request.headers["Amazon-Advertising-API-Scope"]
            self.posts.append((urlsplit(request.url).path.split("/")[1], profile_id))
        self.under_way += 1
        try:
            await checkpoint()
            response = self.state.api(request, self.clock.now())
            await checkpoint()
        finally:
            self.under_way -= 1
        return response

    @asynccontextmanager
    async def download(self, url: SignedUrl, *, offset: int, etag: str | None) -> AsyncIterator[Download]:
        """Open an object."""
        headers = {"range": f"bytes={offset}-"} if offset else {}
        if offset and etag:
            headers["if-match"] = etag
        parts = urlsplit(url.reveal())
        await checkpoint()
        answer = self.state.store("GET", f"{parts.path}?{parts.query}", headers, self.clock.now())
        if answer.damage.cut and answer.damage.cut_after is None:
            raise ConnectionLost("reset before the head (planned)")
        yield _Body(answer, self._body(answer))
        await checkpoint()

    def _body(self, answer: StoreAnswer) -> bytes:
        if answer.key is None:
            return answer.body
        return self.stock.objects[answer.key][answer.start : answer.stop]


class _Body:
    def __init__(self, answer: StoreAnswer, body: bytes) -> None:
        self.status = answer.status
        length = {"content-length": str(answer.damage.length(len(body)))}
        self.headers: Mapping[str, str] = {name.lower(): text for name, text in answer.headers.items()} | length
        self._damage = answer.damage
        self._body = body

    async def chunks(self) -> AsyncGenerator[bytes]:
        body = b"".join(damaged([self._body], len(self._body), self._damage))
        cut = self._damage.cut_after.of(len(body)) if self._damage.cut_after is not None else len(body)
        for at in range(0, cut, _PIECE):
            await checkpoint()
            yield body[at : min(cut, at + _PIECE)]
        if self._damage.cut:
            await checkpoint()
            raise ConnectionLost("reset (planned)")
