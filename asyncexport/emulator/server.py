"""The emulator on two listeners: one for the API and the tokens, one for the object store.

    async with EmulatorServer(World.generate(profiles=3)) as server:
        async with asyncexport.Exporter(server.accounts()) as exporter:
            ...

The API of each region is below a prefix of its listener, ``/na``, ``/eu`` or ``/fe``, and without a prefix all regions
are heard. The pure server decides everything; here its clock runs, objects are made, and answers go onto the wire.
Leaving the block ends every wait, closes both listeners and gives the disk space back: no task, socket or file stays
behind.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from asyncexport.accounts import Account
from asyncexport.emulator.regions import TOKEN_PATH
from asyncexport.emulator.state import AdsState
from asyncexport.emulator.store.objects import ObjectKey
from asyncexport.emulator.store.sending import Outgoing, Sender
from asyncexport.emulator.store.spool import Content, Spool
from asyncexport.emulator.world import World
from asyncexport.models import Entity, Filters
from asyncexport.ports import Request

_GRACE = 0.1


class EmulatorServer:
    """An Amazon Ads on loopback, for as long as the block lasts.

    Given a world, it makes a state for it whose clock shows the real time and whose exports take ``speed`` times less;
    given a state, that one decides and its objects are made here. Ports of 0 are chosen by the system. ``spool`` is
    the folder for the temporary file; ``content`` replaces what objects hold.
    """

    def __init__(
        self,
        state_or_world: AdsState | World,
        *,
        host: str = "127.0.0.1",
        api_port: int = 0,
        store_port: int = 0,
        speed: float = 1.0,
        spool: Path | None = None,
        content: Content | None = None,
    ) -> None:
        if isinstance(state_or_world, World):
            state_or_world = AdsState(state_or_world, speed=speed, epoch=time.time())
        elif speed != 1.0:
            raise ValueError("a state has its own speed: give it to AdsState")
        self.state = state_or_world
        self._host = host
        self._ports = (api_port, store_port)
        self._folder = spool
        self._content = content
        self._objects = AsyncExitStack()
        self._started = 0.0
        self.api_url = ""
        self.store_url = ""

    @property
    def token_url(self) -> str:
        """Where refresh tokens become access tokens."""
        return f"{self.api_url}{TOKEN_PATH}"

    @property
    def now(self) -> float:
        """What the server's clock shows: seconds since the block was entered."""
        return asyncio.get_running_loop().time() - self._started

    def accounts(self) -> list[Account]:
        """Return the world's grants, ready to use with this server: each is sent to its region's part of the API."""
        return self.state.world.accounts(self.api_url, download_hosts=(self._host,))

    async def warm(self, entities: Iterable[Entity] = Entity, filters: Filters | None = None) -> None:
        """Make the objects of all profiles ahead, so that what is measured next is not their making."""
        for profile in self.state.world.profiles.values():
            for entity in entities:
                self._spool.order(ObjectKey.of(profile.profile_id, entity, filters or Filters()))
        await self._spool.filled()

    async def become(self, state: AdsState, *, content: Content | None = None) -> None:
        """Be another server on the same listeners: its world, its weather, its books. What was made before is gone.

        The new state's ``epoch`` is what its clock shows when :attr:`now` is 0.
        """
        await self._clear()
        self.state, self._content = state, content
        await self._stock()
        state.store_url = self.store_url

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self._started = asyncio.get_running_loop().time()
            stack.push_async_callback(self._clear)
            await self._stock()
            closing = asyncio.Event()
            self._api_sender = Sender(closing, _nothing)
            self._store_sender = Sender(closing, self._served)
            self.api_url = await self._listen(stack, self._api, self._ports[0])
            self.store_url = await self._listen(stack, self._store, self._ports[1])
            self.state.store_url = self.store_url
            stack.callback(closing.set)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def _stock(self) -> None:
        """Open a spool for the state that is served now, and let it be filled."""
        async with AsyncExitStack() as stack:
            self._spool = Spool(self.state.world, folder=self._folder, content=self._content)
            stack.callback(self._spool.close)
            self.state.use(self._spool)
            await self._employ(stack)
            self._objects = stack.pop_all()

    async def _clear(self) -> None:
        await self._objects.aclose()

    async def _employ(self, stack: AsyncExitStack) -> None:
        worker = asyncio.create_task(self._spool.work(), name="emulator spool")

        async def dismiss() -> None:
            worker.cancel()
            await asyncio.wait([worker])
            if not worker.cancelled():
                worker.result()

        stack.push_async_callback(dismiss)

    async def _listen(
        self, stack: AsyncExitStack, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], port: int
    ) -> str:
        runner = web.ServerRunner(web.Server(handler, access_log=None), shutdown_timeout=_GRACE)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, self._host, port)
        await site.start()
        return f"http://{self._host}:{runner.addresses[0][1]}"

    async def _api(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        call = Request(request.method, request.raw_path, dict(request.headers), body)
        answer = self.state.answer(call, self.now)
        out = Outgoing(answer.status, answer.headers, [answer.body], len(answer.body), answer.damage)
        return await self._api_sender.send(request, out)

    async def _store(self, request: web.BaseRequest) -> web.StreamResponse:
        answer = self.state.store(request.method, request.raw_path, request.headers, self.now)
        chunks: Iterable[bytes] = [answer.body]
        if answer.key is not None:
            chunks = self._spool.read(answer.key, answer.start, answer.stop, plain=answer.plain)
        return await self._store_sender.send(
            request, Outgoing(answer.status, answer.headers, chunks, answer.size, answer.damage)
        )

    def _served(self, size: int) -> None:
        self.state.counters.bytes_served += size


def _nothing(_: int) -> None:
    pass


async def serve(server: EmulatorServer, ready: Callable[[EmulatorServer], object]) -> None:
    """Run a server until cancelled; ``ready`` is called with it once it listens."""
    async with server:
        ready(server)
        await asyncio.Event().wait()
