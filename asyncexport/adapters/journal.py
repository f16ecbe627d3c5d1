"""What is known of jobs beyond the run that learned it: one SQLite file in the state folder.

Contract: a note is on the disk when :meth:`SqliteJournal.note` returns. The order of notes makes a kill harmless at any
moment: *intended* before the POST, *requested* with the export id right after it, *committed* after the sink's own
commit, *failed* with whether the export is still worth collecting. So after a kill an export whose id is known is
collected and not asked for again; only a POST whose answer was never noted is made twice.

Plan: a single writer. Notes queue up, and all that wait are written in one transaction, so that forty thousand jobs
cost a few thousand fsyncs and not a hundred thousand. WAL with ``synchronous=FULL``: what was acknowledged survives a
power cut. The journal is an index, never the truth: what is committed is asked of the sink, what the server still has
of the server. A damaged or foreign file is refused with the way out. Every text fits, also one that is not Unicode (a
folder's name may be any bytes); a note that holds what a journal never holds fails alone. Worst case: the writer cannot
go on, and then everyone who waits for it is told.
"""

from __future__ import annotations

import asyncio
import math
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from asyncexport.adapters.folders import make_private
from asyncexport.adapters.threads import ended, in_thread
from asyncexport.errors import AsyncexportError, DiskFull, StateCorrupt, StateError
from asyncexport.models import Job
from asyncexport.notes import Committed, Dropped, Habit, Intended, Known, Note, Requested

FILE = "journal.sqlite3"
KEPT_SECONDS = 35 * 86_400.0
"""So long a job is remembered."""

_APPLICATION_ID = 0x61787031
_VERSION = 1
_SCHEMA = """
create table job (
    snapshot text not null, account text not null, region text not null, profile_id text not null,
    entity text not null, filters text not null,
    state text not null, export_id text not null, asked_at real not null, noted_at real not null,
    rows integer not null, location text not null, error text not null,
    primary key (snapshot, account, region, profile_id, entity, filters)
) without rowid
"""
_UPSERT = """
insert into job values (cast(:snapshot as text), cast(:account as text), cast(:region as text),
                        cast(:profile_id as text), cast(:entity as text), cast(:filters as text), cast(:state as text),
                        cast(:export_id as text), :now, :now, :rows, cast(:location as text), cast(:error as text))
on conflict do update set
    state = excluded.state, noted_at = excluded.noted_at, rows = excluded.rows, location = excluded.location,
    error = excluded.error, export_id = case when :keep then export_id else excluded.export_id end,
    asked_at = case when excluded.state = 'requested' then excluded.asked_at else asked_at end
"""
_READ = """
select * from job
where snapshot = coalesce(cast(:snapshot as text), snapshot) and state = coalesce(cast(:state as text), state)
order by noted_at
"""
_OF_LABEL = "select * from job where snapshot = cast(? as text)"
_TALLY = """
select snapshot, max(noted_at) as noted_at,
       sum(state = 'committed') as committed, sum(state = 'failed') as failed,
       sum(state = 'requested') as requested, sum(state = 'intended') as intended,
       sum(worth) as collectable, min(case when state = 'requested' then asked_at end) as oldest_at
from (select *, state in ('requested', 'failed') and export_id <> '' and asked_at > :since as worth from job)
group by snapshot order by max(noted_at)
"""
_KEY = ("snapshot", "account", "region", "profile_id", "entity", "filters")
_TEXTS = {*_KEY, "state", "export_id", "location", "error"}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH}
_MISFITS = (ValueError, TypeError, OverflowError, sqlite3.ProgrammingError, sqlite3.DataError, sqlite3.IntegrityError)
"""How a value is refused: by us, by the binding, by the schema. The transaction goes on after each of them."""

Row = dict[str, Any]
Waiting = tuple[Row, "asyncio.Future[None]"]


