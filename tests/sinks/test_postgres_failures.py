"""PostgreSQL that is away, full, closed, changed or in use: one typed error, nothing half-written, no secret told."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from asyncexport.batch import Batch
from asyncexport.errors import (
    ConfigError,
    DiskFull,
    SinkError,
    SinkLocked,
    SinkRejected,
    SinkUnreachable,
    TooManyOpenFiles,
)
from asyncexport.models import Evidence
from asyncexport.sinks import Postgres
from asyncexport.sinks.arrow import blocks
from asyncexport.sinks.databases import Mode
from asyncexport.sinks.pg import connections, tables
from asyncexport.sinks.pg.failures import failing
from asyncexport.sinks.pg.ledger import Ledger
from asyncexport.sinks.postgres import PostgresWriter
from tests.sinks.postgres_server import PASSWORD, PostgresServer, Schema, serving
from tests.sinks.support import BATCHES, order, part_of, store

pytestmark = pytest.mark.postgres


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once."""
    monkeypatch.setattr(connections, "DELAYS", (0.0, 0.0))
    monkeypatch.setattr(connections, "WAIT", 0.0)
    monkeypatch.setattr(blocks, "ROWS", 1)


@pytest.fixture(scope="module")
def other_server() -> Iterator[PostgresServer]:
    """Run a server that may be stopped under everybody's hands."""
    with serving() as server:
        yield server


@pytest.fixture
def shaky(other_server: PostgresServer) -> Schema:
    """Return a new schema on it."""
    other_server.start()
    other_server.say("drop schema if exists shaky cascade; create schema shaky authorization ads")
    return Schema(other_server, "shaky")


@contextmanager
def failing_as(kind: type[SinkError], *, saying: str) -> Iterator[None]:
    """Expect one error of exactly that kind, which holds no secret and no row."""
    with pytest.raises(SinkError, match=saying) as failure:
        yield
    assert type(failure.value) is kind
    assert PASSWORD not in str(failure.value)
    assert "campaignId" not in str(failure.value)


async def test_a_server_that_dies_while_rows_come_in(shaky: Schema) -> None:
    """The export fails as one that may succeed later; started again the server has nothing of it."""
    async with shaky.sink() as sink:
        with failing_as(SinkUnreachable, saying="run again|is the server there"):
            async with sink.open(order()) as writer:
                await writer.write(BATCHES[0])
                shaky.server.stop(signal.SIGQUIT)
                await writer.write(BATCHES[1])
                writer.seal(Evidence(1, "gzip"))
        shaky.server.start()
        assert await sink.find(order()) is None
        assert shaky.ids("campaigns_rows") == []
        await store(sink)
    assert shaky.ids() == ["1", "2", "3"]


@pytest.mark.parametrize("in_commit", [True, False])
async def test_a_server_that_hangs(shaky: Schema, in_commit: bool) -> None:
    """Who stops waiting for it is let go at once, and finds nothing of the export when the server goes on."""
    async with shaky.sink() as sink:
        writer = PostgresWriter(sink, order())
        await writer.begin()
        backend = await writer._ledger.connection.fetchval("select pg_backend_pid()")
        writer.seal(Evidence(1, "gzip"))
        os.kill(backend, signal.SIGSTOP)
        try:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(writer.finish() if in_commit else writer._load(), 0.1)
            writer.discard()
        finally:
            os.kill(backend, signal.SIGCONT)
        assert await sink.find(order()) is None
        await store(sink)
    assert shaky.ids() == ["1", "2", "3"]


