"""Reading the journal: for the next run, and for a person who looks while a run holds the lock."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asyncexport.adapters.journal.file import FILE, connect, is_empty, let_look, translated
from asyncexport.adapters.journal.rows import Row, as_bytes, encoded, typed
from asyncexport.adapters.journal.splits import from_json, part_of
from asyncexport.models import Job
from asyncexport.notes import Known

Key = tuple[str, ...]

_READ = """
select * from job
where snapshot = coalesce(cast(:snapshot as text), snapshot) and state = coalesce(cast(:state as text), state)
  and (:parts or whole = '')
order by noted_at
"""
_OF_LABEL = "select * from job where snapshot = cast(? as text)"
_SPLIT, _WHOLE = 13, 14
_TALLY = """
select snapshot, max(noted_at) as noted_at,
       sum(whole = '' and state = 'committed') as committed, sum(whole = '' and state = 'failed') as failed,
       sum(whole = '' and state = 'requested') as requested, sum(whole = '' and state = 'intended') as intended,
       sum(whole = '' and state = 'split') as in_parts, sum(worth) as collectable,
       min(case when state = 'requested' then asked_at end) as oldest_at
from (select *, state in ('requested', 'failed') and export_id <> '' and asked_at > :since as worth from job)
group by snapshot order by max(noted_at)
"""


@dataclass(frozen=True, slots=True)
class LabelCount:
    """The jobs of one label, counted by state. A job ``in_parts`` is one, and its parts are none.

    ``collectable`` exports, parts included, were asked for, are not committed, and the API still keeps them; the oldest
    export that is under way was asked for at ``oldest_at``, the last note made at ``noted_at``, both in seconds since
    1970.
    """

    snapshot: str
    committed: int
    failed: int
    requested: int
    intended: int
    in_parts: int
    collectable: int
    oldest_at: float | None
    noted_at: float

    @property
    def jobs(self) -> int:
        """How many there are."""
        return self.committed + self.failed + self.requested + self.intended + self.in_parts


def tally(state_dir: str | os.PathLike[str], *, kept_since: float) -> list[LabelCount]:
    """Count the jobs of every label that a state folder knows, the label with the newest note last.

    The API keeps what was asked for after ``kept_since`` (seconds since 1970). Works while a run holds the lock.
    Raises :class:`StateCorrupt` for a damaged or foreign file.
    """
    return [LabelCount(**row) for row in _select(Path(state_dir) / FILE, _TALLY, {"since": kept_since})]


def read(
    state_dir: str | os.PathLike[str], *, snapshot: str | None = None, state: str | None = None, parts: bool = False
) -> list[dict[str, Any]]:
    """Return the jobs that a state folder knows, the newest note last; empty when there is no journal.

    Only those of a label or in a state, where one is given; with ``parts`` also the parts of jobs that are split: their
    ``whole`` holds the filters of the job, where a job's is empty, and ``part`` their number. Works while a run holds
    the lock. Raises :class:`StateCorrupt` for a damaged or foreign file.
    """
    return _select(Path(state_dir) / FILE, _READ, {"snapshot": snapshot, "state": state, "parts": parts})


def recall(connection: sqlite3.Connection, jobs: Iterable[Job], now: float) -> dict[Key, Known]:
    """Return what is known of these jobs, and of the parts of those that are split, by key."""
    wanted = {job.key: job for job in jobs}
    known: dict[Key, Known] = {}
    for snapshot in {key[0] for key in wanted}:
        label = connection.execute(_OF_LABEL, (as_bytes(snapshot),))
        rows = {row[:6]: row for row in label if row[:6] in wanted or row[_WHOLE]}
        for key in wanted.keys() & rows.keys():
            known[key] = found = _known(rows[key], wanted[key], now)
            parts = [part_of(wanted[key], filters) for filters in found.split]
            known |= {part.key: _known(rows[part.key], part, now) for part in parts if part.key in rows}
    return known


def _known(row: tuple[Any, ...], job: Job, now: float) -> Known:
    return Known(str(row[6]), str(row[7]), max(0.0, now - float(row[8])), from_json(str(row[_SPLIT]), job))


def _select(path: Path, statement: str, values: Row) -> list[Row]:
    with looking(path) as connection:
        if connection is None:
            return []
        connection.row_factory = sqlite3.Row
        return [typed(dict(row)) for row in connection.execute(statement, encoded(values))]


@contextmanager
def looking(path: Path) -> Iterator[sqlite3.Connection | None]:
    """Open a journal to look at it, also while a run writes it; None where there is none."""
    with translated(path):
        if not path.exists():
            yield None
            return
        with closing(connect(path)) as connection:
            if is_empty(connection):
                yield None
                return
            let_look(connection, path)
            yield connection
