"""What is committed already: the reading side of a file sink.

Contract: :func:`find` gives a receipt only for files that their records describe to the last bit; whatever is wrong
with them counts as nothing found, and the rows are pulled again. Want of descriptors says nothing about the files and
is raised. A job stands in one file, or in the parts it was split into: then the filters in the records of parts 0, 1,
2, ... must together ask for each of its rows exactly once. No list of the parts is kept anywhere, so none can be wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from asyncexport.errors import SinkRejected
from asyncexport.models import Receipt, TransferOrder
from asyncexport.sansio.scarcity import no_descriptor
from asyncexport.sansio.scheduling.splitting import leading_whole
from asyncexport.sinks.files.disk import Files, is_regular
from asyncexport.sinks.files.files import open_path, remove_dead
from asyncexport.sinks.files.leftovers import remove_beyond, remove_staged
from asyncexport.sinks.files.places import Place, joined, record_of
from asyncexport.sinks.files.staging import finish
from asyncexport.sinks.records import Record, read_record

PlaceOf = Callable[[TransferOrder], Place]


def find(files: Files, place_of: PlaceOf, order: TransferOrder) -> Receipt | None:
    """Return the receipt of what answers ``order``, which stands at ``place_of(order)``.

    What killed runs left of it, and parts beyond those that answer, are removed. Raises :class:`TooManyOpenFiles`.
    """
    place = place_of(order)
    try:
        if files.is_absent(joined(place.home, *place.parts)):
            return None
        folder = open_path(files, place.home, place.parts)
    except SinkRejected:
        return None
    except OSError as error:
        _raise_scarcity(error, place)
        return None
    try:
        finish(files, folder, order)
        if order.is_part:
            return _find_part(files, folder, place, order)
        return _find_whole(files, folder, place_of, order)
    except OSError as error:
        _raise_scarcity(error, place)
        return None
    finally:
        files.close(folder)


def _raise_scarcity(error: OSError, place: Place) -> None:
    if (scarcity := no_descriptor(error, f"looking for {place.location} failed")) is not None:
        raise scarcity from None


def _find_whole(files: Files, folder: int, place_of: PlaceOf, order: TransferOrder) -> Receipt | None:
    receipt = _find_one(files, folder, place_of(order), order) or _find_parts(files, folder, place_of, order)
    if receipt is not None:
        remove_beyond(files, folder, order, max(1, len(receipt.parts)), whatever_the_filters=False)
    return receipt


def _find_parts(files: Files, folder: int, place_of: PlaceOf, order: TransferOrder) -> Receipt | None:
    filters = [record.filters for record in _records(files, folder, order)]
    count = leading_whole(order.job.filters, order.job.entity, filters)
    receipts = []
    for number, own in enumerate(filters[: count or 0]):
        part = replace(order, job=replace(order.job, filters=own), part=number, split_from=order.job)
        receipt = _find_one(files, folder, place_of(part), part)
        if receipt is None:
            return None
        receipts.append(receipt)
    return Receipt.of_parts(receipts) if len(receipts) > 1 else next(iter(receipts), None)


def _records(files: Files, folder: int, order: TransferOrder) -> Iterator[Record]:
    """Yield the records of parts 0, 1, 2, ... of the order's job, as far as they go."""
    number = 0
    while (record := read_record(files, folder, record_of(number))) is not None:
        if not record.is_about(replace(order, part=number)):
            return
        yield record
        number += 1


def _find_part(files: Files, folder: int, place: Place, order: TransferOrder) -> Receipt | None:
    """Find one part by itself: the staged one comes before the one that stands, for it is the newer."""
    receipt = _find_one(files, folder, place, order, at=place.staged)
    if receipt is None and (receipt := _find_one(files, folder, place, order)) is not None:
        remove_staged(files, folder, order)
    return receipt


def _find_one(
    files: Files, folder: int, named: Place, order: TransferOrder, *, at: Place | None = None
) -> Receipt | None:
    place = at or named
    record = read_record(files, folder, place.record)
    if record is None or record.file != named.file or not record.answers(order):
        return None
    rivals = any(files.look(folder, name) for name in place.rivals)
    if rivals or not _is_whole(files, folder, place.file, record):
        return None
    for name in (place.file, place.record):
        remove_dead(files, folder, name)
    return record.receipt(named.location, waits_at="" if at is None else at.location)


def _is_whole(files: Files, folder: int, name: str, record: Record) -> bool:
    try:
        file = files.open_file(folder, name)
    except FileNotFoundError:
        return False
    try:
        found = files.look_at(file)
        return is_regular(found) and found.st_size == record.bytes and files.digest(file) == record.sha256
    finally:
        files.close(file)
