"""What is committed in a PostgreSQL schema: its ledger and its rows, which change together. Needs asyncpg.

Contract: rows and the line of the ledger that says so change in one transaction, so that a commit is there with all its
rows or not at all, whatever dies when. Transactions of one entity and profile happen one after the other, in all
processes: each first takes the lock of the two, and no other, so none waits for another that waits for it.

Plan: every export is first copied into a temporary table of its own connection, in pieces that are committed, so that
no transaction is as long as a download. A whole job is then put in its place (:mod:`asyncexport.sinks.pg.modes`) with
its line. Parts of a split job wait with their lines in the tables ``ENTITY_staged``, which no view shows, and are put
in place together; :func:`found` does that too, for parts that a killed run left complete. The newest snapshot is the
one that was generated last, whichever was committed last.

A line holds the same record that stands beside a file (:mod:`asyncexport.sinks.records`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from asyncexport.errors import SinkError, SinkRejected
from asyncexport.models import Entity, Job, Receipt, TransferOrder
from asyncexport.sansio.tabular.columns import Scalar
from asyncexport.sansio.tabular.copying import DELIMITER, NULL, columns_of
from asyncexport.sansio.tabular.fitting import Misfit, fit
from asyncexport.sinks.databases import TABLES, Mode, job_key, older_than, receipt_of, whole_jobs, wholeness
from asyncexport.sinks.pg.connections import Connection
from asyncexport.sinks.pg.failures import AGAIN
from asyncexport.sinks.pg.modes import changed, come, put_in_place
from asyncexport.sinks.pg.tables import all_names_of, create_incoming, incoming, incoming_name, is_there, lock, quoted
from asyncexport.sinks.records import Record, parse_record, record_text

_TRIES: Final = 3
_JOB: Final = "entity = $1 and snapshot = $2 and account = $3 and region = $4 and profile_id = $5"


class Ledger:
    """The ledger of one schema, by one connection."""

    def __init__(self, connection: Connection, schema: str, mode: Mode) -> None:
        self.connection = connection
        self._name = schema
        self._schema = quoted(schema)
        self._mode = mode

    def __repr__(self) -> str:
        return f"<Ledger of {self._name}, {self._mode}>"

    async def begin(self, order: TransferOrder) -> None:
        """Refuse an order that is too old, and make the table that its rows are copied into."""
        await self.refuse_older(order, moment_of(order.generated_at))
        await self._make_incoming(order.job.entity)

    async def load(self, entity: Entity, lines: AsyncIterator[bytes]) -> None:
        """Copy rows into it."""
        await self.connection.copy_to_table(
            incoming_name(entity),
            schema_name="pg_temp",
            source=lines,
            columns=[name.lower() for name in columns_of(entity)],
            format="text",
            delimiter=DELIMITER,
            null=NULL,
        )

    async def commit(self, order: TransferOrder, receipt: Receipt) -> None:
        """Commit what was copied, with its line: the whole job in its place, a part beside the others that wait."""
        for _ in range(_TRIES - 1):
            with suppress(*AGAIN):
                return await self._commit(order, receipt)
        return await self._commit(order, receipt)

    async def _commit(self, order: TransferOrder, receipt: Receipt) -> None:
        table = TABLES[order.job.entity]
        record = Record.of(order, receipt, table)
        async with self.connection.transaction(isolation="read_committed"):
            await self._lock(order)
            await self.refuse_older(order, moment_of(record.generated_at))
            if order.is_part:
                await self._forget_staged(order, only=order.part)
                tag = await self.connection.execute(
                    f"insert into {self._schema}.{table}_staged ({all_names_of(order.job.entity)}, part) "
                    f"select come.*, {order.part} from ({come(order.job.entity)}) come",
                    *_where_from(order),
                )
                _refuse_other_rows(order, changed(tag), receipt.rows)
            else:
                await self._put_in_place(order, moment_of(record.generated_at), receipt.rows)
            await self._note(order, [record], staged=order.is_part)
            await self.connection.execute(f"truncate {incoming(order.job.entity)}")

    async def refuse_older(self, order: TransferOrder, generated_at: datetime | None) -> None:
        """Raise :class:`SinkRejected` if a snapshot of another label, generated later, stands where only one does."""
        if self._mode == "append":
            return
        newer = await self.connection.fetchval(
            f"select snapshot from {self._schema}.ledger where entity = $1 and snapshot <> $2 and account = $3 "
            "and region = $4 and profile_id = $5 and not staged and generated_at > $6 limit 1",
            *job_key(order),
            generated_at,
        )
        if newer is not None:
            raise older_than(newer, order.job, "a schema")

    async def found(self, order: TransferOrder, location: str) -> Receipt | None:
        """Return the receipt of what answers the order; parts that are complete and wait are put in place first."""
        if order.is_part:
            waiting = {record.part: record for record in await self._records(order, staged=True)}
            mine = waiting.get(order.part)
            return mine.receipt(location) if mine is not None and mine.answers(order) else None
        for staged in (False, True):
            records = await self._records(order, staged=staged)
            if records and records[0].answers(order):
                return records[0].receipt(location)
            count = wholeness(records, order.job)
            if count is not None:
                if staged:
                    await self.settle(order, count)
                return receipt_of(records[:count], location)
        return None

    async def outcome(self, order: TransferOrder, location: str) -> Receipt | None:
        """Return what :meth:`found` does once no commit of its kind is under way any more."""
        async with self.connection.transaction(isolation="read_committed"):
            await self._lock(order)
            return await self.found(order, location)

    async def committed(self, jobs: Sequence[Job]) -> frozenset[Job]:
        """Return which of ``jobs`` are in their place, whole or in all their parts, by the ledger alone."""
        if not await is_there(self.connection, self._name, "ledger"):
            return frozenset()
        lines = await self.connection.fetch(
            f"select record from {self._schema}.ledger where not staged and snapshot = any($1) order by part",
            list({job.snapshot for job in jobs}),
        )
        return whole_jobs(jobs, (text for (text,) in lines))

    async def keep(self, name: str, manifest: str) -> None:
        """Store a run's manifest."""
        await self.connection.execute(
            f"insert into {self._schema}.runs (name, manifest) values ($1, $2) "
            "on conflict (name) do update set manifest = excluded.manifest, kept_at = now()",
            name,
            manifest,
        )

    async def try_writing(self) -> None:
        """Do all that an export does, with no row."""
        for entity, table in TABLES.items():
            await self._make_incoming(entity)
            for each in (f"{table}_rows", f"{table}_staged", "ledger", "runs"):
                await self.connection.execute(f"delete from {self._schema}.{each} where false")
                await self.connection.execute(
                    f"insert into {self._schema}.{each} select * from {self._schema}.{each} where false"
                )

    async def settle(self, order: TransferOrder, parts: int) -> None:
        """Put the first ``parts`` parts of the order's job in their place, if they wait, and forget what else waits.

        Raises :class:`SinkError` if they are not the whole job.
        """
        async with self.connection.transaction(isolation="read_committed"):
            await self._lock(order)
            records = [record for record in await self._records(order, staged=True) if record.part < parts]
            if records:
                if wholeness(records, order.job) != parts:
                    raise SinkError(f"parts of {order.job} have gone while others were pulled; run again")
                await self._put_parts_in_place(order, records)
            await self._forget_staged(order)

    async def _put_parts_in_place(self, order: TransferOrder, records: list[Record]) -> None:
        entity = order.job.entity
        await self._make_incoming(entity)
        names = all_names_of(entity)
        await self.connection.execute(
            f"insert into {incoming(entity)} ({names}) select {names} from {self._schema}.{TABLES[entity]}_staged "
            f"where {_JOB} and part < $6",
            *job_key(order),
            len(records),
        )
        generated_at = await self.connection.fetchval(
            f"select max(generated_at) from {self._schema}.ledger where {_JOB} and staged and part < $6",
            *job_key(order),
            len(records),
        )
        await self.refuse_older(order, generated_at)
        await self._put_in_place(order, generated_at, sum(record.rows for record in records))
        await self._note(order, records, staged=False)
        await self.connection.execute(f"truncate {incoming(entity)}")

    async def _put_in_place(self, order: TransferOrder, generated_at: datetime | None, rows: int) -> None:
        forget = f"delete from {self._schema}.ledger where {_JOB} and not staged"
        was_there = changed(await self.connection.execute(forget, *job_key(order))) > 0
        await self._forget_staged(order)
        found = await put_in_place(
            self.connection,
            self._schema,
            self._mode,
            order.job,
            _where_from(order),
            generated_at=generated_at,
            was_there=was_there,
        )
        _refuse_other_rows(order, found, rows)

    async def _make_incoming(self, entity: Entity) -> None:
        if await self.connection.fetchval("select to_regclass($1)", incoming(entity)) is None:
            await create_incoming(self.connection, entity)

    async def _lock(self, order: TransferOrder) -> None:
        entity, _, *profile = job_key(order)
        await lock(self.connection, self._name, entity, *profile)

    async def _records(self, order: TransferOrder, *, staged: bool) -> list[Record]:
        """Return the records of the order's job by part, as far as they can be read."""
        lines = await self.connection.fetch(
            f"select record from {self._schema}.ledger where {_JOB} and staged = $6 order by part",
            *job_key(order),
            staged,
        )
        records = (parse_record(text.encode()) for (text,) in lines)
        return [each for each in records if each is not None and each.is_about(replace(order, part=each.part))]

    async def _note(self, order: TransferOrder, records: list[Record], *, staged: bool) -> None:
        await self.connection.executemany(
            f"insert into {self._schema}.ledger "
            "(entity, snapshot, account, region, profile_id, part, staged, generated_at, record) "
            "values ($1, $2, $3, $4, $5, $6, $7, coalesce($8, now()), $9)",
            [
                [*job_key(order), record.part, staged, moment_of(record.generated_at), record_text(record).decode()]
                for record in records
            ],
        )

    async def _forget_staged(self, order: TransferOrder, *, only: int | None = None) -> None:
        which = _JOB if only is None else f"{_JOB} and part = {only}"
        await self.connection.execute(f"delete from {self._schema}.ledger where staged and {which}", *job_key(order))
        await self.connection.execute(
            f"delete from {self._schema}.{TABLES[order.job.entity]}_staged where {which}", *job_key(order)
        )


def moment_of(text: str) -> datetime | None:
    """Return an instant as the API spells it, None for anything else."""
    try:
        found = fit(text, Scalar.MOMENT)
    except Misfit:
        return None
    return found if isinstance(found, datetime) else None


def _refuse_other_rows(order: TransferOrder, found: int, rows: int) -> None:
    """Raise :class:`SinkRejected` if other rows were put in their place than came in, as by a trigger or a rule."""
    if found != rows:
        raise SinkRejected(
            f"{order.job}: {rows} rows came in and {found} were put in their place; "
            f"undo what was changed in the tables of {TABLES[order.job.entity]}"
        )


def _where_from(order: TransferOrder) -> list[Any]:
    """Return the values of the columns that say where a row is from."""
    entity, snapshot, account, region, profile_id = job_key(order)
    return [account, region, profile_id, entity, snapshot, order.export_id, moment_of(order.generated_at)]
