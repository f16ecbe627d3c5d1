"""What the security tests share: servers that misbehave, hostile worlds, and eyes that see every secret."""

from __future__ import annotations

import asyncio
import gc
import pickle
import random
import re
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from ssl import SSLContext
from types import ModuleType, TracebackType
from typing import Any

from rich.traceback import Traceback

from asyncexport import Account
from asyncexport.emulator.server import EmulatorServer
from asyncexport.emulator.world import World
from asyncexport.errors import AsyncexportError
from tests.test_end_to_end import canaries

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

CANARY = f"cAnArY{random.Random(1).getrandbits(128):032x}"
"""A secret whose text stands in no source file, so that a crash report that quotes source lines does not hold it."""

FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@dataclass
class Spy:
    """A server that notes who comes and what they say. ``connects`` counts connections, ``heard`` holds all bytes."""

    port: int = 0
    connects: int = 0
    heard: bytes = field(default=b"", repr=False)
    sent: int = 0
    talking: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        """The spy's origin by address."""
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def spying(talk: Talk | bytes = FINE, tls: SSLContext | None = None) -> AsyncIterator[Spy]:
    """Listen on loopback. ``talk`` is what is answered to every request's head, or who holds the conversation."""
    spy = Spy()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        spy.connects += 1
        task = asyncio.current_task()
        assert task is not None
        spy.talking.add(task)
        try:
            await _hold(spy, talk, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    spy.port = server.sockets[0].getsockname()[1]
    try:
        yield spy
    finally:
        server.close()
        for task in spy.talking:
            task.cancel()
        await asyncio.gather(*spy.talking)
        await server.wait_closed()


async def _hold(spy: Spy, talk: Talk | bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if callable(talk):
        await talk(reader, _Counting(spy, writer))  # type: ignore[arg-type]
        return
    while True:
        spy.heard += await reader.readuntil(b"\r\n\r\n")
        writer.write(talk)
        await writer.drain()


class _Counting:
    """A writer that counts what goes out and waits until it has gone."""

    def __init__(self, spy: Spy, writer: asyncio.StreamWriter) -> None:
        self._spy = spy
        self._writer = writer

    def write(self, data: bytes) -> None:
        self._spy.sent += len(data)
        self._writer.write(data)

    async def drain(self) -> None:
        await self._writer.drain()


def allowing(account: Account, *hosts: str, **other: Any) -> Account:
    """Return the account with more download hosts, or other facts."""
    names = ("client_id", "client_secret", "refresh_token", "api_url", "token_url", "on_new_refresh_token")
    facts = {name: getattr(account, name) for name in names} | other
    return Account(account.name, region=account.region, download_hosts=(*account.download_hosts, *hosts), **facts)


def endless(head: bytes, piece: bytes) -> Talk:
    """Return a conversation that answers ``head`` and then ``piece`` for ever, as fast as the other side takes it."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)

    return talk


def named(world: World, names: Iterable[str]) -> World:
    """Return the world with its profiles called ``names``, in turn."""
    supply = iter(list(names) * len(world.profiles))
    return World(
        tuple(
            replace(grant, profiles=tuple(replace(each, name=next(supply)) for each in grant.profiles))
            for grant in world.grants
        ),
        world.seed,
    )


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and whatever its ``__cause__`` and ``__context__`` lead to."""
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [other for other in (each.__cause__, each.__context__) if other is not None]


def everything_said(error: BaseException) -> str:
    """Return what any crash reporter could show of an error: texts, fields, pickles, locals as Python and rich do."""
    said = []
    for each in chain(error):
        said += [str(each), repr(each), repr(each.args), repr(vars(each))]
        frames = _library_frames(each.__traceback__)
        said += traceback.TracebackException(type(each), each, frames, capture_locals=True).format()
        if isinstance(each, AsyncexportError):
            said.append(pickle.dumps(each).decode("latin-1"))
        trace = Traceback.extract(type(each), each, frames, show_locals=True, locals_max_length=1000)
        nodes = [node for stack in trace.stacks for frame in stack.frames for node in (frame.locals or {}).values()]
        said += map(str, nodes)
    return "\n".join(said)


def _library_frames(trace: TracebackType | None) -> TracebackType | None:
    """Leave out where a test called from: its frames hold the secrets that it planted."""
    while trace is not None and "/tests/" in trace.tb_frame.f_code.co_filename:
        trace = trace.tb_next
    return trace


def leaked(said: str, server: EmulatorServer) -> list[str]:
    """Return which of the emulator's secrets stand in ``said``, and any signature that is shown."""
    found = [secret for secret in set(canaries(server)) if secret in said]
    shown = re.findall(r"X-Amz-(?:Signature|Credential|Security-Token)=(?!\*\*\*)\S{0,20}", said, re.IGNORECASE)
    return found + shown


def living() -> Iterator[object]:
    """Yield every object of the library that is alive now; the emulator's and the tests' own are not ours."""
    for each in gc.get_objects():
        module = getattr(type(each), "__module__", "")
        ours = isinstance(module, str) and module.startswith("asyncexport.") and ".emulator" not in module
        if ours and not isinstance(each, type | ModuleType):
            yield each


def contents(folder: Path) -> list[str]:
    """Return what every file below ``folder`` holds, byte for byte."""
    return [file.read_bytes().decode("latin-1") for file in sorted(folder.rglob("*")) if file.is_file()]
