"""Connections to PostgreSQL: who has which, how long they stay, and that none outlives its users."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import asyncpg
import pytest

from asyncexport.errors import SinkError
from asyncexport.sinks.pg import connections
from asyncexport.sinks.pg.connections import Connection, Connections, acquire
from tests.sinks.postgres_server import Schema
from tests.sinks.support import order, store


class FakeConnection:
    """A connection to nobody; ``failure`` is what its last call meets."""

    def __init__(self, failure: BaseException | None = None) -> None:
        self.failure = failure
        self.ended = ""

    def is_closed(self) -> bool:
        return bool(self.ended)

    def terminate(self) -> None:
        self.ended = "cut"

    async def close(self, *, timeout: float) -> None:
        assert timeout > 0
        if self.failure is not None:
            raise self.failure
        self.ended = "closed"

    async def execute(self, _statement: str) -> None:
        if self.failure is not None:
            raise self.failure


def held(dsn: str, *fakes: FakeConnection) -> Connections:
    """Return the connections to a server, some of them free."""
    found = acquire(dsn)
    for fake in fakes:
        found.give_back(cast("Connection", fake))
    return found


async def test_the_last_one_closes_what_is_free() -> None:
    """Nobody before; and who comes after begins anew."""
    free = FakeConnection()
    first = held("a", free)
    second = acquire("a")
    assert first is second
    assert repr(first) == "<Connections of 2, 1 free>"
    await first.leave()
    assert not free.is_closed()
    await second.leave()
    assert free.ended == "closed"
    again = acquire("a")
    assert again is not first
    await again.leave()


async def test_what_cannot_be_closed_is_cut() -> None:
    """Whatever happens meanwhile, no connection stays."""
    fakes = [FakeConnection(TimeoutError()), FakeConnection()]
    await held("b", *fakes).leave()
    assert [fake.ended for fake in fakes] == ["cut", "closed"]
    fakes = [FakeConnection(asyncio.CancelledError()), FakeConnection()]
    with pytest.raises(asyncio.CancelledError):
        await held("b", *fakes).leave()
    assert [fake.ended for fake in fakes] == ["cut", "cut"]


async def test_who_cannot_wait_cuts() -> None:
    """What is free when the last one goes."""
    free = FakeConnection()
    held("c", free).release()
    assert free.ended == "cut"


async def test_a_free_connection_that_is_lost_is_nobodys() -> None:
    """The next free one is taken."""
    lost, good = FakeConnection(), FakeConnection()
    lost.terminate()
    found = held("d", good, lost)
    assert await found.take() is cast("Connection", good)
    found.release()


def meeting(monkeypatch: pytest.MonkeyPatch, *met: Any) -> list[int]:
    """Let attempts to connect meet failures, or connections; return a list that grows with each."""
    attempts: list[int] = []

    async def connect(*_: object, **__: object) -> Any:
        attempts.append(len(attempts))
        found = met[len(attempts) - 1]
        if isinstance(found, BaseException):
            raise found
        return found

    monkeypatch.setattr(asyncpg, "connect", connect)
    monkeypatch.setattr(connections, "DELAYS", (0.0, 0.0))
    return attempts


async def test_a_server_that_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked again as long as it may come, and not where it is there and refuses."""
    starting = asyncpg.CannotConnectNowError("the database system is starting up")
    there = FakeConnection()
    found = Connections("postgresql://e")
    assert len(meeting(monkeypatch, ConnectionRefusedError(), starting, there)) == 0
    assert await found.take() is cast("Connection", there)
    for impatient, met in ((True, [starting]), (False, [asyncpg.InvalidPasswordError("no")])):
        attempts = meeting(monkeypatch, *met)
        with pytest.raises(asyncpg.PostgresError):
            await found.take(patient=not impatient)
        assert len(attempts) == 1


@pytest.mark.parametrize("way", ["give_back", "cut"])
async def test_a_server_without_a_connection_left_but_ours(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """The next of ours that is given up is waited for, or what can be made in its place; unless none ever is."""
    full = asyncpg.TooManyConnectionsError("sorry, too many clients already")
    first, other = FakeConnection(), FakeConnection()
    more = [] if way == "give_back" else [other]
    attempts = meeting(monkeypatch, first, *[full] * 3, *more, *[full] * 4)
    found = Connections("postgresql://h")
    held = await found.take()
    waiting = asyncio.create_task(found.take())
    for _ in range(20):
        await asyncio.sleep(0)
    assert (len(attempts), waiting.done()) == (4, False)
    getattr(found, way)(held)
    assert await waiting is cast("Connection", first if way == "give_back" else other)
    monkeypatch.setattr(connections, "WAIT", 0.0)
    for patient in (True, False):
        with pytest.raises(asyncpg.TooManyConnectionsError):
            await found.take(patient=patient)
    assert len(attempts) == 8 + len(more)


async def test_a_session_that_cannot_be_set_up_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not left behind."""
    odd = FakeConnection(asyncpg.UndefinedObjectError("unrecognized configuration parameter"))
    meeting(monkeypatch, odd)
    with pytest.raises(asyncpg.UndefinedObjectError):
        await Connections("postgresql://f").take()
    assert odd.ended == "cut"


@pytest.mark.parametrize(
    ("error", "attempts"),
    [(asyncpg.ConnectionDoesNotExistError("gone"), 3), (asyncpg.DeadlockDetectedError("x"), 3), (SinkError("x"), 1)],
)
async def test_work_that_fails(monkeypatch: pytest.MonkeyPatch, error: Exception, attempts: int) -> None:
    """It is done three times at most, each by another connection, and only where that may help."""
    fakes = [FakeConnection() for _ in range(3)]
    meeting(monkeypatch, *fakes)
    met: list[object] = []

    async def work(connection: Connection) -> None:
        met.append(connection)
        raise error

    with pytest.raises(type(error)):
        await Connections("postgresql://g").tried(work)
    assert met == fakes[:attempts]
    assert [fake.ended for fake in fakes] == ["cut"] * attempts + [""] * (3 - attempts)


@pytest.mark.postgres
async def test_connections_are_used_again(schema: Schema) -> None:
    """Exports that come one after the other need one connection in an open block, and none is there after it."""
    role = "select count(*) as open from pg_stat_activity where usename = 'ads'"
    async with schema.sink() as sink:
        for number in range(3):
            await store(sink, order(snapshot=str(number)))
        assert schema.server.ask(role) == [{"open": 1}]
    async with asyncio.timeout(10):
        while schema.server.ask(role) != [{"open": 0}]:  # noqa: ASYNC110  a server's process has no event
            await asyncio.sleep(0.01)
