"""One open file for everybody in the process, and errors that are the library's own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from asyncexport.errors import DiskFull, SinkError, SinkLocked, SinkRejected
from asyncexport.sinks.duck.database import acquire, failing, read, undone_by_errors


def one(cursor: Any) -> Any:
    return cursor.execute("select 1").fetchone()


def modes(folder: Path) -> dict[str, str]:
    return {path.name: oct(path.stat().st_mode & 0o777) for path in folder.iterdir()}


async def test_users_share_it(tmp_path: Path) -> None:
    """It is open as long as anybody uses it, by whatever name, and can be opened again afterwards."""
    (tmp_path / "link").symlink_to(tmp_path)
    first, second = acquire(str(tmp_path / "a.duckdb")), acquire(str(tmp_path / "link/a.duckdb"))
    assert first is second
    assert repr(first) == f"<Database {tmp_path}/a.duckdb of 2>"
    first.release()
    assert await second.do(one) == (1,)
    second.release()
    third = acquire(str(tmp_path / "a.duckdb"))
    assert third is not first
    assert await third.do(one) == (1,)
    await third.leave()
    duckdb.connect(str(tmp_path / "a.duckdb"), read_only=True).close()


async def test_work_is_queued(tmp_path: Path) -> None:
    """One thing at a time, in the order in which it came."""
    database = acquire(str(tmp_path / "a.duckdb"))
    running: list[int] = []
    seen: list[int] = []

    def work(number: int) -> None:
        running.append(number)
        assert len(running) == 1
        seen.append(number)
        running.remove(number)

    await asyncio.gather(*(database.do(lambda _cursor, at=at: work(at)) for at in range(20)))  # type: ignore[misc]
    assert seen == list(range(20))
    database.release()


async def test_a_program_looks_into_the_file_that_is_open(tmp_path: Path) -> None:
    """Whoever opens it in this process in the usual way, before us or after us; what only reads uses what is open."""
    path = str(tmp_path / "a.duckdb")
    with duckdb.connect(path) as notebook:
        database = acquire(path)
        assert await database.do(one) == one(notebook) == (1,)
        with duckdb.connect(path) as another:
            assert one(another) == (1,)
        assert read(path, one) == (1,)
        await database.leave()
    assert read(path, one) == (1,)


async def test_a_file_that_is_open_to_be_read_in_this_process(tmp_path: Path) -> None:
    """Cannot be written; who has it open can close it."""
    path = str(tmp_path / "a.duckdb")
    duckdb.connect(path).close()
    database = acquire(path)
    with (
        duckdb.connect(path, read_only=True),
        pytest.raises(SinkLocked, match=r"open in this process by other means, such as read_only; close it"),
    ):
        await database.do(one)
    assert await database.do(one) == (1,)
    await database.leave()


async def test_a_file_that_duckdb_has_given_up(tmp_path: Path) -> None:
    """What is open fails with it, and the next work opens it anew; an error that leaves it alive does not."""
    database = acquire(str(tmp_path / "a.duckdb"))
    cursors: list[Any] = []

    def open_cursor(connection: Any) -> None:
        connection.execute("create temp table seen as select 1")
        cursors.append(database.cursor(connection))

    def die(connection: Any) -> None:
        connection.close()
        raise duckdb.FatalException("database has been invalidated")

    await database.do(open_cursor)
    database.modes.add("append")
    with pytest.raises(SinkError):
        await database.do(lambda connection: connection.execute("nonsense"))
    assert (one(cursors[0]), database.modes) == ((1,), {"append"})
    with pytest.raises(SinkError, match="has been invalidated"):
        await database.do(die)
    assert database.modes == set()
    with pytest.raises(SinkError, match="closed"):
        await database.do(lambda _connection: one(cursors[0]))
    assert await database.do(one) == (1,)
    await database.leave()


async def test_what_nobody_waits_for_fails_quietly(tmp_path: Path) -> None:
    """And what comes after it is done."""
    database = acquire(str(tmp_path / "a.duckdb"))
    database.do_later(lambda cursor: cursor.execute("nonsense"))
    assert await database.do(one) == (1,)
    database.release()


async def test_the_file_is_private(tmp_path: Path) -> None:
    """So is the log that DuckDB keeps beside it."""
    database = acquire(str(tmp_path / "a.duckdb"))
    await database.do(lambda cursor: cursor.execute("create table a as select 1 as b"))
    assert modes(tmp_path) == {"a.duckdb": "0o600", "a.duckdb.wal": "0o600"}
    database.release()


async def test_a_file_that_its_owner_lets_others_read(tmp_path: Path) -> None:
    """Stays so, with its log."""
    path = tmp_path / "a.duckdb"
    duckdb.connect(str(path)).close()
    path.chmod(0o640)
    database = acquire(str(path))
    await database.do(lambda cursor: cursor.execute("create table a as select 1 as b"))
    assert modes(tmp_path) == {"a.duckdb": "0o640", "a.duckdb.wal": "0o640"}
    await database.leave()


async def test_a_file_that_another_process_has_open(tmp_path: Path) -> None:
    """It is told which file, and that it will be free again."""
    path = str(tmp_path / "a.duckdb")
    code = f"import duckdb, sys; c = duckdb.connect({path!r}); print('open', flush=True); sys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: ASYNC220, S603
    assert process.stdin is not None
    assert process.stdout is not None
    with process, process.stdin:
        assert process.stdout.readline() == b"open\n"
        database = acquire(path)
        with pytest.raises(SinkLocked, match=r"a\.duckdb is open in another process") as caught:
            await database.do(one)
        database.release()
        with pytest.raises(SinkLocked):
            read(path, one)
    assert caught.value.temporary


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (duckdb.IOException("IO Error: Could not set lock on file"), SinkLocked, "another process"),
        (duckdb.IOException("it is not a valid DuckDB database file!"), SinkRejected, "no DuckDB database"),
        (duckdb.TransactionException("Conflict on update!"), SinkLocked, "run again"),
        (duckdb.IOException("Could not write: No space left on device"), DiskFull, "free some space"),
        (duckdb.TransactionException("Failed to commit: No space left on device"), DiskFull, "free some space"),
        (duckdb.Error("Something\nand its history"), SinkError, r"^here: Something$"),
    ],
)
def test_errors_are_the_librarys(error: duckdb.Error, kind: type[SinkError], text: str) -> None:
    """One line that names the file and the fix."""
    with pytest.raises(kind, match=text) as caught, failing("here"):
        raise error
    assert type(caught.value) is kind
    assert caught.value.__cause__ is None


def test_an_error_undoes_a_transaction() -> None:
    """Whatever kind it is of."""
    with duckdb.connect() as cursor:
        cursor.execute("create table a (b integer)")
        with pytest.raises(KeyError), undone_by_errors(cursor):
            cursor.execute("insert into a values (1)")
            raise KeyError
        assert cursor.execute("select * from a").fetchall() == []
        with undone_by_errors(cursor):
            cursor.execute("insert into a values (2)")
        assert cursor.execute("select * from a").fetchall() == [(2,)]
