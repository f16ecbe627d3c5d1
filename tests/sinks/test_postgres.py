"""PostgreSQL: exports in one schema, each committed once with its line in the ledger, and views of what is newest."""

from __future__ import annotations

import asyncio
import json
import pickle
from dataclasses import replace
from typing import Any, get_args

import asyncpg
import pytest

from asyncexport.accounts import Secret
from asyncexport.batch import Batch
from asyncexport.errors import ConfigError, SinkError, SinkRejected
from asyncexport.models import Entity, Evidence, Filters, Receipt
from asyncexport.ports import KeepsManifests, KeepsParts, Travels
from asyncexport.sinks import Postgres
from asyncexport.sinks.arrow import blocks
from asyncexport.sinks.databases import TABLES, Mode
from asyncexport.sinks.stores.objects import BOUNDLESS
from tests.sinks.postgres_server import PASSWORD, PostgresServer, Schema
from tests.sinks.support import BATCHES, PARTS, order, part_of, store
from tests.sinks.tabular import batches_of, from_postgres, in_order, in_postgres, lines_of, order_of
from tests.test_docs import blocks as blocks_of_readme

pytestmark = pytest.mark.postgres


def rows(*numbers: int) -> tuple[Batch, ...]:
    return (Batch(b"".join(b'{"campaignId":"%d"}\n' % number for number in numbers), len(numbers)),)


