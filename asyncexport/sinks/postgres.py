"""PostgreSQL: every export in one schema, with typed tables and a view of the newest snapshot of each entity.

Contract: single values have typed columns; objects and lists are ``jsonb``, as they came; what fits no column stands in
``extra`` (:mod:`asyncexport.sansio.tabular.copying`). An export is committed in one transaction with its line in a
ledger (:mod:`asyncexport.sinks.pg.ledger`), which :meth:`Postgres.find` reads; so it is there once, whatever is killed
when. What a new snapshot does to older ones is said by ``mode``, as in DuckDB (:mod:`asyncexport.sinks.duck.modes`).
``bytes`` and ``sha256`` of a receipt are of the rows' text as JSON Lines.

Plan: rows are copied into a temporary table while they come in, and put in their place when all are there. Any number
of exports and processes may write at once, each by a connection of its own; a worker process is sent the dsn over its
pipe, a worker of a Dask cluster over the cluster's connections, in clear unless they have TLS.

A commit that ends as if the server were away leaves open whether it came about, so the ledger is asked by another
connection. Worst case: if no other comes about the export is :class:`SinkUnreachable` and may stand all the same, for
the next run to find. One open export holds a block of text, and the lines of a quarter of it.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar, get_args

from asyncexport.accounts import Secret
from asyncexport.adapters.threads import in_thread
from asyncexport.batch import Batch
from asyncexport.errors import ConfigError, SinkError, SinkUnreachable
from asyncexport.models import Evidence, Job, Receipt, SignedUrl, TransferOrder
from asyncexport.sansio.tabular.copying import Copying
from asyncexport.sansio.tabular.spelling import pieces
from asyncexport.sinks.arrow.blocks import Block
from asyncexport.sinks.base import Writer, transaction
from asyncexport.sinks.databases import TABLES, Mode
from asyncexport.sinks.dsn import check_dsn, place_of
from asyncexport.sinks.extras import require
from asyncexport.sinks.labels import check_label
from asyncexport.sinks.stores.objects import BOUNDLESS

if TYPE_CHECKING:
    from asyncexport.sinks.pg.connections import Connection, Connections
    from asyncexport.sinks.pg.ledger import Ledger

T = TypeVar("T")

_PIECE: Final = 128 * 1024
_NAME: Final = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class Postgres:
    """A :class:`~asyncexport.ports.Sink` that is a schema of a PostgreSQL database; also keeps manifests, in ``runs``.

    Needs the extra ``asyncexport[postgres]``. ``dsn`` is a URL as libpq takes it, such as
    ``postgresql://user:password@host:5432/database?sslmode=verify-full``; what it leaves out is taken from where libpq
    would look, and parameters that asyncpg does not know are the server's, or refused by name. It is never shown.
    ``schema`` is made if it is not there. ``mode`` is that of :class:`~asyncexport.sinks.DuckDB`; a schema keeps the
    mode it began with. Raises :class:`ConfigError` for what cannot work.

    Used by ``async with`` connections that are free stay open until the end of the block.
    """

    dsn: str | Secret = field(repr=False)
    _: KW_ONLY
    schema: str = "asyncexport"
    mode: Mode = "append"

    travels: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not isinstance(self.dsn, str | Secret):
            raise ConfigError("a PostgreSQL sink needs a dsn, as text or as a Secret")
        object.__setattr__(self, "dsn", Secret(self.dsn) if isinstance(self.dsn, str) else self.dsn)
        check_dsn(self._dsn)
        if not _NAME.fullmatch(self.schema):
            raise ConfigError(
                f"schema {self.schema!r} is no name in small letters, digits and underscores; pg_ is PostgreSQL's own"
            )
        if self.mode not in get_args(Mode):
            raise ConfigError(f"mode {self.mode!r} is none of {', '.join(get_args(Mode))}")
        require("asyncpg", extra="postgres", by="asyncexport.sinks.pg.ledger")

    def __repr__(self) -> str:
        return f"Postgres({self.place!r}, schema={self.schema!r}, mode={self.mode!r})"

    def __reduce__(self) -> tuple[Callable[..., Postgres], tuple[str, str, Mode]]:
        return _unpickled, (self._dsn, self.schema, self.mode)

    async def __aenter__(self) -> Postgres:
        """Connect and make the tables. Raises :class:`SinkError` and its children."""
        connections = self.acquire()
        try:
            await self._do(self._nothing)
        except BaseException:
            connections.release()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close what is free, unless somebody else in this loop uses it."""
        connections = self.acquire()
        await connections.leave()
        await connections.leave()

    def open(self, order: TransferOrder) -> AbstractAsyncContextManager[PostgresWriter]:
        """Begin the transaction for one export.

        Entering raises :class:`SinkError` and its children; this call :class:`ConfigError` for a label that no sink of
        files could have.
        """
        check_label(order.job.snapshot, what="snapshot label")
        return transaction(PostgresWriter(self, order))

    async def find(self, order: TransferOrder) -> Receipt | None:
        """Return the receipt of what the ledger has for this job and part, in one or in parts."""
        return await self._do(lambda ledger: ledger.found(order, self.location(order)))

    async def settle(self, job: Job, parts: int) -> None:
        """Let the job's first ``parts`` parts, which are committed, take its place together.

        Raises :class:`SinkError`.
        """
        order = TransferOrder(job, "", SignedUrl(""))
        await self._do(lambda ledger: ledger.settle(order, parts))

    def there(self, jobs: Sequence[Job]) -> frozenset[Job]:
        """Return which of ``jobs`` are committed. Blocks, writes nothing. Raises as :meth:`prepare` does."""
        with ThreadPoolExecutor(1) as thread:  # which has no loop yet, as the caller's may have
            return thread.submit(asyncio.run, self._there(jobs)).result()

    async def keep(self, name: str, manifest: bytes) -> str:
        """Store a run's manifest as a row of ``runs``."""
        await self._do(lambda ledger: ledger.keep(name, manifest.decode()))
        return f"{self.place}:{self.schema}.runs:{name}"

    async def prepare(self, *, needed: int = 0) -> int:  # noqa: ARG002 - a server does not say what is free
        """Connect at once or not at all, make the tables and try whether they can be written to.

        Return :data:`~asyncexport.sinks.stores.objects.BOUNDLESS`. Raises :class:`ConfigError` for a dsn that only
        connecting shows to be wrong, :class:`SinkUnreachable` for a server that gives no answer, :class:`SinkRejected`
        for tables that are not ours or of another mode, :class:`SinkError` for all else.
        """
        await self._do(lambda ledger: ledger.try_writing(), patient=False)
        return BOUNDLESS

    @property
    def place(self) -> str:
        """Where the server is, and the database: the dsn without user, password and parameters."""
        return place_of(self._dsn)

    def location(self, order: TransferOrder) -> str:
        """Return where an order's rows are: the database and, behind a colon, the view."""
        return f"{self.place}:{self.schema}.{TABLES[order.job.entity]}"

    async def outcome(self, order: TransferOrder) -> Receipt | None:
        """Return what :meth:`find` does once a commit whose connection was lost has come about, or has not."""
        return await self._do(lambda ledger: ledger.outcome(order, self.location(order)))

    async def begin(self, connections: Connections, order: TransferOrder) -> Ledger:
        """Return the ledger by a connection that is the caller's alone, ready for the order's rows."""

        async def begun(ledger: Ledger) -> Ledger:
            await ledger.begin(order)
            return ledger

        return await self._tried(connections, begun, patient=True)

    async def _do(self, work: Callable[[Ledger], Awaitable[T]], *, patient: bool = True) -> T:
        connections = self.acquire()

        async def done(ledger: Ledger) -> T:
            result = await work(ledger)
            connections.give_back(ledger.connection)
            return result

        try:
            return await self._tried(connections, done, patient=patient)
        finally:
            await connections.leave()

    async def _tried(self, connections: Connections, work: Callable[[Ledger], Awaitable[T]], *, patient: bool) -> T:
        """Return what work returns that may be done again where a connection is lost or others are in the way."""
        from asyncexport.sinks.pg.failures import failing  # noqa: PLC0415 - needs the extra
        from asyncexport.sinks.pg.ledger import Ledger  # noqa: PLC0415 - needs the extra
        from asyncexport.sinks.pg.tables import create  # noqa: PLC0415 - needs the extra

        async def prepared(connection: Connection) -> T:
            if (self.schema, self.mode) not in connections.made:
                await create(connection, self.schema, self.mode)
                connections.made.add((self.schema, self.mode))
            return await work(Ledger(connection, self.schema, self.mode))

        with failing(self.place):
            return await connections.tried(prepared, patient=patient)

    async def _there(self, jobs: Sequence[Job]) -> frozenset[Job]:
        from asyncexport.sinks.pg.connections import connected  # noqa: PLC0415 - needs the extra
        from asyncexport.sinks.pg.failures import failing  # noqa: PLC0415 - needs the extra
        from asyncexport.sinks.pg.ledger import Ledger  # noqa: PLC0415 - needs the extra

        with failing(self.place):
            connection = await connected(self._dsn)
            try:
                return await Ledger(connection, self.schema, self.mode).committed(jobs)
            finally:
                connection.terminate()

    @staticmethod
    async def _nothing(ledger: Ledger) -> None:
        """Do nothing with what is connected."""

    def acquire(self) -> Connections:
        """Return the loop's connections to the server, to be left once."""
        from asyncexport.sinks.pg.connections import acquire  # noqa: PLC0415 - needs the extra

        return acquire(self._dsn)

    @property
    def _dsn(self) -> str:
        return self.dsn.reveal() if isinstance(self.dsn, Secret) else self.dsn


