"""Parts of a job that an earlier run under the same label left: it took the job in more parts than this one did.

Contract: whoever reads the tree must meet each row once, so once the first so many parts are committed and are the
whole job, nothing of it stands beyond. Removed is only what its record calls ours; a kill at any moment leaves what the
next run removes, because it asks for the same again.

Plan: the data files go first, then their records, with an fsync of the folder between: a file whose record has gone
would be nobody's and stay. A dead ``.part`` of such a name goes as well,
and so does what is staged (:mod:`asyncexport.sinks.files.staging`); the mark of an unfinished settling goes before all.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace

from asyncexport.models import TransferOrder
from asyncexport.sansio.scheduling.splitting import share_rows
from asyncexport.sinks.files.disk import Files, is_regular
from asyncexport.sinks.files.files import remove_dead, sweep
from asyncexport.sinks.files.places import MARK, STAGED, SUFFIXES, record_of, staged, stem_of
from asyncexport.sinks.records import read_record

_DEAD = (f"{MARK}.part",)
_NAME = re.compile(r"_?part-(0|[1-9][0-9]{0,5})\.")


def remove_beyond(
    files: Files,
    folder: int,
    order: TransferOrder,
    parts: int,
    *,
    whatever_the_filters: bool = True,
    names: Collection[str] | None = None,
) -> None:
    """Remove it from an open folder, in which ``names`` stand (None: let them be looked up). Raises ``OSError``.

    Unless ``whatever_the_filters`` only what may share rows with the order goes: who finds that part 0 of a larger job
    is all they ask for leaves the others be.
    """
    names = files.names(folder) if names is None else names
    for name in names:
        if name in _DEAD or name.endswith(f"{STAGED}.part"):
            remove_dead(files, folder, name.removesuffix(".part"))
    if MARK in names:
        _remove(files, folder, [MARK])

    def ours(number: int, record: str) -> bool:
        return _is_ours(files, folder, order, number, record, whatever_the_filters=whatever_the_filters)

    found = {int(match[1]) for name in names if (match := _NAME.match(name)) is not None}
    beyond = sorted(number for number in found if number >= parts)
    for stem in map(stem_of, beyond):
        sweep(files, folder, f"{stem}.")
        sweep(files, folder, f"_{stem}.")
    stems = [stem_of(number) for number in beyond if ours(number, record_of(number))]
    records = [record_of(number) for number in beyond if ours(number, record_of(number))]
    data = [stem + suffix for stem in stems for suffix in SUFFIXES]
    waiting = [number for number in found if staged(record_of(number)) in names]
    waiting = [number for number in waiting if ours(number, staged(record_of(number)))]
    data += [staged(stem_of(number) + suffix) for number in waiting for suffix in SUFFIXES]
    records += [staged(record_of(number)) for number in waiting]
    if records:
        _remove(files, folder, data)
        _remove(files, folder, records)


def _is_ours(
    files: Files, folder: int, order: TransferOrder, number: int, name: str, *, whatever_the_filters: bool
) -> bool:
    record = read_record(files, folder, name)
    if record is None or not record.is_about(replace(order, part=number)):
        return False
    return whatever_the_filters or share_rows(record.filters, order.job.filters, order.job.entity)


def remove_staged(files: Files, folder: int, order: TransferOrder) -> None:
    """Remove what is staged of one part of the order's job. Raises ``OSError``."""
    name = staged(record_of(order.part))
    if files.look(folder, name) is not None and _is_ours(
        files, folder, order, order.part, name, whatever_the_filters=True
    ):
        _remove(files, folder, [staged(stem_of(order.part) + suffix) for suffix in SUFFIXES])
        _remove(files, folder, [name])


def _remove(files: Files, folder: int, names: list[str]) -> None:
    for name in names:
        found = files.look(folder, name)
        if found is not None and is_regular(found):
            files.unlink(folder, name)
    files.sync(folder)
