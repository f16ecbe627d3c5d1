"""What a run would not have to ask for: exports that are there already, and exports that Amazon still keeps for us.

Contract: cheap enough for thousands of jobs, and therefore less sure than a run. A run reads every file to the last
bit; here a file counts as there when its record answers the job and its size is the record's, which takes two small
look-ups a job; of a database the ledger is believed. What the journal knows as asked for counts as to be collected.
Nothing is written, nothing is locked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from asyncexport.app.sinking import RunSink
from asyncexport.app.standing import collectable
from asyncexport.errors import SinkRejected
from asyncexport.models import Job, SignedUrl, TransferOrder
from asyncexport.sansio.scheduling.splitting import leading_whole
from asyncexport.sinks import DuckDB, Postgres
from asyncexport.sinks.files.files import open_path
from asyncexport.sinks.files.tree import Tree
from asyncexport.sinks.records import Record, read_record


@dataclass(frozen=True, slots=True)
class Present:
    """How many jobs are ``there`` already, and how many of the others have an export ``to_collect``."""

    there: frozenset[Job] = frozenset()
    to_collect: int = 0


def present(jobs: Sequence[Job], sink: RunSink, state_dir: Path | None, *, now: float) -> Present:
    """Look for ``jobs`` in the output folder and in the journal. ``now`` is in seconds since 1970.

    Raises :class:`StateError` for a journal that cannot be read, :class:`SinkError` for a database.
    """
    there = (
        sink.there(jobs)
        if isinstance(sink, DuckDB | Postgres)
        else frozenset(job for job in jobs if _is_there(job, sink))
    )
    rest = [job for job in jobs if job not in there]
    return Present(there, collectable(state_dir, rest, now=now) if state_dir is not None else 0)


def _is_there(job: Job, sink: Tree) -> bool:
    """Tell whether the job's file is there, or the files of all parts that it was split into."""
    order = TransferOrder(job, "", SignedUrl(""))
    found = list(_records(order, sink))
    if found and found[0].answers(order):
        return True
    return leading_whole(job.filters, job.entity, [record.filters for record in found]) is not None


def _records(order: TransferOrder, sink: Tree) -> Iterator[Record]:
    """Yield the records of part 0 and, as far as that is none of the whole job, of those after it, if they hold."""
    for part in count():
        record = _record_of(replace(order, part=part), sink)
        if record is None:
            return
        yield record
        if record.answers(order):
            return


def _record_of(order: TransferOrder, sink: Tree) -> Record | None:
    files, place = sink.files, sink.place(order)
    try:
        folder = open_path(files, place.root, place.parts)
    except (OSError, SinkRejected):
        return None
    try:
        record, found = read_record(files, folder, place.record), files.look(folder, place.file)
    except OSError:
        return None
    finally:
        files.close(folder)
    if record is None or found is None or not record.is_about(order):
        return None
    return record if (record.file, record.bytes) == (place.file, found.st_size) else None
