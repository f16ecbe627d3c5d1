"""DuckDB: every export in one file, with typed tables and a view of the newest snapshot of each entity.

Contract: the columns are those of the Parquet sink. An export is committed in one transaction with its line in a ledger
(:mod:`asyncexport.sinks.duck.ledger`), which :meth:`DuckDB.find` reads; so it is there once, whatever is killed when.
What a new snapshot does to older ones is said by ``mode`` (:mod:`asyncexport.sinks.duck.modes`). ``bytes`` and
``sha256`` of a receipt are of the rows' text as JSON Lines.

The file belongs to one process: where another has it open that is a :class:`SinkLocked`, before the run begins. In this
process any number of exports may be open, and their work is queued (:mod:`asyncexport.sinks.duck.database`). So the
sink does not travel to worker processes, and says so.

Worst case: one open export holds a block of text and, while it is loaded, its table: about 20 MB; the database
itself keeps to 1 GiB, and beyond that writes to the disk.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, get_args

from asyncexport.adapters.threads import in_thread
from asyncexport.batch import Batch
from asyncexport.errors import ConfigError, SinkError
from asyncexport.models import Evidence, Job, Receipt, SignedUrl, TransferOrder
from asyncexport.sinks.arrow.blocks import Block
from asyncexport.sinks.base import Writer, transaction
from asyncexport.sinks.databases import TABLES, Mode
from asyncexport.sinks.extras import require
from asyncexport.sinks.files.disk import Files
from asyncexport.sinks.files.folders import keep_manifest, prepare_folder
from asyncexport.sinks.labels import check_label

if TYPE_CHECKING:
    from asyncexport.sinks.duck.database import Cursor, Database

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DuckDB:
    """A :class:`~asyncexport.ports.Sink` that is one DuckDB file; also keeps manifests, beside it.

    Needs the extra ``asyncexport[duckdb]``. ``mode`` is ``"append"`` (every snapshot is kept), ``"latest"`` (the newest
    of each profile takes the place of the older) or ``"history"`` (each version of a row with the time in which it
    held); a file keeps the mode it began with. In the last two an export is :class:`SinkRejected` if a newer snapshot
    stands already. Raises :class:`ConfigError` for what cannot work.

    Used by ``async with`` the file stays open until the end of the block; otherwise it is opened by whatever needs it
    and closed again when nothing does.
    """

    path: str | os.PathLike[str]
    _: KW_ONLY
    mode: Mode = "append"
    files: Files = field(default=Files(), repr=False, compare=False)

    travels: ClassVar[bool] = False

    def __post_init__(self) -> None:
        path: object = os.fspath(self.path)
        if not isinstance(path, str) or not path or "\0" in path:
            raise ConfigError("a DuckDB sink needs the path of a file, as text")
        object.__setattr__(self, "path", path)
        if self.mode not in get_args(Mode):
            raise ConfigError(f"mode {self.mode!r} is none of {', '.join(get_args(Mode))}")
        require("arro3.io", extra="duckdb")
        require("pyarrow", extra="duckdb", by="asyncexport.sinks.arrow.tables")
        require("duckdb", extra="duckdb", by="asyncexport.sinks.duck.ledger")

    async def __aenter__(self) -> DuckDB:
        """Open the file. Raises :class:`SinkError` and its children."""
        database = self.acquire()
        try:
            await database.do(lambda cursor: self.make_tables(database, cursor))
        except BaseException:
            database.release()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it, unless somebody else in this process uses it."""
        database = self.acquire()
        await database.leave()
        await database.leave()

    def open(self, order: TransferOrder) -> AbstractAsyncContextManager[DuckDBWriter]:
        """Begin the transaction for one export.

        Entering raises :class:`SinkError` and its children; this call :class:`ConfigError` for a label that no sink of
        files could have.
        """
        check_label(order.job.snapshot, what="snapshot label")
        return transaction(DuckDBWriter(self, order))

    async def find(self, order: TransferOrder) -> Receipt | None:
        """Return the receipt of what the ledger has for this job and part, in one or in parts."""
        from asyncexport.sinks.duck.ledger import found  # noqa: PLC0415 - needs the extra

        return await self._do(lambda cursor: found(cursor, self.mode, order, self.location(order)))

    async def settle(self, job: Job, parts: int) -> None:
        """Let the job's first ``parts`` parts, which are committed, take its place together.

        Raises :class:`SinkError`.
        """
        from asyncexport.sinks.duck.ledger import settle  # noqa: PLC0415 - needs the extra

        order = TransferOrder(job, "", SignedUrl(""))
        await self._do(lambda cursor: settle(cursor, self.mode, order, parts))

    def there(self, jobs: Sequence[Job]) -> frozenset[Job]:
        """Return which of ``jobs`` are committed. Blocks, writes nothing. Raises as :meth:`prepare` does."""
        if not Path(self.path).is_file():
            return frozenset()
        from asyncexport.sinks.duck.database import read  # noqa: PLC0415 - needs the extra
        from asyncexport.sinks.duck.ledger import committed  # noqa: PLC0415 - needs the extra

        return read(os.fspath(self.path), lambda cursor: committed(cursor, jobs))

    async def keep(self, name: str, manifest: bytes) -> str:
        """Store a run's manifest as ``_runs/NAME.json`` in the folder of the file, whole or not at all."""
        return await in_thread(lambda: keep_manifest(self.files, self._folder, name, manifest))

    async def prepare(self, *, needed: int = 0) -> int:
        """Open the file and make its tables, return the bytes that are free in its folder.

        Raises :class:`SinkLocked` if another process has it, :class:`SinkRejected` for a file that is not ours or of
        another mode, :class:`DiskFull` if fewer than ``needed`` bytes are free, :class:`SinkError` for all else.
        """
        free = await in_thread(lambda: prepare_folder(self.files, self._folder, needed=needed))
        async with self:
            return free

    def location(self, order: TransferOrder) -> str:
        """Return where an order's rows are: the file and, behind a colon, the view."""
        return f"{self.path}:{TABLES[order.job.entity]}"

    def acquire(self) -> Database:
        """Return the open file, to be released once."""
        from asyncexport.sinks.duck.database import acquire  # noqa: PLC0415 - needs the extra

        return acquire(os.fspath(self.path))

    def make_tables(self, database: Database, cursor: Cursor) -> None:
        """Make them, once for each time the file is opened. Raises :class:`SinkRejected` for another mode."""
        from asyncexport.sinks.duck.ledger import create  # noqa: PLC0415 - needs the extra

        if self.mode not in database.modes:
            create(cursor, self.mode)
            database.modes.add(self.mode)

    async def _do(self, work: Callable[[Cursor], T]) -> T:
        database = self.acquire()

        def prepared(cursor: Cursor) -> T:
            self.make_tables(database, cursor)
            return work(cursor)

        try:
            return await database.do(prepared)
        finally:
            await database.leave()

    @property
    def _folder(self) -> str:
        return str(Path(self.path).parent)


