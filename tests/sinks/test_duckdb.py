"""DuckDB: exports in one file, each committed once with its line in the ledger, and views of what is newest."""

from __future__ import annotations

import asyncio
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from asyncexport.batch import Batch
from asyncexport.errors import ConfigError, DiskFull, SinkError, SinkRejected
from asyncexport.models import Entity, Evidence, Filters, Receipt
from asyncexport.ports import KeepsManifests, KeepsParts, Travels
from asyncexport.sinks import DuckDB
from asyncexport.sinks.arrow import blocks
from asyncexport.sinks.databases import TABLES, Mode
from tests.sinks.support import BATCHES, PARTS, order, part_of, store, tree
from tests.sinks.tabular import batches_of, in_columns, lines_of, order_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ads.duckdb"


def read(path: Path, query: str) -> list[tuple[Any, ...]]:
    """Ask the file, by a reader that is not ours."""
    with duckdb.connect(path) as connection:
        return connection.execute(query).fetchall()


def ids(path: Path, table: str = "campaigns") -> list[str]:
    return [row[0] for row in read(path, f"select campaignId from {table} order by campaignId")]  # noqa: S608


def rows(*numbers: int) -> tuple[Batch, ...]:
    return (Batch(b"".join(b'{"campaignId":"%d"}\n' % number for number in numbers), len(numbers)),)