class SqliteJournal:
    """A :class:`asyncexport.ports.Journal` in ``state_dir``; an async context manager.

    ``wall`` gives seconds since 1970: used only for the age of exports, which the server has the last word on.
    ``rebuild`` puts a journal that cannot be used aside (``journal.sqlite3.unusable-N``) and begins a new one. Entering
    raises :class:`StateCorrupt` for a damaged or foreign file, :class:`StateError` for an unusable folder.
    """

    def __init__(
        self, state_dir: str | os.PathLike[str], *, wall: Callable[[], float] = time.time, rebuild: bool = False
    ) -> None:
        self._path = Path(state_dir) / FILE
        self._wall = wall
        self._rebuild = rebuild
        self._connection: sqlite3.Connection | None = None
        self._waiting: list[Waiting] = []
        self._writing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> SqliteJournal:
        try:
            await in_thread(self._begin)
        except BaseException:
            self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._writing is not None:
                await ended(self._writing)
        finally:
            self._close()

    async def recall(self, jobs: Iterable[Job]) -> dict[tuple[str, ...], Known]:
        """Return what is known of these jobs, by job key."""
        keys: set[tuple[str, ...]] = {job.key for job in jobs}
        return await in_thread(lambda: _recall(self._path, keys, self._wall()))

    async def habits(self, jobs: Iterable[Job]) -> dict[tuple[str, ...], Habit]:  # noqa: ARG002
        """Remember nothing of earlier nights yet."""
        return {}

    async def note(self, job: Job, note: Note) -> None:
        """Write one note; it is on the disk when this returns. Raises :class:`StateError` or :class:`DiskFull`."""
        done = asyncio.get_running_loop().create_future()
        row: Row = {**dict(zip(_KEY, job.key, strict=True)), **_columns(note), "now": self._wall()}
        self._waiting.append((row, done))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        await done

    async def _write(self) -> None:
        """Write everything that waits, in one transaction after the other, until nothing does."""
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                errors = await in_thread(partial(self._write_batch, [row for row, _ in batch]))
            except Exception as error:  # noqa: BLE001  nobody awaits this task, those who wait for a note are told
                errors = [self._stopped(error)] * len(batch)
            except BaseException as error:
                batch, self._waiting = batch + self._waiting, []
                _tell(batch, [error] * len(batch))
                raise
            _tell(batch, errors)

    def _write_batch(self, rows: Sequence[Row]) -> Sequence[AsyncexportError | None]:
        """Write the rows in one transaction; return for each what kept it from being written."""
        if self._connection is None:
            return [StateError(f"{self._path}: the journal is not open")] * len(rows)
        try:
            with _translated(self._path), self._connection:
                return [self._write_row(self._connection, row) for row in rows]
        except (StateError, DiskFull) as error:
            return [error] * len(rows)

    def _write_row(self, connection: sqlite3.Connection, row: Row) -> StateError | None:
        try:
            connection.execute(_UPSERT, _encoded(_typed(row)))
        except _MISFITS as error:
            return StateError(f"{self._path}: a note does not fit ({error}); check the receipt that the sink gives")
        return None

    def _stopped(self, error: Exception) -> StateError:
        return StateError(f"{self._path}: the journal was not written ({error!r}); free what is short, and run again")

    def _begin(self) -> None:
        self._connection = self._open()

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _open(self) -> sqlite3.Connection:
        try:
            return _checked(self._path, self._wall())
        except StateCorrupt:
            if not self._rebuild:
                raise
        _put_aside(self._path)
        return _checked(self._path, self._wall())

    def __repr__(self) -> str:
        return f"<SqliteJournal {self._path}>"


class NoJournal:
    """A :class:`asyncexport.ports.Journal` that forgets everything: for runs without a state folder."""

    async def recall(self, jobs: Iterable[Job]) -> dict[tuple[str, ...], Known]:  # noqa: ARG002
        """Know nothing."""
        return {}

    async def habits(self, jobs: Iterable[Job]) -> dict[tuple[str, ...], Habit]:  # noqa: ARG002
        """Have learned nothing."""
        return {}

    async def note(self, job: Job, note: Note) -> None:
        """Forget it."""


@dataclass(frozen=True, slots=True)
class LabelCount:
    """The jobs of one label, counted by state.

    ``collectable`` exports were asked for, are not committed, and the API still keeps them; the oldest export that is
    under way (``requested``) was asked for at ``oldest_at``, the last note made at ``noted_at``, both in seconds since
    1970.
    """

    snapshot: str
    committed: int
    failed: int
    requested: int
    intended: int
    collectable: int
    oldest_at: float | None
    noted_at: float

    @property
    def jobs(self) -> int:
        """How many there are."""
        return self.committed + self.failed + self.requested + self.intended


def tally(state_dir: str | os.PathLike[str], *, kept_since: float) -> list[LabelCount]:
    """Count the jobs of every label that a state folder knows, the label with the newest note last.

    The API keeps what was asked for after ``kept_since`` (seconds since 1970). Works while a run holds the lock.
    Raises :class:`StateCorrupt` for a damaged or foreign file.
    """
    return [LabelCount(**row) for row in _select(Path(state_dir) / FILE, _TALLY, {"since": kept_since})]


def read(
    state_dir: str | os.PathLike[str], *, snapshot: str | None = None, state: str | None = None
) -> list[dict[str, Any]]:
    """Return the jobs that a state folder knows, the newest note last; empty when there is no journal.

    Only those of a label or in a state, where one is given. Works while a run holds the lock. Raises
    :class:`StateCorrupt` for a damaged or foreign file.
    """
    return _select(Path(state_dir) / FILE, _READ, {"snapshot": snapshot, "state": state})


