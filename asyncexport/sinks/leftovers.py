"""Parts of a job that an earlier run under the same label left: it took the job in more parts than this one did.

Contract: whoever reads the tree must meet each row once, so once the first so many parts are committed and are the
whole job, nothing of it stands beyond. Removed is only what its record calls ours; a kill at any moment leaves what the
next run removes, because it asks for the same again.

Plan: the data files go first, then their records, with an fsync of the folder between: a file whose record has gone
would be nobody's and stay. A dead ``.part`` of such a name goes as well.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace

from asyncexport.models import TransferOrder
from asyncexport.sansio.splitting import share_rows
from asyncexport.sinks.codecs import SUFFIXES
from asyncexport.sinks.disk import Files, failing_as_sink_error, is_regular
from asyncexport.sinks.files import open_path, sweep
from asyncexport.sinks.places import Place, record_of, stem_of
from asyncexport.sinks.records import read_record

_NAME = re.compile(r"_?part-(0|[1-9][0-9]{0,5})\.")


def settle(files: Files, place: Place, order: TransferOrder, parts: int) -> None:
    """Remove what stands beyond the first ``parts`` parts of the order's job, which is at ``place``.

    Raises :class:`SinkError`.
    """
    with failing_as_sink_error(place.folder, "removing left-over parts"), suppress(FileNotFoundError):
        folder = open_path(files, place.root, place.parts)
        try:
            remove_beyond(files, folder, order, parts)
        finally:
            files.close(folder)


def remove_beyond(
    files: Files, folder: int, order: TransferOrder, parts: int, *, whatever_the_filters: bool = True
) -> None:
    """Remove it from an open folder. Raises ``OSError``.

    Unless ``whatever_the_filters`` only what may share rows with the order goes: who finds that part 0 of a larger job
    is all they ask for leaves the others be.
    """
    found = {int(match[1]) for name in files.names(folder) if (match := _NAME.match(name)) is not None}
    beyond = sorted(number for number in found if number >= parts)
    for stem in map(stem_of, beyond):
        sweep(files, folder, f"{stem}.")
        sweep(files, folder, f"_{stem}.")
    ours = [
        number for number in beyond if _is_ours(files, folder, order, number, whatever_the_filters=whatever_the_filters)
    ]
    if ours:
        _remove(files, folder, [stem_of(number) + suffix for number in ours for suffix in SUFFIXES.values()])
        _remove(files, folder, [record_of(number) for number in ours])


def _is_ours(files: Files, folder: int, order: TransferOrder, number: int, *, whatever_the_filters: bool) -> bool:
    record = read_record(files, folder, record_of(number))
    if record is None or not record.is_about(replace(order, part=number)):
        return False
    return whatever_the_filters or share_rows(record.filters, order.job.filters, order.job.entity)


def _remove(files: Files, folder: int, names: list[str]) -> None:
    for name in names:
        found = files.look(folder, name)
        if found is not None and is_regular(found):
            files.unlink(folder, name)
    files.sync(folder)
