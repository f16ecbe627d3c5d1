"""Snapshots as they stand in the tables of a DuckDB file, or stood once. Needs duckdb and pyarrow.

Contract: :func:`looking` opens the file to be read and gives a look at its snapshots. In a file of the mode ``append``
a snapshot is its rows. In one of ``history`` it is the rows that held when it was generated: also such as it was not
asked for, which were known before and of which it says nothing. A file of ``latest`` holds no older snapshot.

Worst case: a batch of rows in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

from asyncexport.errors import ConfigError, SinkRejected
from asyncexport.models import Entity
from asyncexport.sansio.tabular.columns import EXTRA, MODELS
from asyncexport.sinks.databases import TABLES
from asyncexport.sinks.duck.database import Cursor, reading
from asyncexport.sinks.files.stored import following
from asyncexport.sinks.records import Record, parse_record
from asyncexport.sinks.snapshots.snapshot import ROWS, Look, Snapshot, plain_row

_ABOUT = "from duckdb_tables() where schema_name = 'snapshots' and table_name = 'about'"
_LINES = (
    "select record, (max(generated_at) over job)::varchar, "
    "snapshot = arg_max(snapshot, row(generated_at, number)) over (partition by account, region, profile_id) "
    "from snapshots.ledger where entity = ? and not staged "
    "window job as (partition by account, region, profile_id, snapshot) "
    "qualify snapshot = ? order by account, region, profile_id, part"
)
_PROFILE = ("account", "region", "profile_id")
_ROWS = {
    "append": "snapshot = $snapshot",
    "newest": "valid_to is null",
    "history": "valid_from <= $instant::timestamptz and (valid_to is null or valid_to > $instant::timestamptz)",
}


@contextmanager
def looking(path: str) -> Iterator[Look]:
    """Open the file and give a look at it.

    Raises :class:`SinkError` and its children as reading does, :class:`ConfigError` if it keeps no older snapshots.
    """
    with reading(path) as cursor:
        cursor.execute("set timezone = 'UTC'")
        if not cursor.execute(
            "from duckdb_tables() where schema_name = 'snapshots' and table_name = 'about'"
        ).fetchall():
            raise SinkRejected(f"{path} holds no exports; name the file that a run has written")
        (mode,) = cursor.execute("select mode from snapshots.about").fetchone()
        if mode == "latest":
            raise ConfigError(f"{path} has the mode 'latest' and holds no older snapshot to compare with")
        yield partial(_snapshots, cursor, mode)


@dataclass(frozen=True, slots=True)
class _InTables(Snapshot):
    """The rows that ``condition`` tells, as they held at ``instant``."""

    cursor: Cursor
    condition: str
    instant: str

    def rows(self) -> Iterator[dict[str, Any]]:
        first = self.records[0]
        values = {"account": first.account, "region": first.region, "profile_id": first.profile_id}
        values |= {"snapshot": first.snapshot, "instant": self.instant}
        columns = ", ".join(f'"{name}"' for name in (*MODELS[self.entity], EXTRA))
        cursor = self.cursor.cursor()  # one of its own, for rows of another snapshot may be read meanwhile
        cursor.execute("set timezone = 'UTC'")
        found = cursor.sql(
            f"select {columns} from snapshots.{TABLES[self.entity]} "
            f"where account = $account and region = $region and profile_id = $profile_id and {self.condition}",
            params={name: value for name, value in values.items() if f"${name}" in self.condition or name in _PROFILE},
        )
        for batch in _batches(found):
            yield from map(plain_row, batch.to_pylist())


def _batches(found: Any) -> Iterable[Any]:  # noqa: ANN401 - a duckdb.DuckDBPyRelation
    """Return what was selected, as Arrow has it: DuckDB 2 gave that another name."""
    reader = getattr(found, "to_arrow_reader", None) or found.fetch_arrow_reader
    batches: Iterable[Any] = reader(ROWS)
    return batches


def _snapshots(cursor: Cursor, mode: str, label: str, entity: Entity) -> Iterator[_InTables]:
    lines = cursor.execute(_LINES, [entity.value, label]).fetchall()
    records = [(parse_record(text.encode()), instant, is_newest) for text, instant, is_newest in lines]
    for _, group in groupby(records, key=lambda line: line[0] and _subject(line[0])):
        job = list(group)
        parts = {record.part: record for record, _, _ in job if record is not None}
        whole = tuple(following(parts.get, entity))
        _, instant, is_newest = job[0]
        if whole:
            yield _InTables(whole, cursor, _ROWS["newest" if mode == "history" and is_newest else mode], instant)


def _subject(record: Record) -> tuple[str, str, str]:
    return record.account, record.region, record.profile_id