def _select(path: Path, statement: str, values: Row) -> list[Row]:
    with _translated(path):
        if not path.exists():
            return []
        with closing(_connect(path)) as connection:
            if _is_empty(connection):
                return []
            _refuse_foreign(connection, path)
            connection.row_factory = sqlite3.Row
            return [_typed(dict(row)) for row in connection.execute(statement, _encoded(values))]


def _typed(row: Row) -> Row:
    """Hold a row to the types of the schema, which SQLite itself does not; raises :class:`ValueError`."""
    for name, value in row.items():
        if name in _TEXTS:
            if not isinstance(value, str):
                raise ValueError(f"{name} is no text")
        elif value is not None and not (isinstance(value, int | float) and math.isfinite(value)):
            raise ValueError(f"{name} is no finite number")
    return row


def _encoded(row: Row) -> Row:
    """Return a row as SQLite takes it, whatever its texts hold; the statements cast them back to text."""
    return {name: _bytes(value) if isinstance(value, str) else value for name, value in row.items()}


def _tell(batch: Iterable[Waiting], errors: Iterable[BaseException | None]) -> None:
    for (_, done), error in zip(batch, errors, strict=True):
        if not done.done():
            done.set_result(None) if error is None else done.set_exception(error)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(stored: bytes) -> str:
    return stored.decode("utf-8", "surrogatepass")


def _recall(path: Path, keys: set[tuple[str, ...]], now: float) -> dict[tuple[str, ...], Known]:
    known = {}
    with _translated(path), closing(_connect(path)) as connection:
        for snapshot in {key[0] for key in keys}:
            for row in connection.execute(_OF_LABEL, (_bytes(snapshot),)):
                if row[:6] in keys:
                    known[row[:6]] = Known(str(row[6]), str(row[7]), now - float(row[8]))
    return known


def _columns(note: Note) -> Row:
    columns: Row = {"export_id": "", "rows": 0, "location": "", "error": "", "keep": False}
    match note:
        case Intended():
            return columns | {"state": "intended"}
        case Requested(export_id=export_id):
            return columns | {"state": "requested", "export_id": export_id}
        case Committed(receipt=receipt):
            return columns | {
                "state": "committed",
                "export_id": receipt.export_id,
                "rows": receipt.rows,
                "location": receipt.location,
            }
        case Dropped(error=error, keep=keep):
            return columns | {"state": "failed", "keep": keep, "error": type(error).__name__}


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=30.0, check_same_thread=False)
    connection.text_factory = _text
    return connection


def _checked(path: Path, now: float) -> sqlite3.Connection:
    """Open the journal for writing, made if it is not there."""
    with _translated(path):
        make_private(path.parent)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        connection = _connect(path)
        try:
            _make_or_refuse(connection, path)
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = full")
            with connection:
                connection.execute("delete from job where noted_at < ?", (now - KEPT_SECONDS,))
        except BaseException:
            connection.close()
            raise
        return connection


def _make_or_refuse(connection: sqlite3.Connection, path: Path) -> None:
    if _is_empty(connection):
        with connection:
            connection.execute("begin immediate")  # without it each of the three would commit by itself
            connection.execute(_SCHEMA)
            connection.execute(f"pragma application_id = {_APPLICATION_ID}")
            connection.execute(f"pragma user_version = {_VERSION}")
    _refuse_foreign(connection, path)
    if (verdict := connection.execute("pragma quick_check(1)").fetchone()[0]) != "ok":
        raise StateCorrupt(_advice(path, f"it is damaged ({verdict})"))


def _is_empty(connection: sqlite3.Connection) -> bool:
    """Tell a file that a killed run had just made from one that holds something."""
    return not connection.execute("select count(*) from sqlite_master").fetchone()[0]


def _refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    if connection.execute("pragma application_id").fetchone()[0] != _APPLICATION_ID:
        raise StateCorrupt(_advice(path, "it is no journal of asyncexport"))
    if (version := connection.execute("pragma user_version").fetchone()[0]) != _VERSION:
        raise StateCorrupt(_advice(path, f"it has version {version}, and this program reads version {_VERSION}"))


def _put_aside(path: Path) -> None:
    number = len(list(path.parent.glob(f"{path.name}.unusable-*")))
    for file in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        if file.exists():
            file.rename(file.with_name(f"{file.name}.unusable-{number}"))


@contextmanager
def _translated(path: Path) -> Iterator[None]:
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
