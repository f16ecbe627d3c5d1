"""One note as statements: where its job stands now, which parts it is taken in, and what it teaches.

Everything of a caller's is held to its type before the first statement, which is the only one that a note can be
refused by. So a note is written wholly or, when it does not fit, not at all, while the transaction that it shares with
others goes on.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from asyncexport.adapters.journal.memory import learn
from asyncexport.adapters.journal.rows import KEY, Row, encoded, typed
from asyncexport.adapters.journal.splits import as_json, part_of
from asyncexport.models import Job, Receipt
from asyncexport.notes import Committed, Dropped, Intended, Note, Requested, Split

_UPSERT = """
insert into job values (cast(:snapshot as text), cast(:account as text), cast(:region as text),
                        cast(:profile_id as text), cast(:entity as text), cast(:filters as text), cast(:state as text),
                        cast(:export_id as text), :now, :now, :rows, cast(:location as text), cast(:error as text),
                        cast(:split as text), '', 0)
on conflict do update set
    state = excluded.state, noted_at = excluded.noted_at, rows = excluded.rows, location = excluded.location,
    error = excluded.error, export_id = case when :keep then export_id else excluded.export_id end,
    asked_at = case when excluded.state in ('intended', 'requested') then excluded.asked_at else asked_at end,
    split = case when excluded.state in ('intended', 'split') then excluded.split else split end
"""
_ITS_PARTS = """
where snapshot = cast(:snapshot as text) and account = cast(:account as text) and region = cast(:region as text)
  and profile_id = cast(:profile_id as text) and entity = cast(:entity as text) and whole = cast(:filters as text)
"""
_LOOSEN_PARTS = f"update job set part = -1 {_ITS_PARTS}"  # noqa: S608  of constants
_DROP_PARTS = f"delete from job {_ITS_PARTS}"  # noqa: S608  of constants
_COUNT_PARTS = f"select count(*) from job {_ITS_PARTS}"  # noqa: S608  of constants
_COMMIT_PART = f"""
update job set state = 'committed', noted_at = :now, rows = :rows, export_id = cast(:export_id as text),
               location = cast(:location as text), error = '' {_ITS_PARTS} and part = :part
"""  # noqa: S608  of constants
_DROP_LOOSE_PARTS = f"{_DROP_PARTS} and part < 0"
_TAKE_PART = """
insert into job values (cast(:snapshot as text), cast(:account as text), cast(:region as text),
                        cast(:profile_id as text), cast(:entity as text), cast(:filters as text), 'waiting', '',
                        :now, :now, 0, '', '', '', cast(:whole as text), :part)
on conflict do update set whole = excluded.whole, part = excluded.part
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A note about a job, made at ``now`` (seconds since 1970)."""

    job: Job
    note: Note
    now: float


def write(connection: sqlite3.Connection, entry: Entry) -> None:
    """Write a note inside the transaction that is open. Raises what SQLite and Python do for values that do not fit."""
    job, note = entry.job, entry.note
    row = encoded(typed(_row(job, note, entry.now)))
    receipts = note.receipt.parts if isinstance(note, Committed) else ()
    committed = [encoded(typed({**_told(receipt), "part": part})) for part, receipt in enumerate(receipts)]
    connection.execute(_UPSERT, row)
    match note:
        case Intended():
            connection.execute(_DROP_PARTS, row)
        case Split(parts=parts):
            _take_parts(connection, row, [part_of(job, filters) for filters in parts])
            learn(connection, job, note, entry.now)
        case Committed():
            _commit_parts(connection, row, committed)
            learn(connection, job, note, entry.now)


def _take_parts(connection: sqlite3.Connection, row: Row, parts: list[Job]) -> None:
    """Let these rows be the parts of the row's job, and no others. A part that is there keeps what is known of it."""
    connection.execute(_LOOSEN_PARTS, row)
    for number, part in enumerate(parts):
        key = dict(zip(KEY, part.key, strict=True))
        connection.execute(_TAKE_PART, encoded({**key, "whole": row["filters"], "part": number, "now": row["now"]}))
    connection.execute(_DROP_LOOSE_PARTS, row)


def _commit_parts(connection: sqlite3.Connection, row: Row, parts: list[Row]) -> None:
    """Let the parts that are known be those that the job stands in; where it stands in others, let none be known."""
    ((known,),) = connection.execute(_COUNT_PARTS, row)
    if known == len(parts):
        connection.executemany(_COMMIT_PART, [row | part for part in parts])
    else:
        connection.execute(_DROP_PARTS, row)


def _row(job: Job, note: Note, now: float) -> Row:
    key = dict(zip(KEY, job.key, strict=True))
    return {**key, "export_id": "", "rows": 0, "location": "", "error": "", "keep": False, "split": "", "now": now} | (
        _columns(job, note)
    )


def _columns(job: Job, note: Note) -> Row:
    match note:
        case Intended():
            return {"state": "intended"}
        case Requested(export_id=export_id):
            return {"state": "requested", "export_id": export_id}
        case Committed(receipt=receipt):
            return {"state": "committed", **_told(receipt)}
        case Dropped(error=error, keep=keep):
            return {"state": "failed", "keep": keep, "error": type(error).__name__}
        case Split(parts=parts):
            if len(parts) < 2 or job.filters in parts:
                raise ValueError("a job is split into several parts, and is none of them itself")
            return {"state": "split", "split": as_json(parts)}


def _told(receipt: Receipt) -> Row:
    return {"export_id": receipt.export_id, "rows": receipt.rows, "location": receipt.location}