class PostgresWriter(Writer):
    """The open transaction for one export."""

    def __init__(self, sink: Postgres, order: TransferOrder) -> None:
        super().__init__(order)
        self._sink = sink
        self._copying = Copying(order.job.entity)
        self._block = Block()
        self._size = 0
        self._sha256 = hashlib.sha256()
        self._connections: Connections | None = None
        self._open_ledger: Ledger | None = None

    async def _begin(self) -> None:
        self._connections = self._sink.acquire()
        self._open_ledger = await self._sink.begin(self._connections, self._order)

    async def _store(self, batch: Batch) -> None:
        if self._block.add(batch):
            await self._load()

    async def _load(self) -> None:
        from asyncexport.sinks.pg.failures import failing  # noqa: PLC0415 - needs the extra

        text, _ = self._block.take()
        with failing(self._sink.place):
            await self._ledger.load(self._order.job.entity, self._lines(text))

    async def _lines(self, text: bytes) -> AsyncIterator[bytes]:
        """Yield the lines for COPY: while the server reads some the next are made."""
        for piece in pieces(text, _PIECE):
            yield await in_thread(partial(self._lines_of, piece))

    def _lines_of(self, text: bytes) -> bytes:
        self._sha256.update(text)
        self._size += len(text)
        return self._copying.of(text)

    async def _commit(self, evidence: Evidence) -> Receipt:
        if self._block:
            await self._load()
        receipt = self._receipt_of(
            evidence,
            size=self._size,
            sha256=self._sha256.hexdigest(),
            location=self._sink.location(self._order),
        )
        await self._commit_once(receipt)
        connections, self._connections = self._connections, None
        if connections is not None:
            connections.give_back(self._ledger.connection)
            await connections.leave()
        return receipt

    async def _commit_once(self, receipt: Receipt) -> None:
        from asyncexport.sinks.pg.failures import failing  # noqa: PLC0415 - needs the extra

        try:
            with failing(self._sink.place):
                await self._ledger.commit(self._order, receipt)
        except SinkUnreachable:
            self._ledger.connection.terminate()  # which has the lock that whoever asks waits for
            if await self._sink.outcome(self._order) != receipt:
                raise

    @property
    def _ledger(self) -> Ledger:
        if self._open_ledger is None:
            raise SinkError(f"{self._sink.place} is not open")
        return self._open_ledger

    def _discard(self) -> None:
        self._block.clear()
        connections, self._connections = self._connections, None
        if connections is not None:
            if self._open_ledger is not None:
                connections.cut(self._open_ledger.connection)
            connections.release()


def _unpickled(dsn: str, schema: str, mode: Mode) -> Postgres:
    return Postgres(dsn, schema=schema, mode=mode)
