"""What is committed already: the reading side of a file sink.

Contract: :func:`find` gives a receipt only for a file that its record describes to the last bit; whatever is in the way
of knowing that counts as nothing found, and the rows are pulled again.
"""

from __future__ import annotations

import errno

from asyncexport.errors import SinkRejected
from asyncexport.models import Receipt, TransferOrder
from asyncexport.sinks.disk import Files, is_regular
from asyncexport.sinks.files import NO_FILE, open_path, remove_dead
from asyncexport.sinks.places import Place
from asyncexport.sinks.records import LARGEST, Record, parse_record


def read_record(files: Files, folder: int, name: str) -> Record | None:
    try:
        file = files.open_file(folder, name)
    except OSError as error:
        if error.errno in NO_FILE or error.errno == errno.ENOENT:
            return None
        raise
    try:
        found = files.look_at(file)
        plain = is_regular(found) and found.st_size <= LARGEST
        return parse_record(files.read(file, LARGEST)) if plain else None
    finally:
        files.close(file)


def find(files: Files, place: Place, order: TransferOrder) -> Receipt | None:
    try:
        folder = open_path(files, place.root, place.parts)
    except (OSError, SinkRejected):
        return None
    try:
        record = read_record(files, folder, place.record)
        if record is None or record.file != place.file or not record.answers(order):
            return None
        rivals = any(files.look(folder, name) for name in place.rivals)
        if rivals or not _is_whole(files, folder, record):
            return None
        for name in (place.file, place.record):
            remove_dead(files, folder, name)
        return record.receipt(place.location)
    except OSError:
        return None
    finally:
        files.close(folder)


def _is_whole(files: Files, folder: int, record: Record) -> bool:
    file = files.open_file(folder, record.file)
    try:
        found = files.look_at(file)
        return is_regular(found) and found.st_size == record.bytes and files.digest(file) == record.sha256
    finally:
        files.close(file)
