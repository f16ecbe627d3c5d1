"""The tables of a DuckDB file: what is committed in which mode, and the rows. Functions take a cursor and block.

Contract: rows and the line of the ledger that says so change in one transaction, so that a commit is there with all its
rows or not at all, however the process ends.

Plan: every export is first loaded into the temporary table ``incoming`` of its own cursor. A whole job is then put in
its place (:mod:`asyncexport.sinks.duck.modes`) with its line. Parts of a split job wait with their lines in the schema
``staged``, which no view shows, and are put in place together; :func:`found` does that too, for parts that a killed run
left complete. The newest snapshot is the one that was generated last, whichever was committed last.

A line holds the same record that stands beside a file (:mod:`asyncexport.sinks.records`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

import orjson

from asyncexport.errors import SinkError, SinkRejected
from asyncexport.models import Entity, Job, Receipt, TransferOrder
from asyncexport.sansio.tabular.columns import SCHEMA_VERSION
from asyncexport.sinks.arrow.schema import schema_of
from asyncexport.sinks.databases import TABLES, Mode, job_key, older_than, receipt_of, whole_jobs, wholeness
from asyncexport.sinks.duck.database import Cursor, undone_by_errors
from asyncexport.sinks.duck.modes import create_views, put_in_place
from asyncexport.sinks.records import Record, parse_record, record_text

_JOB: Final = "entity = ? and snapshot = ? and account = ? and region = ? and profile_id = ?"


def create(cursor: Cursor, mode: Mode) -> None:
    """Make what is not there. Raises :class:`SinkRejected` for a file of another mode or version of the columns."""
    with undone_by_errors(cursor):
        about = _about(cursor)
        if about is None:
            cursor.execute("insert into snapshots.about values (?, ?)", [SCHEMA_VERSION, mode])
            _create_tables(cursor, mode)
    if about is not None and about != (SCHEMA_VERSION, mode):
        raise SinkRejected(
            f"the file has the columns of version {about[0]} and the mode {about[1]!r}; "
            f"this is version {SCHEMA_VERSION} and {mode!r}: choose another file"
        )


def _about(cursor: Cursor) -> tuple[int, str] | None:
    cursor.execute("create schema if not exists snapshots; create schema if not exists staged")
    cursor.execute("create table if not exists snapshots.about (schema_version integer, mode varchar)")
    known: tuple[int, str] | None = cursor.execute("select schema_version, mode from snapshots.about").fetchone()
    return known


def _create_tables(cursor: Cursor, mode: Mode) -> None:
    cursor.execute(
        "create table snapshots.ledger (entity varchar, snapshot varchar, account varchar, region varchar, "
        "profile_id varchar, part integer, staged boolean, number bigint, generated_at timestamptz, "
        "committed_at timestamptz, record varchar)"
    )
    more = ", null::timestamptz as valid_from, null::timestamptz as valid_to" if mode == "history" else ""
    for entity, table in TABLES.items():
        cursor.register("model", schema_of(entity).empty_table())
        cursor.execute(f"create table snapshots.{table} as select *{more} from model")
        cursor.execute(f"create table staged.{table} as select *, 0::integer as part from model")
        cursor.unregister("model")
        create_views(cursor, mode, entity, table)


def begin(cursor: Cursor, entity: Entity) -> None:
    """Make the table that one export is loaded into."""
    cursor.register("model", schema_of(entity).empty_table())
    cursor.execute("create or replace temp table incoming as select * from model")
    cursor.unregister("model")


def load(cursor: Cursor, table: Any) -> None:  # noqa: ANN401 - a pyarrow.Table
    """Add rows to it."""
    cursor.register("block", table)
    cursor.execute("insert into incoming select * from block")
    cursor.unregister("block")


def commit(cursor: Cursor, mode: Mode, order: TransferOrder, receipt: Receipt) -> None:
    """Commit what was loaded, with its line: the whole job in its place, a part beside the others that wait."""
    record = Record.of(order, receipt, TABLES[order.job.entity])
    with undone_by_errors(cursor):
        refuse_older(cursor, mode, order, record.generated_at)
        if order.is_part:
            _forget_staged(cursor, order, only=order.part)
            cursor.execute(f"insert into staged.{record.file} select *, ? from incoming", [order.part])
        else:
            _forget(cursor, order)
            put_in_place(cursor, mode, order.job, record.file, generated_at=record.generated_at)
        _note(cursor, order, [record], staged=order.is_part)


def refuse_older(cursor: Cursor, mode: Mode, order: TransferOrder, generated_at: str) -> None:
    """Raise :class:`SinkRejected` if a snapshot of another label, generated later, stands where there is one only."""
    if mode == "append":
        return
    newer = cursor.execute(
        "select snapshot from snapshots.ledger where entity = ? and snapshot <> ? and account = ? and region = ? "
        "and profile_id = ? and not staged and generated_at > try_cast(? as timestamptz) limit 1",
        [*job_key(order), generated_at],
    ).fetchone()
    if newer is not None:
        raise older_than(newer[0], order.job, "a file")


def found(cursor: Cursor, mode: Mode, order: TransferOrder, location: str) -> Receipt | None:
    """Return the receipt of what answers the order; parts that are complete and wait are put in place first."""
    if order.is_part:
        waiting = {record.part: record for record in _records(cursor, order, staged=True)}
        mine = waiting.get(order.part)
        return mine.receipt(location) if mine is not None and mine.answers(order) else None
    for staged in (False, True):
        records = list(_records(cursor, order, staged=staged))
        if records and records[0].answers(order):
            return records[0].receipt(location)
        count = wholeness(records, order.job)
        if count is not None:
            if staged:
                settle(cursor, mode, order, count)
            return receipt_of(records[:count], location)
    return None


def committed(cursor: Cursor, jobs: Iterable[Job]) -> frozenset[Job]:
    """Return which of ``jobs`` are in their place, whole or in all their parts, by the ledger alone."""
    lines = cursor.execute("select record from snapshots.ledger where not staged order by part").fetchall()
    return whole_jobs(jobs, (text for (text,) in lines))


def settle(cursor: Cursor, mode: Mode, order: TransferOrder, parts: int) -> None:
    """Put the first ``parts`` parts of the order's job in their place, if they wait, and forget what else waits.

    Raises :class:`SinkError` if they are not the whole job.
    """
    with undone_by_errors(cursor):
        records = [record for record in _records(cursor, order, staged=True) if record.part < parts]
        if records:
            if wholeness(records, order.job) != parts:
                raise SinkError(f"parts of {order.job} have gone while others were pulled; run again")
            _put_parts_in_place(cursor, mode, order, records)
        _forget_staged(cursor, order)


def _put_parts_in_place(cursor: Cursor, mode: Mode, order: TransferOrder, records: list[Record]) -> None:
    table = TABLES[order.job.entity]
    begin(cursor, order.job.entity)
    cursor.execute(
        f"insert into incoming select * exclude (part) from staged.{table} where {_JOB} and part < ?",
        [*job_key(order), len(records)],
    )
    (generated_at,) = cursor.execute(
        f"select max(generated_at)::varchar from snapshots.ledger where {_JOB} and staged and part < ?",
        [*job_key(order), len(records)],
    ).fetchone()
    refuse_older(cursor, mode, order, generated_at)
    _forget(cursor, order)
    put_in_place(cursor, mode, order.job, table, generated_at=generated_at)
    cursor.execute("drop table incoming")
    _note(cursor, order, records, staged=False)


def _records(cursor: Cursor, order: TransferOrder, *, staged: bool) -> Iterable[Record]:
    """Yield the records of the order's job by part, as far as they can be read."""
    lines = cursor.execute(
        f"select record from snapshots.ledger where {_JOB} and staged = ? order by part", [*job_key(order), staged]
    ).fetchall()
    for (text,) in lines:
        record = parse_record(text.encode())
        if record is not None and record.is_about(replace(order, part=record.part)):
            yield record


def _note(cursor: Cursor, order: TransferOrder, records: list[Record], *, staged: bool) -> None:
    (number,) = cursor.execute("select coalesce(max(number), 0) + 1 from snapshots.ledger").fetchone()
    for record in records:
        text = orjson.dumps(orjson.loads(record_text(record))).decode()
        cursor.execute(
            "insert into snapshots.ledger values (?, ?, ?, ?, ?, ?, ?, ?, "
            "coalesce(try_cast(? as timestamptz), now()), now(), ?)",
            [*job_key(order), record.part, staged, number, record.generated_at, text],
        )


def _forget(cursor: Cursor, order: TransferOrder) -> None:
    cursor.execute(f"delete from snapshots.ledger where {_JOB}", job_key(order))
    _forget_staged(cursor, order)


def _forget_staged(cursor: Cursor, order: TransferOrder, *, only: int | None = None) -> None:
    which, values = (_JOB, job_key(order)) if only is None else (f"{_JOB} and part = ?", [*job_key(order), only])
    cursor.execute(f"delete from snapshots.ledger where staged and {which}", values)
    cursor.execute(f"delete from staged.{TABLES[order.job.entity]} where {which}", values)