@pytest.mark.parametrize("entity", Entity)
async def test_every_row_is_there_in_its_columns(
    entity: Entity, schema: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows that came in, in the view of the entity, whatever the blocks they were loaded in."""
    monkeypatch.setattr(blocks, "ROWS", 60)
    lines = lines_of(entity)
    receipt = await store(schema.sink(), order_of(entity), batches_of(lines))
    found = schema.ask(f"select * from {TABLES[entity]}")  # noqa: S608

    assert receipt.rows == len(lines)
    assert receipt.bytes == sum(len(line) + 1 for line in lines)
    assert receipt.location == f"postgresql://127.0.0.1:{schema.server.port}/ads:{schema.name}.{TABLES[entity]}"
    assert in_order(from_postgres(row, entity) for row in found) == in_order(in_postgres(lines, entity))
    assert {row["export_id"] for row in found} == {"export-1"}


async def test_it_is_found_again(schema: Schema) -> None:
    """By the ledger: the same job and the same filters."""
    sink = schema.sink()
    receipt = await store(sink)
    assert await sink.find(order()) == receipt
    assert await sink.find(order(snapshot="other")) is None
    assert await sink.find(order(filters=Filters(states=("PAUSED",)))) is None
    assert await sink.find(order(account="other")) is None


async def test_a_snapshot_that_is_pulled_again_takes_its_own_place(schema: Schema) -> None:
    """No row stands twice."""
    await store(schema.sink())
    receipt = await store(schema.sink(), batches=rows(7))
    assert schema.ids() == ["7"]
    assert await schema.sink().find(order()) == receipt


async def test_the_view_shows_the_newest_snapshot_of_each_profile(schema: Schema) -> None:
    """The table behind it keeps them all."""
    async with schema.sink() as sink:
        await store(sink, order(snapshot="b"), rows(1, 2))
        await store(sink, order(snapshot="b", profile_id="9"), rows(8))
        await store(sink, order(snapshot="a"), rows(3))
    assert schema.ids() == ["3", "8"]
    assert schema.ids("campaigns_rows") == ["1", "2", "3", "8"]


async def test_an_empty_snapshot(schema: Schema) -> None:
    """It is one, and what came before is not the newest any more."""
    await store(schema.sink(), order(snapshot="a"), rows(1))
    receipt = await store(schema.sink(), order(snapshot="b"), ())
    assert receipt.rows == 0
    assert schema.ids() == []


async def test_rows_that_were_never_sealed(schema: Schema) -> None:
    """A transfer that ends early leaves nothing."""
    with pytest.raises(SinkError, match="never sealed"):
        async with schema.sink().open(order()) as writer:
            await writer.write(BATCHES[0])
    assert schema.ids("campaigns_rows") == []
    assert await schema.sink().find(order()) is None


async def test_a_commit_that_fails_leaves_what_was_there(schema: Schema, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows and ledger change together or not at all."""
    receipt = await store(schema.sink())
    with monkeypatch.context() as patched:
        patched.setattr("asyncexport.sinks.pg.ledger.Ledger._note", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await store(schema.sink(), batches=rows(7))
    assert schema.ids() == ["1", "2", "3"]
    assert await schema.sink().find(order()) == receipt


async def test_a_writer_that_is_cancelled_leaves_nothing(schema: Schema, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled while rows are on their way; the next export has nothing of them."""
    monkeypatch.setattr(blocks, "ROWS", 1)
    entered = asyncio.Event()

    async def write(sink: Postgres) -> None:
        async with sink.open(order()) as writer:
            await writer.write(BATCHES[0])
            entered.set()
            await asyncio.Event().wait()

    async with schema.sink() as sink:
        task = asyncio.create_task(write(sink))
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert schema.ids("campaigns_rows") == []
        await store(sink, batches=rows(7))
    assert schema.ids("campaigns_rows") == ["7"]


async def test_many_exports_at_once(schema: Schema) -> None:
    """Each commits its own rows, and those that are of one job one after the other, so that one of them is left."""
    orders = [order(profile_id=str(number // 2)) for number in range(8)]
    async with schema.sink() as sink:
        await asyncio.gather(*(store(sink, each, rows(int(each.job.profile.profile_id))) for each in orders))
    assert schema.ids("campaigns_rows") == [str(number) for number in range(4)]
    assert schema.ask("select count(*) as lines from ledger") == [{"lines": 4}]


async def test_a_history_that_nobody_has_counted(schema: Schema, monkeypatch: pytest.MonkeyPatch) -> None:
    """Old rows and new ones are hashed, never compared each with each, though the server believes they are few."""
    plans: list[str] = []

    async def execute(self: asyncpg.Connection[asyncpg.Record], query: str, *arguments: Any, **more: Any) -> str:
        if "_rows" in query and "not exists" in query:
            plans.append("\n".join(line for (line,) in await self.fetch(f"explain {query}", *arguments)))
        return await executing(self, query, *arguments, **more)

    executing = asyncpg.Connection.execute
    async with schema.sink("history") as sink:
        for night, more in ((0, b""), (1, b'"name":"new",')):
            lines = b"".join(b'{%b"campaignId":"%d"}\n' % (more if n % 3 else b"", n) for n in range(3000))
            if night:
                monkeypatch.setattr(asyncpg.Connection, "execute", execute)
            await store(sink, order(snapshot=str(night)), (Batch(lines, 3000),))
    assert len(plans) == 3
    assert not [plan for plan in plans if "Nested Loop" in plan or "SubPlan" in plan]
    assert schema.ask("select count(*) as rows from campaigns") == [{"rows": 3000}]


async def test_text_is_what_it_was_whatever_the_dsn_says(schema: Schema) -> None:
    """An encoding in it is for other clients."""
    sink = schema.sink(dsn=f"{schema.server.dsn}?client_encoding=latin1")
    await store(sink, order(), (Batch('{"campaignId":"1","name":"Größe €"}\n'.encode(), 1),))
    assert schema.say("select name from campaigns") == ["Größe €"]


async def test_parts_wait_until_all_are_there(schema: Schema) -> None:
    """What stands stays what readers see until the job is settled; then each row stands once."""
    async with schema.sink() as sink:
        before = await store(sink)
        receipts = [await store(sink, part_of(number), rows(10 + number)) for number in range(3)]
        assert await sink.find(order()) == before
        assert [await sink.find(part_of(number)) for number in range(3)] == receipts
        await sink.settle(order().job, 3)
        assert await sink.find(order()) == Receipt.of_parts(receipts)
        await sink.settle(order().job, 3)
    assert schema.ids() == ["10", "11", "12"]
    assert schema.ids("campaigns_staged") == []
    told = schema.ask("select export_id, snapshot, entity from campaigns order by campaignId")
    assert told == [{"export_id": f"export-{n}", "snapshot": "night", "entity": "campaigns"} for n in range(3)]


async def test_parts_that_a_killed_run_left_complete(schema: Schema) -> None:
    """They are the job: found, and put in their place."""
    receipts = [await store(schema.sink(), part_of(number), rows(10 + number)) for number in range(3)]
    assert schema.ids() == []
    assert await schema.sink().find(order()) == Receipt.of_parts(receipts)
    assert schema.ids() == ["10", "11", "12"]


async def test_a_part_is_missing(schema: Schema) -> None:
    """Two of three are not the job, and cannot be settled as such; the job in one piece takes their place."""
    sink = schema.sink()
    for number in (0, 2):
        await store(sink, part_of(number), rows(number))
    assert await sink.find(order()) is None
    assert await sink.find(part_of(1)) is None
    with pytest.raises(SinkError, match="have gone"):
        await sink.settle(order().job, 3)
    await store(sink)
    assert (schema.ids(), schema.ids("campaigns_staged")) == (["1", "2", "3"], [])


async def test_a_part_that_is_pulled_again(schema: Schema) -> None:
    """It takes its own place, also with other filters."""
    sink = schema.sink()
    await store(sink, part_of(0), rows(1))
    await store(sink, part_of(0), rows(2))
    assert schema.ids("campaigns_staged") == ["2"]
    assert await sink.find(part_of(0, PARTS[1:])) is None


async def test_latest_keeps_one_snapshot(schema: Schema) -> None:
    """The newest takes the place of the profile's rows; other profiles keep theirs."""
    async with schema.sink("latest") as sink:
        first = await store(sink, order(snapshot="a"), rows(1, 2))
        await store(sink, order(snapshot="a", profile_id="9"), rows(8))
        await store(sink, order(snapshot="b"), rows(2, 3))
        assert await sink.find(order(snapshot="a")) == first
    assert schema.ids() == schema.ids("campaigns_rows") == ["2", "3", "8"]


async def test_jobs_that_are_there(schema: Schema) -> None:
    """The ledger is read at once, whole jobs and those in parts; a schema that is not there is not made."""
    jobs = [order(snapshot=label).job for label in "abc"]
    assert schema.sink().there(jobs) == frozenset()
    assert schema.say(f"select nspname from pg_namespace where nspname = '{schema.name}'") == []  # noqa: S608
    async with schema.sink() as sink:
        await store(sink, order(snapshot="a"))
        parts = [replace(part_of(n), job=replace(part_of(n).job, snapshot="b"), split_from=jobs[1]) for n in range(3)]
        for part in parts:
            await store(sink, part)
        await sink.settle(jobs[1], 3)
        await store(sink, replace(parts[0], job=replace(parts[0].job, snapshot="c"), split_from=jobs[2]))
    assert schema.sink().there(jobs) == frozenset(jobs[:2])


async def test_a_schema_keeps_its_mode(schema: Schema) -> None:
    """Another mode is refused before anything is written."""
    assert await schema.sink().prepare() == BOUNDLESS
    with pytest.raises(SinkRejected, match="mode 'append'"):
        await schema.sink("history").prepare()


async def test_many_make_the_tables_at_once(schema: Schema) -> None:
    """One does, the others find them made."""
    await asyncio.gather(*(asyncio.to_thread(asyncio.run, schema.sink().prepare()) for _ in range(4)))
    assert schema.ask("select count(*) as lines from about") == [{"lines": 1}]


async def test_manifests_are_kept_in_a_table(schema: Schema) -> None:
    """By the name of the run; kept again it is the newer one."""
    sink = schema.sink()
    assert await sink.keep("night", b"{}") == f"{sink.place}:{schema.name}.runs:night"
    await sink.keep("night", b'{"jobs": []}')
    assert schema.ask("select name, manifest from runs") == [{"name": "night", "manifest": {"jobs": []}}]


async def test_a_writer_that_was_never_opened_commits_nothing(schema: Schema) -> None:
    """Steps out of order are a typed error."""
    from asyncexport.sinks.postgres import PostgresWriter

    writer = PostgresWriter(schema.sink(), order())
    writer.seal(Evidence(0, "gzip"))
    with pytest.raises(SinkError, match="not open"):
        await writer.finish()


@pytest.mark.parametrize("mode", get_args(Mode))
async def test_a_schema_whose_name_is_a_word_of_sql(postgres_server: PostgresServer, mode: Mode) -> None:
    """It is a name like any other."""
    postgres_server.start()
    async with Postgres(postgres_server.dsn, schema="user", mode=mode) as sink:
        try:
            receipts = [await store(sink, part_of(number)) for number in range(3)]
            assert await sink.find(order()) == Receipt.of_parts(receipts)
            assert sink.there([order().job]) == {order().job}
        finally:
            postgres_server.say('drop schema "user" cascade')


async def test_nothing_is_read_to_append(schema: Schema) -> None:
    """Rows are deleted only for a job that is there already, since all would be read to find none."""
    async with schema.sink() as sink:
        schema.say(
            "create function fail() returns trigger language plpgsql as $$ begin raise sqlstate 'XX000'; end $$; "
            "create trigger fail before delete on campaigns_rows execute function fail()"
        )
        await store(sink, order(snapshot="a"))
        for number in range(3):
            await store(sink, replace(part_of(number), job=replace(part_of(number).job, snapshot="b")))
        with pytest.raises(SinkError, match="XX000"):
            await store(sink, order(snapshot="a"))


async def test_names_and_notes_of_any_text(schema: Schema) -> None:
    """A manifest and a record are kept with whatever is in them: U+0000, and half of a character."""
    sink, odd = schema.sink(), '{"a": "\\u0000\\ud800"}'
    await sink.keep("night", odd.encode())
    assert schema.say("select manifest from runs") == [odd]
    async with sink.open(order()) as writer:
        writer.seal(Evidence(0, "gzip", notes=("a\0b",)))
    assert writer.receipt == await sink.find(order())


async def test_the_query_of_the_readme(schema: Schema) -> None:
    """It names columns as the API does, and finds them."""
    async with schema.sink() as sink:
        await store(sink, order_of(Entity.CAMPAIGNS), batches_of(lines_of(Entity.CAMPAIGNS)))
    (query,) = [block for block in blocks_of_readme("sql") if block.startswith("-- PostgreSQL")]
    found = schema.say(query.replace("asyncexport", schema.name))
    enabled = [row for row in map(json.loads, lines_of(Entity.CAMPAIGNS)) if row["state"] == "ENABLED"]
    assert sorted(line.split("|")[1] for line in found) == sorted(row["campaignId"] for row in enabled)


def test_what_cannot_work_is_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found when the sink is described, not when it is used."""
    dsn = "postgresql://host/ads"
    with pytest.raises(ConfigError, match="mode 'both' is none of append, latest, history"):
        Postgres(dsn, mode="both")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="no name in small letters"):
        Postgres(dsn, schema="Ads; drop")
    with pytest.raises(ConfigError, match="pg_ is PostgreSQL's own"):
        Postgres(dsn, schema="pg_ads")
    with pytest.raises(ConfigError, match="needs a dsn"):
        Postgres(None)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="snapshot label"):
        Postgres(dsn).open(order(snapshot="../x"))
    monkeypatch.setitem(__import__("sys").modules, "asyncpg", None)
    with pytest.raises(ConfigError, match=r"asyncexport\[postgres\]"):
        Postgres(dsn)


@pytest.mark.parametrize(
    ("dsn", "place"),
    [
        (f"postgres://ads:{PASSWORD}@db.example:5433/ads?sslmode=require", "postgresql://db.example:5433/ads"),
        (f"postgresql://a,b:5433/ads?user=ads&password={PASSWORD}", "postgresql://a,b:5433/ads"),
        ("postgresql:///ads?host=/run/postgresql", "postgresql:///ads"),
    ],
)
def test_it_travels_and_shows_no_secret(dsn: str, place: str) -> None:
    """The description is small, compares by value, keeps manifests and parts, and goes to worker processes."""
    sink = Postgres(dsn, mode="latest")
    assert pickle.loads(pickle.dumps(sink)) == sink == Postgres(Secret(dsn), mode="latest")  # noqa: S301 - our own
    assert isinstance(sink, Travels)
    assert sink.travels
    assert isinstance(sink, KeepsParts)
    assert isinstance(sink, KeepsManifests)
    assert repr(sink) == f"Postgres('{place}', schema='asyncexport', mode='latest')"
    assert PASSWORD not in sink.location(order())
