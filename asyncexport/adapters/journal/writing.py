"""Writing the journal: one writer, and all notes that wait in one transaction.

A note that does not fit fails alone. When the writer cannot go on, everyone who waits for it is told.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from asyncexport.adapters.journal.file import FILE, connect, opened, put_aside, translated
from asyncexport.adapters.journal.memory import habits
from asyncexport.adapters.journal.noting import Entry, write
from asyncexport.adapters.journal.reading import recall
from asyncexport.adapters.threads import ended, in_thread
from asyncexport.errors import AsyncexportError, DiskFull, StateCorrupt, StateError
from asyncexport.models import Job
from asyncexport.notes import Habit, Known, Note

_MISFITS = (ValueError, TypeError, OverflowError, sqlite3.ProgrammingError, sqlite3.DataError, sqlite3.IntegrityError)
"""How a value is refused: by us, by the binding, by the schema. The transaction goes on after each of them."""

Answer = TypeVar("Answer")
Waiting = tuple[Entry, "asyncio.Future[None]"]


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
        """Return what is known of these jobs, and of the parts of those that are split, by job key."""
        return await in_thread(partial(self._read, partial(recall, jobs=list(jobs), now=self._wall())))

    async def habits(self, jobs: Iterable[Job]) -> dict[tuple[str, ...], Habit]:
        """Return what was learned of these jobs, and of the parts that they begin in, by job subject."""
        return await in_thread(partial(self._read, partial(habits, jobs=list(jobs))))

    async def note(self, job: Job, note: Note) -> None:
        """Write one note; it is on the disk when this returns. Raises :class:`StateError` or :class:`DiskFull`."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((Entry(job, note, self._wall()), done))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        await done

    def _read(self, question: Callable[[sqlite3.Connection], Answer]) -> Answer:
        with translated(self._path), closing(connect(self._path)) as connection:
            return question(connection)

    async def _write(self) -> None:
        """Write everything that waits, in one transaction after the other, until nothing does."""
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                errors = await in_thread(partial(self._write_batch, [entry for entry, _ in batch]))
            except Exception as error:  # noqa: BLE001  nobody awaits this task, those who wait for a note are told
                errors = [self._stopped(error)] * len(batch)
            except BaseException as error:
                batch, self._waiting = batch + self._waiting, []
                _tell(batch, [error] * len(batch))
                raise
            _tell(batch, errors)

    def _write_batch(self, entries: Sequence[Entry]) -> Sequence[AsyncexportError | None]:
        """Write the notes in one transaction; return for each what kept it from being written."""
        if self._connection is None:
            return [StateError(f"{self._path}: the journal is not open")] * len(entries)
        try:
            with translated(self._path), self._connection:
                return [self._write_entry(self._connection, entry) for entry in entries]
        except (StateError, DiskFull) as error:
            return [error] * len(entries)

    def _write_entry(self, connection: sqlite3.Connection, entry: Entry) -> StateError | None:
        try:
            write(connection, entry)
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
            return opened(self._path, self._wall())
        except StateCorrupt:
            if not self._rebuild:
                raise
        put_aside(self._path)
        return opened(self._path, self._wall())

    def __repr__(self) -> str:
        return f"<SqliteJournal {self._path}>"


def _tell(batch: Iterable[Waiting], errors: Iterable[BaseException | None]) -> None:
    for (_, done), error in zip(batch, errors, strict=True):
        if not done.done():
            done.set_result(None) if error is None else done.set_exception(error)
