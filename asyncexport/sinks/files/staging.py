"""New parts of a job of which something stands already: kept out of every reader's sight until all of them are there.

Contract: a part that asks for rows that stand already is committed under a *staged* name, ``_part-0.jsonl.zst.staged``,
which no reader of the tree matches; what stands stays as it is, however the run ends. :func:`publish`, once the parts
are the whole job, gives all of them their names. A kill in the middle of that is made good by :func:`finish`, which
whoever next looks for the job, or writes a part of it, calls first.

Plan of :func:`publish`: the mark ``_settling.json``, which says whose job and how many parts, is written and the folder
fsynced: from here on the new parts are the job. Then the records get their names, fsync, then the files, fsync: so a
file under its final name always has a record that says whose it is. Each step can be done again. The mark goes with
what is left over (:mod:`asyncexport.sinks.files.leftovers`).
"""

from __future__ import annotations

import json
from dataclasses import replace

import orjson

from asyncexport.errors import SinkError
from asyncexport.models import TransferOrder
from asyncexport.sansio.scheduling.splitting import leading_whole, share_rows
from asyncexport.sinks.files.disk import Files
from asyncexport.sinks.files.files import write_whole
from asyncexport.sinks.files.leftovers import remove_beyond
from asyncexport.sinks.files.places import MARK, SUFFIXES, Place, record_of, staged, stem_of
from asyncexport.sinks.records import Record, read_record, read_small


def must_wait(files: Files, folder: int, place: Place, order: TransferOrder) -> bool:
    """Return whether the part, which goes to ``place``, would stand beside or replace rows that stand already."""
    names = files.names(folder)
    if any(name in names for name in (place.file, *place.rivals)):
        return True
    known = (read_record(files, folder, name) for name in names if name.endswith(".receipt.json"))
    return any(
        record is not None
        and record.is_about(replace(order, part=record.part))
        and share_rows(record.filters, order.job.filters, order.job.entity)
        for record in known
    )


def publish(files: Files, folder: int, order: TransferOrder, parts: int) -> None:
    """Give the staged ones of the first ``parts`` parts of the order's job their names. Raises ``OSError``.

    Raises :class:`SinkError` if the parts that would then stand are not the job: another run has removed some.
    """
    if _waiting(files, folder, parts):
        _refuse_what_is_not_whole(files, folder, order, parts)
        write_whole(files, folder, MARK, _mark_of(order, parts))
        files.sync(folder)
        _give_names(files, folder, parts)


def finish(files: Files, folder: int, order: TransferOrder) -> None:
    """Go on with a :func:`publish` of the order's job that was killed. Raises ``OSError``."""
    if files.look(folder, MARK) is not None and (parts := _marked(files, folder, order)):
        _give_names(files, folder, parts)
        remove_beyond(files, folder, order, parts)


def _waiting(files: Files, folder: int, parts: int) -> list[int]:
    names = set(files.names(folder))
    return [number for number in range(parts) if staged(record_of(number)) in names]


def _refuse_what_is_not_whole(files: Files, folder: int, order: TransferOrder, parts: int) -> None:
    records = [_standing(files, folder, order, number) for number in range(parts)]
    filters = [record.filters for record in records if record is not None]
    if len(filters) < parts or leading_whole(order.job.filters, order.job.entity, filters) != parts:
        raise SinkError(f"parts of {order.job} have gone while others were pulled; run again")


def _standing(files: Files, folder: int, order: TransferOrder, number: int) -> Record | None:
    """Return the record that part ``number`` is going to have, None if its file is not there."""
    for named in (staged, str):
        record = read_record(files, folder, named(record_of(number)))
        if record is not None:
            is_there = files.look(folder, named(record.file)) is not None
            return record if is_there and record.is_about(replace(order, part=number)) else None
    return None


def _give_names(files: Files, folder: int, parts: int) -> None:
    names = set(files.names(folder))
    for record in map(record_of, range(parts)):
        if staged(record) in names:
            files.rename(folder, staged(record), record)
    files.sync(folder)
    for stem in map(stem_of, range(parts)):
        own = [stem + suffix for suffix in SUFFIXES]
        for file in own:
            if staged(file) in names:
                for rival in own:
                    if rival != file and rival in names:
                        files.unlink(folder, rival)
                files.rename(folder, staged(file), file)
    files.sync(folder)


def _mark_of(order: TransferOrder, parts: int) -> bytes:
    return json.dumps({"job": order.job.key[:5], "parts": parts}).encode() + b"\n"


def _marked(files: Files, folder: int, order: TransferOrder) -> int:
    """Return how many parts the mark speaks of; 0 if it is of another job or none of ours."""
    try:
        content = orjson.loads(read_small(files, folder, MARK) or b"")
    except orjson.JSONDecodeError:
        return 0
    if not isinstance(content, dict) or content.get("job") != list(order.job.key[:5]):
        return 0
    parts = content.get("parts")
    return parts if type(parts) is int and 0 < parts <= 1_000 else 0
