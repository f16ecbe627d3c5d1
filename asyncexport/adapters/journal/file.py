"""The file: made, held to be ours and whole, or refused with the way out; errors in our own words.

Nothing is guessed out of a file that is damaged, foreign or of a later version. A file that a killed run had just made
is empty and is made anew. One of an earlier version is brought to ours by the next run, in one transaction.

Two tables. ``job`` has a row for each job of each label: where it stands. A job that is taken in parts has their
filters in ``split``, and each part a row of its own, which names the job's filters in ``whole`` and its number in
``part``. ``habit`` has a row for each subject, whatever the label: what earlier nights taught.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from asyncexport.adapters.folders import make_private
from asyncexport.adapters.journal.rows import as_text
from asyncexport.errors import DiskFull, StateCorrupt, StateError

FILE = "journal.sqlite3"
KEPT_SECONDS = 35 * 86_400.0
"""So long a job is remembered."""

HABITS_KEPT_SECONDS = 120 * 86_400.0
"""So long what was learned of a job is remembered."""

APPLICATION_ID = 0x61787031
_VERSION = 2
_JOB = """
create table job (
    snapshot text not null, account text not null, region text not null, profile_id text not null,
    entity text not null, filters text not null,
    state text not null, export_id text not null, asked_at real not null, noted_at real not null,
    rows integer not null, location text not null, error text not null,
    split text not null default '', whole text not null default '', part integer not null default 0,
    primary key (snapshot, account, region, profile_id, entity, filters)
) without rowid
"""
_HABIT = """
create table habit (
    account text not null, region text not null, profile_id text not null, entity text not null, filters text not null,
    log_seconds real, nights integer not null, split text not null, noted_at real not null,
    primary key (account, region, profile_id, entity, filters)
) without rowid
"""
_TO_VERSION_2 = (
    "alter table job add column split text not null default ''",
    "alter table job add column whole text not null default ''",
    "alter table job add column part integer not null default 0",
    _HABIT,
)
_AS_VERSION_2 = (
    "create temp view job as select *, '' as split, '' as whole, 0 as part from main.job",
    _HABIT.replace("create", "create temp"),
)
"""For who only looks at a journal of version 1: what stands in front of its tables."""

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH}


def connect(path: Path) -> sqlite3.Connection:
    """Open the file as it is; any thread may use the connection."""
    connection = sqlite3.connect(path, timeout=30.0, check_same_thread=False)
    connection.text_factory = as_text
    return connection


def opened(path: Path, now: float) -> sqlite3.Connection:
    """Open the journal for writing, made if it is not there. Raises :class:`StateCorrupt` or :class:`StateError`."""
    with translated(path):
        make_private(path.parent)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        connection = connect(path)
        try:
            _make_or_refuse(connection, path)
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = full")
            with connection:
                connection.execute("delete from job where noted_at < ?", (now - KEPT_SECONDS,))
                connection.execute("delete from habit where noted_at < ?", (now - HABITS_KEPT_SECONDS,))
        except BaseException:
            connection.close()
            raise
        return connection


def _make_or_refuse(connection: sqlite3.Connection, path: Path) -> None:
    if is_empty(connection):
        mark = f"pragma application_id = {APPLICATION_ID}"
        _change(connection, (_JOB, _HABIT, mark))
    version = version_of(connection, path)
    if (verdict := connection.execute("pragma quick_check(1)").fetchone()[0]) != "ok":
        raise StateCorrupt(_advice(path, f"it is damaged ({verdict})"))
    if version < _VERSION:
        _change(connection, _TO_VERSION_2)


def _change(connection: sqlite3.Connection, statements: Iterable[str]) -> None:
    """Bring the file to our version: wholly, or, killed meanwhile, not at all."""
    with connection:
        connection.execute("begin immediate")  # without it each statement would commit by itself
        for statement in statements:
            connection.execute(statement)
        connection.execute(f"pragma user_version = {_VERSION}")


def is_empty(connection: sqlite3.Connection) -> bool:
    """Tell a file that a killed run had just made from one that holds something."""
    return not connection.execute("select count(*) from sqlite_master").fetchone()[0]


def version_of(connection: sqlite3.Connection, path: Path) -> int:
    """Return the version, ours or an earlier one.

    Raises :class:`StateCorrupt` for a file of another program, or of a later version of this one.
    """
    if connection.execute("pragma application_id").fetchone()[0] != APPLICATION_ID:
        raise StateCorrupt(_advice(path, "it is no journal of asyncexport"))
    version = int(connection.execute("pragma user_version").fetchone()[0])
    if not 1 <= version <= _VERSION:
        raise StateCorrupt(_advice(path, f"it has version {version}, and this program reads version {_VERSION}"))
    return version


def let_look(connection: sqlite3.Connection, path: Path) -> None:
    """Let an earlier version be read as if it were ours, without a change to it. Raises as :func:`version_of` does."""
    if version_of(connection, path) < _VERSION:
        for statement in _AS_VERSION_2:
            connection.execute(statement)


def put_aside(path: Path) -> None:
    """Rename a file that cannot be used, and what SQLite keeps beside it."""
    number = len(list(path.parent.glob(f"{path.name}.unusable-*")))
    for file in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        if file.exists():
            file.rename(file.with_name(f"{file.name}.unusable-{number}"))


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Say in our own words what SQLite and the file system complain about."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            raise DiskFull(f"{path}: no space left for the journal; free some and run again") from None
        if code in _DAMAGED:
            raise StateCorrupt(_advice(path, f"it is damaged ({error})")) from None
        raise StateError(f"{path}: {error}; check the folder, or choose another state_dir") from None
    except (ValueError, TypeError):
        raise StateCorrupt(_advice(path, "it holds what a journal never holds")) from None
    except OSError as error:
        raise StateError(f"{path}: {error.strerror}; choose another state_dir") from None


def _advice(path: Path, why: str) -> str:
    return f"{path} cannot be used: {why}. Run with --rebuild to begin a new one; what is committed is found again"