async def test_a_server_that_restarts_between_exports(shaky: Schema) -> None:
    """Connections that were kept are lost, and nobody notices."""
    async with shaky.sink() as sink:
        receipt = await store(sink)
        shaky.server.stop()
        shaky.server.start()
        assert await sink.find(order()) == receipt
        assert (await store(sink, order(snapshot="other"))).rows == 3


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("came_about", [True, False])
async def test_a_connection_that_is_lost_in_the_commit(
    schema: Schema, monkeypatch: pytest.MonkeyPatch, came_about: bool, closed: bool
) -> None:
    """Whether it came about is asked for: what stands is committed, once, and what does not is a failure."""

    async def commit(self: Ledger, *arguments: Any) -> None:
        if came_about:
            await committing(self, *arguments)
        if closed:  # which asyncpg may not have noticed yet
            self.connection.terminate()
        raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

    committing = Ledger.commit
    monkeypatch.setattr(Ledger, "commit", commit)
    async with schema.sink() as sink:
        if came_about:
            assert await sink.find(order()) is None
            assert await store(sink) == await sink.find(order())
        else:
            with failing_as(SinkUnreachable, saying="the connection was lost"):
                await store(sink)
    assert schema.ids() == (["1", "2", "3"] if came_about else [])


async def test_nobody_is_there() -> None:
    """Said at once before a run, and after some attempts within one."""
    sink = Postgres(f"postgresql://ads:{PASSWORD}@127.0.0.1:1/ads")
    for call in (sink.prepare, lambda: sink.find(order())):
        with failing_as(SinkUnreachable, saying=r"127.0.0.1:1/ads: no answer .*is the server there\?"):
            await call()
    with failing_as(SinkUnreachable, saying="no answer"):
        sink.there([order().job])
    with failing_as(SinkUnreachable, saying="no answer"):
        async with sink:
            pytest.fail("it was entered")


@pytest.mark.parametrize(
    ("old", "new", "saying"),
    [
        (PASSWORD, "canary-other", "check the dsn .28P01"),
        ("ads:", "nobody:", "check the dsn .28P01"),
        ("/ads", "/nowhere", "no such database; create it or name another .3D000"),
        ("/ads", "/ads?sslmode=require", "no secure connection .ConnectionError.; check sslmode"),
        ("/ads", "/ads?no_such=y", "does not know a parameter that the dsn sets.*42704"),
        ("/ads", "/ads?work_mem=much", "refuses a parameter that the dsn sets.*22023"),
    ],
)
async def test_a_way_in_that_is_none(schema: Schema, old: str, new: str, saying: str) -> None:
    """What is wrong with the dsn, without the dsn."""
    dsn = schema.server.dsn
    with pytest.raises(SinkError, match=saying) as failure:
        await schema.sink(dsn=(new.join(dsn.rsplit(old, 1)) if old == "/ads" else dsn.replace(old, new))).prepare()
    assert "canary" not in str(failure.value)


@pytest.mark.parametrize(
    ("more", "saying"),
    [
        ("?sslmode=verify-full&sslrootcert=/canary", "sslrootcert in the dsn names no file"),
        ("?ssl_min_protocol_version=canary", "a value that cannot be meant"),
    ],
)
async def test_a_dsn_that_only_connecting_shows_to_be_wrong(schema: Schema, more: str, saying: str) -> None:
    """A person has to edit it: nobody waits for a server, and nothing of it is told."""
    sink = schema.sink(dsn=schema.server.dsn + more)
    for call in (sink.prepare, lambda: sink.find(order()), lambda: asyncio.to_thread(sink.there, [order().job])):
        with pytest.raises(ConfigError, match=saying) as failure:
            await call()
        assert "canary" not in str(failure.value)


async def test_a_file_of_the_dsn_that_is_there(schema: Schema) -> None:
    """What it holds is for whoever connects by it."""
    await schema.sink(dsn=f"{schema.server.dsn}?sslmode=disable&sslrootcert={__file__}").prepare()


