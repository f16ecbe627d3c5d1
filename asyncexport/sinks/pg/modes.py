"""What a new snapshot does to those before it, in PostgreSQL's SQL; see :mod:`asyncexport.sinks.duck.modes`.

Contract: :func:`put_in_place` runs inside a transaction that has the lock of the entity and the profile; the rows of
one whole job are in the temporary table of its entity, where they are from as well if they waited as parts.

Worst case of ``history``: three joins of the profile's current rows with the new ones, two of them on a hash of all
they hold, since rows without an id are what they hold. Nobody has counted the new rows yet, and perhaps not the old
ones, so the server would believe that there are few and take one of them at a time: it is told not to.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from asyncexport.models import Entity, Job
from asyncexport.sansio.tabular.columns import MODELS, PROVENANCE
from asyncexport.sansio.tabular.scope import scope
from asyncexport.sinks.databases import TABLES, Mode
from asyncexport.sinks.pg.connections import Connection
from asyncexport.sinks.pg.tables import PROFILE, all_names_of, incoming, names_of


async def put_in_place(
    connection: Connection,
    schema: str,
    mode: Mode,
    job: Job,
    where_from: list[Any],
    *,
    generated_at: datetime | None,
    was_there: bool,
) -> int:
    """Make what has come in the job's rows. ``where_from`` are the values of the columns that say so.

    ``schema`` is SQL. ``was_there`` says whether the ledger had the job: only then are there rows of it, which are
    found by reading many. Return how many rows the server says have come.
    """
    rows = f"{schema}.{TABLES[job.entity]}_rows"
    profile = [job.profile.account, job.profile.region.value, job.profile.profile_id]
    if mode == "history":
        await _continue_history(connection, rows, job, profile, where_from, generated_at)
        return int(await connection.fetchval(f"select count(*) from {incoming(job.entity)}"))
    if mode == "latest":
        await connection.execute(f"delete from {rows} where {PROFILE}", *profile)
    elif was_there:
        await connection.execute(f"delete from {rows} where {PROFILE} and snapshot = $4", *profile, job.snapshot)
    insert = f"insert into {rows} ({all_names_of(job.entity)}) {come(job.entity)}"
    return changed(await connection.execute(insert, *where_from))


def changed(tag: str) -> int:
    """Return how many rows a statement has changed, by what the server says at its end: ``INSERT 0 42``."""
    return int(tag.rpartition(" ")[2])


def come(entity: Entity) -> str:
    """Return the query of what has come in, with parameters for where it is from."""
    where_from = (f"coalesce({name}, ${at})" for at, name in enumerate(PROVENANCE, start=1))
    return f"select {', '.join((*where_from, *names_of(entity)))} from {incoming(entity)} new"


async def _continue_history(
    connection: Connection,
    rows: str,
    job: Job,
    profile: list[str],
    where_from: list[Any],
    generated_at: datetime | None,
) -> None:
    instant = await connection.fetchval(
        "select greatest(coalesce($4::timestamptz, now()), "
        f"(select max(greatest(valid_from, valid_to)) from {rows} where {PROFILE}))",
        *profile,
        generated_at,
    )
    identity = f'"{next(iter(MODELS[job.entity])).lower()}"'
    new = f"select from {incoming(job.entity)} new where"
    ended = (
        f"update {rows} old set valid_to = $4 where valid_to is null and {PROFILE} "
        f"and not exists ({new} {_same(job.entity)})"
    )
    await connection.execute("set local enable_nestloop = off")
    await connection.execute(f"{ended} and exists ({new} new.{identity} = old.{identity})", *profile, instant)
    gone, values = _gone(job, first=5)
    await connection.execute(f"{ended} and {gone}", *profile, instant, *values)
    at = len(PROVENANCE) + 1
    await connection.execute(
        f"insert into {rows} ({all_names_of(job.entity)}, valid_from) "
        f"select distinct come.*, ${at}::timestamptz from ({come(job.entity)} where not exists (select from {rows} old "
        f"where valid_to is null and account = ${at + 1} and region = ${at + 2} and profile_id = ${at + 3} "
        f"and {_same(job.entity)})) come",
        *where_from,
        instant,
        *profile,
    )


def _same(entity: Entity) -> str:
    """Return the condition that an old and a new row hold the same; it can be looked up by a hash."""
    old, new = (", ".join(f"{row}.{name}" for name in names_of(entity)) for row in ("old", "new"))
    return (
        f"hash_record_extended(row({old}), 0) = hash_record_extended(row({new}), 0) "
        f"and row({old}) is not distinct from row({new})"
    )


def _gone(job: Job, *, first: int) -> tuple[str, list[Any]]:
    """Return the condition that a row which is missing must meet to be gone, and its values from ``first`` on."""
    fields = scope(job.filters, job.entity)
    if fields is None:
        return "false", []
    conditions = [f'old."{name.lower()}" = any(${at})' for at, name in enumerate(fields, start=first)]
    return "(" + " and ".join(conditions) + ")", [list(words) for words in fields.values()]
