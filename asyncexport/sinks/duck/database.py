"""One open DuckDB file, shared by everybody in this process, and one thread that does all its work. Needs duckdb.

Contract: DuckDB allows one process to write a file. Within it the transactions of many exports are queued: whatever is
given to :meth:`Database.do` runs alone, in order, off the loop, and comes to its end even when its caller is cancelled.
Errors are the library's own: :class:`SinkLocked` if another process has the file.

Plan: :func:`acquire` opens the file for the first user and :meth:`Database.leave` closes it after the last; opening
takes some milliseconds, so who has many exports holds it meanwhile.

Worst case: after a full disk DuckDB gives the open file up; whatever is open then fails, and what comes next opens it
anew. DuckDB keeps to :data:`MEMORY` and beyond it writes to ``FILE.tmp/``, which it removes.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any, Final, TypeAlias, TypeVar
from weakref import WeakSet

import duckdb

from asyncexport.adapters.threads import ended
from asyncexport.errors import DiskFull, SinkError, SinkLocked, SinkRejected

T = TypeVar("T")

MEMORY: Final = "1GiB"

Cursor: TypeAlias = Any
"""A ``duckdb.DuckDBPyConnection``."""

_open: dict[str, Database] = {}
_opening = Lock()


class Database:
    """An open file, and how many use it. ``modes``: those that its tables are known to have."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.modes: set[str] = set()
        self._users = 0
        self._connection: Cursor = None
        self._cursors: WeakSet[Cursor] = WeakSet()
        self._thread = ThreadPoolExecutor(1, "duckdb")

    async def do(self, work: Callable[[Cursor], T]) -> T:
        """Return what ``work`` returns, given the connection, in the one thread. Raises as :func:`failing` does."""
        return await ended(asyncio.get_running_loop().run_in_executor(self._thread, self._run, work))

    def do_now(self, work: Callable[[Cursor], T]) -> T:
        """Return what ``work`` returns, as :meth:`do` does. Blocks."""
        return self._thread.submit(self._run, work).result()

    def do_later(self, work: Callable[[Cursor], object]) -> None:
        """Have something done that nobody waits for and whose failure is nobody's."""

        def quietly() -> None:
            with suppress(SinkError):
                self._run(work)

        self._thread.submit(quietly)

    def release(self) -> None:
        """Use it no longer; never waits, so that it may be closed a moment later."""
        if self._left():
            self._thread.submit(self._close)
            self._thread.shutdown(wait=False)

    async def leave(self) -> None:
        """Use it no longer; back when it is closed, if nobody else does."""
        if self._left():
            await ended(asyncio.get_running_loop().run_in_executor(self._thread, self._close))
            self._thread.shutdown(wait=False)

    def _left(self) -> bool:
        with _opening:
            self._users -= 1
            if self._users == 0:
                del _open[self.path]
            return self._users == 0

    def joined(self) -> Database:
        """Count one user more; for :func:`acquire` alone."""
        self._users += 1
        return self

    def _run(self, work: Callable[[Cursor], T]) -> T:
        with failing(self.path):
            if self._connection is None:
                self._connection = _connect(self.path)
            try:
                result = work(self._connection)
            except duckdb.Error:
                if _is_dead(self._connection):
                    self._close()
                raise
            _keep_private(self.path)
            return result

    def cursor(self, connection: Cursor) -> Cursor:
        """Return a cursor of its own for one export, which ends with the connection."""
        cursor = connection.cursor()
        self._cursors.add(cursor)
        return cursor

    def _close(self) -> None:
        """Close it and all its cursors, so that the next work opens the file anew: one of them keeps it as it is."""
        for each in (*self._cursors, *filter(None, [self._connection])):
            with suppress(duckdb.Error):
                each.close()
        self._cursors.clear()
        self._connection = None
        self.modes.clear()

    def __repr__(self) -> str:
        return f"<Database {self.path} of {self._users}>"


def acquire(path: str) -> Database:
    """Return the database at ``path``, to be released once; the file is opened by the first thing it does."""
    path = os.path.realpath(path)
    with _opening:
        if path not in _open:
            _open[path] = Database(path)
        return _open[path].joined()


def _connect(path: str) -> Cursor:
    is_new = not Path(path).exists()
    connection = duckdb.connect(path)  # without a configuration, as whoever has it open in this process
    if is_new:
        Path(path).chmod(0o600)
    connection.execute(f"set memory_limit = '{MEMORY}'")
    return connection


def _is_dead(connection: Cursor) -> bool:
    """Whether DuckDB has given the open file up, as it does after a write-ahead log that could not be written."""
    try:
        connection.execute("select 1")
    except duckdb.Error:
        return True
    return False


def _keep_private(path: str) -> None:
    """Let the log beside the file be read by those who may read the file: DuckDB makes both as the umask says."""
    with suppress(FileNotFoundError):
        Path(f"{path}.wal").chmod(Path(path).stat().st_mode & 0o666)


@contextmanager
def failing(path: str) -> Iterator[None]:
    """Turn DuckDB's errors into :class:`SinkError` and its children, which name the file and the fix."""
    try:
        yield
    except duckdb.Error as error:
        raise _sink_error(error, path) from None


@contextmanager
def reading(path: str) -> Iterator[Cursor]:
    """Open the file to be read, by nobody else in this process. Raises as :func:`failing` does."""
    with failing(path), duckdb.connect(path, read_only=True) as connection:
        yield connection


def read(path: str, work: Callable[[Cursor], T]) -> T:
    """Return what ``work`` returns, given a connection that it only reads by. Blocks. Raises as :func:`failing` does.

    DuckDB opens no file to be read that this process has open to be written; that is then what is read.
    """
    with _opening:
        database = _open.get(os.path.realpath(path))
        if database is not None:
            database.joined()
    if database is None:
        with reading(path) as connection:
            return work(connection)
    try:
        return database.do_now(work)
    finally:
        database.release()


@contextmanager
def undone_by_errors(cursor: Cursor) -> Iterator[None]:
    """Make what is done in the block one transaction, which an error undoes."""
    cursor.begin()
    try:
        yield
        cursor.commit()
    except BaseException:
        with suppress(duckdb.Error):
            cursor.rollback()
        raise


def _sink_error(error: duckdb.Error, path: str) -> SinkError:
    said = str(error).splitlines()[0][:300]
    if "No space left" in said:
        return DiskFull(f"{path}: no space left; free some space, then run again")
    if "lock on file" in said:
        return SinkLocked(f"{path} is open in another process; close it there, then run again")
    if "different configuration" in said:
        return SinkLocked(f"{path} is open in this process by other means, such as read_only; close it, then run again")
    if "not a valid DuckDB database" in said:
        return SinkRejected(f"{path} is no DuckDB database; move it away or choose another file")
    if isinstance(error, duckdb.TransactionException):
        return SinkLocked(f"{path}: somebody else changed the same rows; run again ({said})")
    return SinkError(f"{path}: {said}")