async def test_a_port_of_the_environment_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is as wrong as one of the dsn."""
    monkeypatch.setenv("PGPORT", "canary")
    with pytest.raises(ConfigError, match=r"PGPORT, PGSSLMODE, .* of the environment") as failure:
        await Postgres("postgresql://127.0.0.1/ads").prepare()
    assert "canary" not in str(failure.value)


async def test_a_role_that_may_not(schema: Schema) -> None:
    """Make the schema, or write to its tables: said before the run."""
    schema.server.say("create role reader login password 'canary'; revoke create on database ads from reader")
    dsn = schema.server.dsn.replace(f"ads:{PASSWORD}", "reader:canary")
    try:
        with failing_as(SinkError, saying="let it use and create in the schema, and make temporary tables .42501"):
            await schema.sink(dsn=dsn).prepare()
        await schema.sink().prepare()
        schema.say(
            f"grant usage on schema {schema.name} to reader; "
            f"grant select on all tables in schema {schema.name} to reader"
        )
        with failing_as(SinkError, saying="let it use and create in the schema, and make temporary tables .42501"):
            await schema.sink(dsn=dsn).prepare()
    finally:
        schema.say("drop owned by reader; drop role reader")


async def test_a_server_that_takes_no_writes(schema: Schema) -> None:
    """A standby, or a role that only reads: said before the run."""
    await schema.sink().prepare()
    schema.server.say("alter role ads set default_transaction_read_only = on")
    try:
        with failing_as(SinkError, saying="takes no writes; name the primary"):
            await schema.sink().prepare()
    finally:
        schema.server.say("alter role ads reset all")


async def test_a_server_without_a_connection_left(schema: Schema) -> None:
    """It may have one later."""
    schema.server.say("alter role ads connection limit 1")
    try:
        async with schema.sink() as sink, sink.open(order()):
            with failing_as(SinkUnreachable, saying="no connection left; .* .53300"):
                await sink.find(order())
            raise asyncio.CancelledError
    except asyncio.CancelledError:
        pass
    finally:
        schema.server.say("alter role ads connection limit -1")


@pytest.mark.parametrize(
    "change",
    [
        "alter table campaigns_rows drop column name cascade",
        "drop table campaigns_rows cascade",
        "alter table campaigns_rows alter column state type integer using 1",
        "alter table campaigns_rows add check (campaignid <> '2')",
        "drop table ledger cascade",
    ],
)
async def test_tables_that_somebody_has_changed(schema: Schema, change: str) -> None:
    """The export is refused, and says so; what stands is left as it is."""
    async with schema.sink() as sink:
        schema.say(f"drop view campaigns; {change}")
        with failing_as(SinkRejected, saying="undo what was changed"):
            await store(sink)


async def test_a_column_more_is_no_harm(schema: Schema) -> None:
    """Who needs one may add it."""
    async with schema.sink() as sink:
        schema.say("alter table campaigns_rows add column reviewed boolean default false")
        await store(sink)
    assert schema.ids() == ["1", "2", "3"]


async def test_columns_of_another_version(schema: Schema) -> None:
    """Refused before anything is written."""
    await schema.sink().prepare()
    schema.say("update about set schema_version = 99")
    with failing_as(SinkRejected, saying="has the columns of version 99 and the mode 'append'"):
        await schema.sink().prepare()


async def test_tables_of_somebody_else(schema: Schema) -> None:
    """They are left as they are."""
    schema.server.say(f"create schema {schema.name} authorization ads")
    schema.say("set role ads; create table campaigns (mine text)")
    with failing_as(SinkRejected, saying="choose another schema .42P07"):
        await schema.sink().prepare()
    assert not schema.has("ledger")
    assert schema.ask("select count(*) as rows from campaigns") == [{"rows": 0}]


async def test_a_database_that_is_not_in_unicode(schema: Schema) -> None:
    """It could not hold the rows."""
    schema.server.say("create database latin owner ads encoding 'LATIN1' template template0 locale 'C'")
    with failing_as(SinkRejected, saying="not in UTF-8"):
        await schema.sink(dsn=schema.server.dsn.removesuffix("/ads") + "/latin").prepare()


async def test_a_server_that_is_too_old(schema: Schema, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said before the run, and nothing is made there."""
    monkeypatch.setattr(tables, "OLDEST", 990_000)
    with failing_as(SinkError, saying="older than PostgreSQL 99"):
        await schema.sink().prepare()
    assert not schema.has("about")