@pytest.mark.parametrize("entity", Entity)
async def test_every_row_is_there_in_its_columns(entity: Entity, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows that came in, in the view of the entity, whatever the blocks they were loaded in."""
    monkeypatch.setattr(blocks, "ROWS", 60)
    lines = lines_of(entity)
    receipt = await store(DuckDB(path), order_of(entity), batches_of(lines))
    with duckdb.connect(path) as connection:
        found = pa.table(connection.table(TABLES[entity])).to_pylist()

    assert receipt.rows == len(lines)
    assert receipt.bytes == sum(len(line) + 1 for line in lines)
    assert receipt.location == f"{path}:{TABLES[entity]}"
    assert [dict(list(row.items())[7:]) for row in found] == in_columns(lines, entity)
    assert {row["export_id"] for row in found} == {"export-1"}


async def test_it_is_found_again(path: Path) -> None:
    """By the ledger: the same job and the same filters."""
    receipt = await store(DuckDB(path))
    assert await DuckDB(path).find(order()) == receipt
    assert await DuckDB(path).find(order(snapshot="other")) is None
    assert await DuckDB(path).find(order(filters=Filters(states=("PAUSED",)))) is None
    assert await DuckDB(path).find(order(account="other")) is None


async def test_a_snapshot_that_is_pulled_again_takes_its_own_place(path: Path) -> None:
    """No row stands twice."""
    await store(DuckDB(path))
    receipt = await store(DuckDB(path), batches=rows(7))
    assert ids(path) == ["7"]
    assert await DuckDB(path).find(order()) == receipt


async def test_the_view_shows_the_newest_snapshot_of_each_profile(path: Path) -> None:
    """The table behind it keeps them all."""
    sink = DuckDB(path)
    async with sink:
        await store(sink, order(snapshot="b"), rows(1, 2))
        await store(sink, order(snapshot="b", profile_id="9"), rows(8))
        await store(sink, order(snapshot="a"), rows(3))
    assert ids(path) == ["3", "8"]
    assert ids(path, "snapshots.campaigns") == ["1", "2", "3", "8"]


async def test_an_empty_snapshot(path: Path) -> None:
    """It is one, and what came before is not the newest any more."""
    await store(DuckDB(path), order(snapshot="a"), rows(1))
    receipt = await store(DuckDB(path), order(snapshot="b"), ())
    assert receipt.rows == 0
    assert ids(path) == []


async def test_rows_that_were_never_sealed(path: Path) -> None:
    """A transfer that ends early leaves nothing, and the file can be used by others."""
    with pytest.raises(SinkError, match="never sealed"):
        async with DuckDB(path).open(order()) as writer:
            await writer.write(BATCHES[0])
    assert ids(path, "snapshots.campaigns") == []
    assert await DuckDB(path).find(order()) is None


async def test_a_commit_that_fails_leaves_what_was_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows and ledger change together or not at all."""
    receipt = await store(DuckDB(path))
    monkeypatch.setattr("asyncexport.sinks.duck.ledger._note", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        await store(DuckDB(path), batches=rows(7))
    assert ids(path) == ["1", "2", "3"]
    assert await DuckDB(path).find(order()) == receipt


async def test_a_writer_that_is_cancelled_leaves_nothing(path: Path) -> None:
    """Cancelled while rows are coming in."""
    entered = asyncio.Event()

    async def write() -> None:
        async with DuckDB(path).open(order()) as writer:
            await writer.write(BATCHES[0])
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ids(path, "snapshots.campaigns") == []


async def test_many_exports_at_once_are_queued(path: Path) -> None:
    """Several open transactions are no error, and each commits its own rows."""
    sink = DuckDB(path)
    orders = [order(profile_id=str(number)) for number in range(8)]
    async with sink:
        await asyncio.gather(*(store(sink, each, rows(int(each.job.profile.profile_id))) for each in orders))
    assert ids(path) == [str(number) for number in range(8)]


async def test_parts_wait_until_all_are_there(path: Path) -> None:
    """What stands stays what readers see until the job is settled; then each row stands once."""
    sink = DuckDB(path)
    async with sink:
        before = await store(sink)
        receipts = [await store(sink, part_of(number), rows(10 + number)) for number in range(3)]
        assert await sink.find(order()) == before
        assert [await sink.find(part_of(number)) for number in range(3)] == receipts
        await sink.settle(order().job, 3)
        assert await sink.find(order()) == Receipt.of_parts(receipts)
        await sink.settle(order().job, 3)
    assert ids(path) == ["10", "11", "12"]
    assert ids(path, "staged.campaigns") == []


@pytest.mark.parametrize("mode", ["append", "latest", "history"])
async def test_nothing_is_held_for_a_job_that_is_settled(mode: Mode, path: Path) -> None:
    """A file that stays open for a night gathers no temporary tables and views."""
    held = (
        "select table_name from duckdb_tables() where temporary "
        "union all select view_name from duckdb_views() where temporary and not internal"
    )
    sink = DuckDB(path, mode=mode)
    async with sink:
        for number in range(3):
            await store(sink, part_of(number), rows(10 + number))
        await sink.settle(order().job, 3)
        await store(sink, order(snapshot="next"), rows(1))
        database = sink.acquire()
        assert await database.do(lambda cursor: cursor.execute(held).fetchall()) == []
        await database.leave()


async def test_parts_that_a_killed_run_left_complete(path: Path) -> None:
    """They are the job: found, and put in their place."""
    receipts = [await store(DuckDB(path), part_of(number), rows(10 + number)) for number in range(3)]
    assert ids(path) == []
    assert await DuckDB(path).find(order()) == Receipt.of_parts(receipts)
    assert ids(path) == ["10", "11", "12"]


async def test_a_part_is_missing(path: Path) -> None:
    """Two of three are not the job, and cannot be settled as such; the job in one piece takes their place."""
    sink = DuckDB(path)
    for number in (0, 2):
        await store(sink, part_of(number), rows(number))
    assert await sink.find(order()) is None
    assert await sink.find(part_of(1)) is None
    with pytest.raises(SinkError, match="have gone"):
        await sink.settle(order().job, 3)
    await store(sink)
    assert (ids(path), ids(path, "staged.campaigns")) == (["1", "2", "3"], [])


async def test_a_part_that_is_pulled_again(path: Path) -> None:
    """It takes its own place, also with other filters."""
    sink = DuckDB(path)
    await store(sink, part_of(0), rows(1))
    await store(sink, part_of(0), rows(2))
    assert ids(path, "staged.campaigns") == ["2"]
    assert await sink.find(part_of(0, PARTS[1:])) is None


async def test_latest_keeps_one_snapshot(path: Path) -> None:
    """The newest takes the place of the profile's rows; other profiles keep theirs."""
    sink = DuckDB(path, mode="latest")
    first = await store(sink, order(snapshot="a"), rows(1, 2))
    await store(sink, order(snapshot="a", profile_id="9"), rows(8))
    await store(sink, order(snapshot="b"), rows(2, 3))
    assert ids(path) == ids(path, "snapshots.campaigns") == ["2", "3", "8"]
    assert await sink.find(order(snapshot="a")) == first


async def test_jobs_that_are_there(path: Path) -> None:
    """The ledger is read at once, whole jobs and those in parts; a file that is not there is not made."""
    sink = DuckDB(path)
    jobs = [order(snapshot=label).job for label in "abc"]
    assert sink.there(jobs) == frozenset()
    assert tree(path.parent) == {}
    async with sink:
        await store(sink, order(snapshot="a"))
        parts = [replace(part_of(n), job=replace(part_of(n).job, snapshot="b"), split_from=jobs[1]) for n in range(3)]
        for part in parts:
            await store(sink, part)
        await sink.settle(jobs[1], 3)
        await store(sink, replace(parts[0], job=replace(parts[0].job, snapshot="c"), split_from=jobs[2]))
    assert sink.there(jobs) == frozenset(jobs[:2])


async def test_a_file_keeps_its_mode(path: Path) -> None:
    """Another mode is refused before anything is written."""
    await DuckDB(path).prepare()
    with pytest.raises(SinkRejected, match="mode 'append'"):
        await DuckDB(path, mode="history").prepare()


async def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    """And left as it is."""
    (tmp_path / "mine").write_bytes(b"mine" * 5000)
    with pytest.raises(SinkRejected, match="no DuckDB database"):
        await DuckDB(tmp_path / "mine").prepare()
    assert tree(tmp_path) == {"mine": b"mine" * 5000}


async def test_preparing_looks_at_the_folder_first(tmp_path: Path) -> None:
    """It is made, its room is told, and want of room is refused."""
    assert await DuckDB(tmp_path / "new" / "ads.duckdb").prepare() > 0
    with pytest.raises(DiskFull):
        await DuckDB(tmp_path / "new" / "ads.duckdb").prepare(needed=1 << 60)
    (tmp_path / "file").touch()
    with pytest.raises(SinkError):
        await DuckDB(tmp_path / "file" / "ads.duckdb").prepare()


async def test_manifests_are_kept_beside_it(path: Path) -> None:
    """As those of a sink of files."""
    assert await DuckDB(path).keep("night", b"{}") == str(path.parent / "_runs/night.json")
    assert (path.parent / "_runs/night.json").read_bytes() == b"{}"


async def test_a_writer_that_was_never_opened_commits_nothing(path: Path) -> None:
    """Steps out of order are a typed error."""
    from asyncexport.sinks.duckdb import DuckDBWriter

    writer = DuckDBWriter(DuckDB(path), order())
    writer.seal(Evidence(0, "gzip"))
    with pytest.raises(SinkError, match="not open"):
        await writer.finish()


def test_what_cannot_work_is_a_mistake(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found when the sink is described, not when it is used."""
    with pytest.raises(ConfigError, match="mode 'both' is none of append, latest, history"):
        DuckDB(path, mode="both")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="path of a file"):
        DuckDB("")
    with pytest.raises(ConfigError, match="snapshot label"):
        DuckDB(path).open(order(snapshot="../x"))
    monkeypatch.setitem(__import__("sys").modules, "duckdb", None)
    with pytest.raises(ConfigError, match=r"asyncexport\[duckdb\]"):
        DuckDB(path)


def test_it_stays_in_this_process(path: Path) -> None:
    """One process writes a file; the description is small, compares by value, keeps manifests and parts."""
    sink = DuckDB(path, mode="latest")
    assert pickle.loads(pickle.dumps(sink)) == sink  # noqa: S301 - our own bytes
    assert isinstance(sink, Travels)
    assert not sink.travels
    assert isinstance(sink, KeepsParts)
    assert isinstance(sink, KeepsManifests)
    assert repr(sink) == f"DuckDB(path='{path}', mode='latest')"