class DuckDBWriter(Writer):
    """The open transaction for one export."""

    def __init__(self, sink: DuckDB, order: TransferOrder) -> None:
        super().__init__(order)
        from asyncexport.sinks.arrow.tables import Tables  # noqa: PLC0415 - needs the extra

        self._sink = sink
        self._tables = Tables(order)
        self._block = Block()
        self._size = 0
        self._sha256 = hashlib.sha256()
        self._database: Database | None = None
        self._cursor: Cursor = None

    async def _begin(self) -> None:
        self._database = self._sink.acquire()
        await self._database.do(self._open)

    def _open(self, connection: Cursor) -> None:
        from asyncexport.sinks.duck.ledger import begin, refuse_older  # noqa: PLC0415 - needs the extra

        if self._database is None:
            return
        self._sink.make_tables(self._database, connection)
        refuse_older(connection, self._sink.mode, self._order, self._order.generated_at)
        self._cursor = self._database.cursor(connection)
        begin(self._cursor, self._order.job.entity)

    async def _store(self, batch: Batch) -> None:
        if self._block.add(batch):
            await self._load()

    async def _load(self) -> None:
        from asyncexport.sinks.duck.ledger import load  # noqa: PLC0415 - needs the extra

        text, rows = self._block.take()
        table = await in_thread(lambda: self._table_of(text, rows))
        await self._do(lambda _connection: load(self._cursor, table))

    def _table_of(self, text: bytes, rows: int) -> Any:  # noqa: ANN401 - a pyarrow.Table
        self._sha256.update(text)
        self._size += len(text)
        return self._tables.of(text, rows)

    async def _commit(self, evidence: Evidence) -> Receipt:
        if self._block:
            await self._load()
        receipt = self._receipt_of(
            evidence,
            size=self._size,
            sha256=self._sha256.hexdigest(),
            location=self._sink.location(self._order),
        )
        await self._do(lambda _connection: self._commit_and_close(receipt))
        database, self._database = self._database, None
        if database is not None:
            await database.leave()
        return receipt

    def _commit_and_close(self, receipt: Receipt) -> None:
        from asyncexport.sinks.duck.ledger import commit  # noqa: PLC0415 - needs the extra

        commit(self._cursor, self._sink.mode, self._order, receipt)
        self._cursor.close()

    async def _do(self, work: Callable[[Cursor], None]) -> None:
        if self._database is None:
            raise SinkError(f"{self._sink.path} is not open")
        await self._database.do(work)

    def _discard(self) -> None:
        self._block.clear()
        if self._database is not None:
            database, self._database = self._database, None
            cursor, self._cursor = self._cursor, None
            if cursor is not None:
                database.do_later(lambda _connection: cursor.close())
            database.release()
