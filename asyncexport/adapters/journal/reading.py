"""Reading the journal: for the next run, and for a person who looks while a run holds the lock."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asyncexport.adapters.journal.file import FILE, connect, is_empty, refuse_foreign, translated
from asyncexport.adapters.journal.rows import Row, as_bytes, encoded, typed
from asyncexport.notes import Known

_READ = """
select * from job
where snapshot = coalesce(cast(:snapshot as text), snapshot) and state = coalesce(cast(:state as text), state)
order by noted_at
"""
_OF_LABEL = "select * from job where snapshot = cast(? as text)"
_TALLY = """
select snapshot, max(noted_at) as noted_at,
       sum(state = 'committed') as committed, sum(state = 'failed') as failed,
       sum(state = 'requested') as requested, sum(state = 'intended') as intended,
       sum(worth) as collectable, min(case when state = 'requested' then asked_at end) as oldest_at
from (select *, state in ('requested', 'failed') and export_id <> '' and asked_at > :since as worth from job)
group by snapshot order by max(noted_at)
"""


@dataclass(frozen=True, slots=True)
class LabelCount:
    """The jobs of one label, counted by state.

    ``collectable`` exports were asked for, are not committed, and the API still keeps them; the oldest export that is
    under way (``requested``) was asked for at ``oldest_at``, the last note made at ``noted_at``, both in seconds since
    1970.
    """

    snapshot: str
    committed: int
    failed: int
    requested: int
    intended: int
    collectable: int
    oldest_at: float | None
    noted_at: float

    @property
    def jobs(self) -> int:
        """How many there are."""
        return self.committed + self.failed + self.requested + self.intended


def tally(state_dir: str | os.PathLike[str], *, kept_since: float) -> list[LabelCount]:
    """Count the jobs of every label that a state folder knows, the label with the newest note last.

    The API keeps what was asked for after ``kept_since`` (seconds since 1970). Works while a run holds the lock.
    Raises :class:`StateCorrupt` for a damaged or foreign file.
    """
    return [LabelCount(**row) for row in _select(Path(state_dir) / FILE, _TALLY, {"since": kept_since})]


def read(
    state_dir: str | os.PathLike[str], *, snapshot: str | None = None, state: str | None = None
) -> list[dict[str, Any]]:
    """Return the jobs that a state folder knows, the newest note last; empty when there is no journal.

    Only those of a label or in a state, where one is given. Works while a run holds the lock. Raises
    :class:`StateCorrupt` for a damaged or foreign file.
    """
    return _select(Path(state_dir) / FILE, _READ, {"snapshot": snapshot, "state": state})


def recall(path: Path, keys: set[tuple[str, ...]], now: float) -> dict[tuple[str, ...], Known]:
    """Return what is known of the jobs with these keys."""
    known = {}
    with translated(path), closing(connect(path)) as connection:
        for snapshot in {key[0] for key in keys}:
            for row in connection.execute(_OF_LABEL, (as_bytes(snapshot),)):
                if row[:6] in keys:
                    known[row[:6]] = Known(str(row[6]), str(row[7]), now - float(row[8]))
    return known


def _select(path: Path, statement: str, values: Row) -> list[Row]:
    with translated(path):
        if not path.exists():
            return []
        with closing(connect(path)) as connection:
            if is_empty(connection):
                return []
            refuse_foreign(connection, path)
            connection.row_factory = sqlite3.Row
            return [typed(dict(row)) for row in connection.execute(statement, encoded(values))]
