"""The table of habits: what :mod:`asyncexport.sansio.looks.habits` makes of the notes, kept in their own transactions.

A habit is a hint. A row that holds what a habit never holds is taken for nothing learned, and the next note about its
job replaces it.
"""

from __future__ import annotations

import math
import os
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asyncexport.adapters.journal.file import FILE
from asyncexport.adapters.journal.reading import looking
from asyncexport.adapters.journal.rows import as_bytes
from asyncexport.adapters.journal.splits import as_json, from_json, part_of
from asyncexport.models import Job
from asyncexport.notes import Habit, Note
from asyncexport.sansio.looks.habits import LARGEST_LOG, Memory

Key = tuple[str, ...]

_MANY = 1 << 31

_ALL = "select * from habit"
_ONE = """
select * from habit where account = cast(? as text) and region = cast(? as text) and profile_id = cast(? as text)
                      and entity = cast(? as text) and filters = cast(? as text)
"""
_SLOWEST = """
select account, region, profile_id, entity, max(log_seconds) from habit
where typeof(log_seconds) = 'real' and log_seconds between ? and ? and split = ''
group by account, region, profile_id, entity order by max(log_seconds) desc limit ?
"""
_KEEP = """
insert or replace into habit values (cast(? as text), cast(? as text), cast(? as text), cast(? as text),
                                     cast(? as text), ?, ?, ?, ?)
"""


def learn(connection: sqlite3.Connection, job: Job, note: Note, now: float) -> None:
    """Keep what a note teaches about its job, inside the transaction that is open."""
    subject = [as_bytes(text) for text in job.subject]
    row = connection.execute(_ONE, subject).fetchone()
    before = Memory() if row is None else _memory(row, job)
    after = before.after(note)
    if after != before:
        split = as_json(after.split) if after.split else ""
        connection.execute(_KEEP, (*subject, after.log_seconds, after.nights, split, now))


def habits(connection: sqlite3.Connection, jobs: Iterable[Job]) -> dict[Key, Habit]:
    """Return what was learned of these jobs, and of the parts that they begin in, by subject."""
    wanted = {job.subject: job for job in jobs}
    rows = {row[:5]: row for row in connection.execute(_ALL) if row[:5] in wanted}
    found = {subject: _memory(row, wanted[subject]).habit for subject, row in rows.items()}
    for subject, habit in list(found.items()):
        for part in (part_of(wanted[subject], filters) for filters in habit.split):
            row = connection.execute(_ONE, [as_bytes(text) for text in part.subject]).fetchone()
            if row is not None:
                found[part.subject] = _memory(row, part).habit
    return found


def learned(state_dir: str | os.PathLike[str], jobs: Iterable[Job]) -> dict[Key, Habit]:
    """Return what a state folder has learned of these jobs, and of the parts that they begin in, by subject.

    Works while a run holds the lock. Raises :class:`StateCorrupt` for a damaged or foreign file.
    """
    with looking(Path(state_dir) / FILE) as connection:
        return {} if connection is None else habits(connection, jobs)


@dataclass(frozen=True, slots=True)
class Slow:
    """Whose export usually takes so many seconds; of a job that is split, its slowest part."""

    account: str
    region: str
    profile_id: str
    entity: str
    seconds: float


def slowest(state_dir: str | os.PathLike[str], number: int) -> list[Slow]:
    """Return what takes longest of all that a state folder has learned, the slowest first.

    Works while a run holds the lock. Raises :class:`StateCorrupt` for a damaged or foreign file.
    """
    with looking(Path(state_dir) / FILE) as connection:
        found = [] if connection is None else list(connection.execute(_SLOWEST, (-LARGEST_LOG, LARGEST_LOG, number)))
        return [Slow(row[0], row[1], row[2], row[3], math.exp(row[4])) for row in found]


def _memory(row: tuple[Any, ...], job: Job) -> Memory:
    log_seconds, nights, split = row[5:8]
    fits = log_seconds is None or (isinstance(log_seconds, float) and abs(log_seconds) <= LARGEST_LOG)
    if not fits or not isinstance(nights, int) or not 0 <= nights < _MANY or not isinstance(split, str):
        return Memory()
    return Memory(log_seconds, nights, from_json(split, job))