async def test_exports_that_wait_for_one_another(schema: Schema, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each waits for those before it, for longer than for a lock of somebody else's."""
    monkeypatch.setattr(tables, "LOCK_TIMEOUT", "1ms")
    async with schema.sink() as sink:
        users = sink.acquire()
        holder = await users.take()
        async with holder.transaction():
            await holder.execute("set local lock_timeout = 1")
            await tables.lock(holder, "x")
            waiting = asyncio.create_task(_locked(users))
            while not schema.server.ask("select 1 from pg_locks where locktype = 'advisory' and not granted"):  # noqa: ASYNC110  a server's process has no event
                await asyncio.sleep(0)
        assert await waiting == "1ms"
        users.give_back(holder)
        await users.leave()


async def _locked(users: connections.Connections) -> str:
    """Return what is waited for other locks once ours is there."""
    connection = await users.take()
    async with connection.transaction():
        await connection.execute("set local lock_timeout = 1")
        await tables.lock(connection, "x")
        told = str(await connection.fetchval("show lock_timeout"))
    users.give_back(connection)
    return told


async def test_limits_that_are_set_for_everybody_else(schema: Schema) -> None:
    """A limit of time is none for an export, as it is none for a dump; instants and commits are what they should be."""
    usual = {"statement_timeout": "1min", "idle_session_timeout": "1min", "timezone": "Asia/Tokyo"}
    usual |= {"synchronous_commit": "off"}
    schema.server.say("; ".join(f"alter role ads set {name} = '{value}'" for name, value in usual.items()))
    try:
        async with schema.sink() as sink:
            users = sink.acquire()
            connection = await users.take()
            assert [await connection.fetchval(f"show {name}") for name in usual] == ["0", "0", "UTC", "on"]
            users.give_back(connection)
            await users.leave()
    finally:
        schema.server.say("alter role ads reset all")


@pytest.mark.parametrize("mode", ["append", "history"])
async def test_rows_that_the_server_does_not_put_in_their_place(schema: Schema, mode: Mode) -> None:
    """A trigger that drops one: nothing is committed of which the receipt would not be true."""
    async with schema.sink(mode) as sink:
        schema.say(
            "create function drop() returns trigger language plpgsql as $$ begin return null; end $$; "
            "create trigger drop before insert on campaigns_rows for each row when (new.campaignid = '2') "
            "execute function drop(); create trigger drop before insert on campaigns_staged for each row "
            "when (new.campaignid = '2') execute function drop()"
        )
        for each in (order(), part_of(0)) if mode == "append" else (part_of(0),):
            with failing_as(SinkRejected, saying="3 rows came in and 2 were put in their place; undo"):
                await store(sink, each)
    assert schema.ids("campaigns_rows") == schema.ids("campaigns_staged") == []
    assert schema.ask("select * from ledger") == []


async def test_tables_and_functions_that_are_named_like_ours(schema: Schema) -> None:
    """They are nobody's but their owner's, whatever the role looks for first."""
    await schema.sink().prepare()
    schema.say(
        "create table incoming_campaigns as select * from campaigns_rows where false; "
        "grant all on incoming_campaigns to ads; "
        "create function now() returns timestamptz language sql as $$ select timestamptz '1999-01-01' $$"
    )
    schema.server.say(f"alter role ads set search_path = {schema.name}, pg_catalog, pg_temp")
    try:
        await store(schema.sink(), replace(order(), generated_at=""))
    finally:
        schema.server.say("alter role ads reset all")
    assert schema.ids() == ["1", "2", "3"]
    assert schema.ids("incoming_campaigns") == []
    assert schema.say("select generated_at = committed_at from ledger") == ["t"]


async def _told_by_sql(schema: Schema, code: str) -> None:
    """Let the commit of an export meet an error of the server's."""
    schema.say(
        f"create function fail() returns trigger language plpgsql as $$ begin raise sqlstate '{code}'; end $$; "
        "create trigger fail before insert on ledger execute function fail()"
    )


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("53100", DiskFull),
        ("57014", SinkUnreachable),
        ("55P03", SinkLocked),
        ("40001", SinkUnreachable),
        ("40P01", SinkUnreachable),
        ("53200", SinkUnreachable),
        ("22003", SinkError),
        ("54000", SinkError),
        ("XX000", SinkError),
    ],
)
async def test_what_the_server_may_say_at_the_commit(schema: Schema, code: str, kind: type[SinkError]) -> None:
    """Each is an error of its kind, and the connection that met it serves nobody else; nothing is committed."""
    async with schema.sink() as sink:
        await _told_by_sql(schema, code)
        with failing_as(kind, saying=code):
            await store(sink)
        schema.say("drop function fail cascade")
        assert await sink.find(order()) is None
        await store(sink)
    assert schema.ids("campaigns_rows") == ["1", "2", "3"]


