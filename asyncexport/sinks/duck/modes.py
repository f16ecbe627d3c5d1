"""What a new snapshot does to those before it, in SQL: stands beside them, takes their place, or becomes history.

Contract: :func:`put_in_place` runs inside a transaction; the rows of one whole job are in ``incoming``.

- ``append``: every snapshot is kept; one that is pulled again takes its own place.
- ``latest``: the profile's rows are those of the newest snapshot.
- ``history``: each version of a row stands once, ``valid_from`` the generation of the export that first had it until
  ``valid_to``, that of the first that had another or none. A row that is the same in the next snapshot is left alone.
  What is missing is gone where the filters allow that to be said (:mod:`asyncexport.sansio.tabular.scope`), else left
  as it is.

In each mode a view of the entity's own name shows the rows of the newest snapshot of each profile: that which was
generated last. ``latest`` and ``history`` are given snapshots in that order only; the ledger sees to it.

Worst case of ``history``: one join of the profile's current rows with the new ones, on their ids.
"""

from __future__ import annotations

from typing import Any

from asyncexport.models import Entity, Job
from asyncexport.sansio.tabular.columns import EXTRA, MODELS
from asyncexport.sansio.tabular.scope import scope
from asyncexport.sinks.databases import Mode
from asyncexport.sinks.duck.database import Cursor

_PROFILE = "account = ? and region = ? and profile_id = ?"


def create_views(cursor: Cursor, mode: Mode, entity: Entity, table: str) -> None:
    """Make the view of the newest snapshot of one entity."""
    newest = (
        "select account, region, profile_id, arg_max(snapshot, row(generated_at, number)) as snapshot "
        "from snapshots.ledger "
        f"where entity = '{entity.value}' and not staged group by all"
    )
    rows = {
        "append": f"select rows.* from snapshots.{table} rows semi join ({newest}) newest "
        "using (account, region, profile_id, snapshot)",
        "latest": f"select * from snapshots.{table}",
        "history": f"select * exclude (valid_from, valid_to) from snapshots.{table} where valid_to is null",
    }[mode]
    cursor.execute(f"create view main.{table} as {rows}")


def put_in_place(cursor: Cursor, mode: Mode, job: Job, table: str, *, generated_at: str) -> None:
    """Make what is in ``incoming`` the job's rows. ``generated_at`` is as the API spelt it; empty: now."""
    profile = [job.profile.account, job.profile.region.value, job.profile.profile_id]
    match mode:
        case "append":
            cursor.execute(f"delete from snapshots.{table} where snapshot = ? and {_PROFILE}", [job.snapshot, *profile])
            cursor.execute(f"insert into snapshots.{table} select * from incoming")
        case "latest":
            cursor.execute(f"delete from snapshots.{table} where {_PROFILE}", profile)
            cursor.execute(f"insert into snapshots.{table} select * from incoming")
        case "history":
            _continue_history(cursor, job, table, profile, generated_at)


def _continue_history(cursor: Cursor, job: Job, table: str, profile: list[Any], generated_at: str) -> None:
    identity = f'"{next(iter(MODELS[job.entity]))}"'
    content = ", ".join(f'"{name}"' for name in (*MODELS[job.entity], EXTRA))
    cursor.execute(
        "create or replace temp table moment as select greatest(coalesce(try_cast(? as timestamptz), now()), "
        f"(select max(greatest(valid_from, valid_to)) from snapshots.{table} where {_PROFILE})) as instant",
        [generated_at, *profile],
    )
    cursor.execute(
        "create or replace temp table current as "
        f"select {identity} as id, row({content}) as content, rowid as place from snapshots.{table} "
        f"where valid_to is null and {_PROFILE}",
        profile,
    )
    cursor.execute(
        f"create or replace temp view new as select {identity} as id, row({content}) as content from incoming"
    )
    gone, values = _gone(job)
    cursor.execute(
        f"update snapshots.{table} set valid_to = (select instant from moment) "
        "where rowid in (select place from current anti join new "
        "on current.id is not distinct from new.id and current.content is not distinct from new.content) "
        f"and ({identity} in (select id from new) or {gone})",
        values,
    )
    cursor.execute(
        f"insert into snapshots.{table} select distinct incoming.*, (select instant from moment), null from incoming "
        f"anti join current on current.id is not distinct from incoming.{identity} "
        f"and current.content is not distinct from row({content})"
    )
    cursor.execute("drop view new; drop table current; drop table moment")


def _gone(job: Job) -> tuple[str, list[Any]]:
    """Return the condition that a row which is missing must meet to be gone, and its values."""
    fields = scope(job.filters, job.entity)
    if fields is None:
        return "false", []
    conditions = [f'"{name}" in ({", ".join("?" * len(words))})' for name, words in fields.items()]
    return "(" + " and ".join(conditions) + ")", [word for words in fields.values() for word in words]