async def test_a_transaction_that_another_was_in_the_way_of(schema: Schema) -> None:
    """It is done again."""
    async with schema.sink() as sink:
        schema.say(
            "create sequence met; grant all on sequence met to ads; "
            "create function fail() returns trigger language plpgsql as $$ begin "
            f"if nextval('{schema.name}.met') = 1 then raise sqlstate '40001'; end if; return new; end $$; "
            "create trigger fail before insert on ledger for each row execute function fail()"
        )
        await store(sink)
    assert schema.ids("campaigns_rows") == ["1", "2", "3"]


@pytest.mark.parametrize(
    "row", [b'{"bid":{"x":1e1000000}}', b'{"campaignId":"1","tags":[9e200000]}'], ids=["large", "larger"]
)
async def test_a_value_that_postgres_cannot_hold(schema: Schema, row: bytes) -> None:
    """A number beyond its numbers fails the one export; one that is only beyond a double does not."""
    with failing_as(SinkError, saying="a value is in the export that PostgreSQL cannot hold .22"):
        await store(schema.sink(), batches=(Batch(row + b"\n", 1),))
    await store(schema.sink(), batches=(Batch(b'{"campaignId":"1","tags":[1e400,1.10]}\n', 1),))
    assert schema.say("select tags->>1 from campaigns") == ["1.10"]


async def test_no_descriptor_is_left(schema: Schema, monkeypatch: pytest.MonkeyPatch) -> None:
    """That says nothing about the server."""

    async def connect(*_: object, **__: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(asyncpg, "connect", connect)
    with pytest.raises(TooManyOpenFiles):
        await schema.sink().prepare()


def test_a_library_that_speaks_of_itself() -> None:
    """An error of asyncpg's own is one of ours."""
    with failing_as(SinkUnreachable, saying="here: no answer .InterfaceError."), failing("here"):
        raise asyncpg.InterfaceError("connection is closed: canary")


def test_a_connection_that_is_ended_by_the_server() -> None:
    """What it said is told, not that the transaction could then not be ended either."""
    with failing_as(SinkUnreachable, saying="the server is starting or stopping.*57P01"), failing("here"):
        try:
            raise asyncpg.AdminShutdownError("terminating connection")
        except asyncpg.PostgresError as error:
            raise asyncpg.InterfaceError("connection is closed") from error


def test_a_server_that_cannot_prove_who_it_is() -> None:
    """Not one that may be there later."""
    with failing_as(SinkError, saying="here: no secure connection"), failing("here"):
        raise ssl.SSLCertVerificationError(1, "certificate verify failed: canary")


async def test_a_copy_that_is_cut_short_by_ourselves(schema: Schema, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes wrong while lines are made is what the caller hears, and nothing of the block is there."""

    async def lines(_self: object, _text: bytes) -> AsyncIterator[bytes]:
        yield b""
        raise ZeroDivisionError

    monkeypatch.setattr("asyncexport.sinks.postgres.PostgresWriter._lines", lines)
    with pytest.raises(ZeroDivisionError):
        await store(schema.sink())
    assert schema.ids("campaigns_rows") == []
