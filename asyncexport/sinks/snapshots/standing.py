"""Snapshots that stand in a folder, in an object store or in a DuckDB file, found by label and entity.

Contract: :func:`standing` gives a look at the place, whatever it is; a file is a DuckDB database, a URL an object
store, all else a folder. Nothing is written there. Functions block.

Worst case: of a store the data files of snapshots that are compared are copied to temporary files of this machine,
each once, which go when the block ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from asyncexport.models import Entity
from asyncexport.sinks.extras import require
from asyncexport.sinks.files.disk import failing_as_sink_error
from asyncexport.sinks.files.files import open_path
from asyncexport.sinks.files.places import record_of
from asyncexport.sinks.files.stored import following, rows_of, snapshots
from asyncexport.sinks.records import Record, read_record
from asyncexport.sinks.snapshots.snapshot import Look, Snapshot
from asyncexport.sinks.stores.buckets import is_url
from asyncexport.sinks.stores.objects import ObjectStore


@contextmanager
def standing(place: str, files: ObjectStore | None = None) -> Iterator[Look]:
    """Give a look at a place, of a store by ``files``. Raises :class:`ConfigError` if a library for it is missing."""
    if is_url(place):
        with TemporaryDirectory(prefix="asyncexport-") as copies:
            yield partial(_in_store, ObjectStore() if files is None else files, place, Path(copies))
    elif Path(place).is_file():
        require("duckdb", extra="duckdb", by="asyncexport.sinks.duck.ledger")
        from asyncexport.sinks.duck.versions import looking  # noqa: PLC0415 - needs the extra

        with looking(place) as look:
            yield look
    else:
        yield partial(snapshots, Path(place))


@dataclass(frozen=True, slots=True)
class _Copied(Snapshot):
    """The objects of one job, copied when their rows are asked for."""

    files: ObjectStore
    folder: int
    copies: Path

    def rows(self) -> Iterator[dict[str, Any]]:
        for record in self.records:
            yield from rows_of(self._copy(record.file), self.entity)

    def _copy(self, name: str) -> Path:
        copy = self.copies / name
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            coming = copy.with_suffix(".part")
            with failing_as_sink_error(str(copy), "copying an object to"), coming.open("wb") as file:
                file.writelines(self.files.content(self.folder, name))
            coming.rename(copy)
        return copy


def _in_store(files: ObjectStore, url: str, copies: Path, label: str, entity: Entity) -> Iterator[Snapshot]:
    names = (f"entity={entity.value}", f"snapshot={label}")
    above = open_path(files, url, names)
    for name in sorted(files.folders(above)):
        folder = files.open_folder(above, name)
        records = tuple(following(partial(_record_in, files, folder), entity))
        if records and name.startswith("profile_id="):
            yield _Copied(records, files, folder, copies.joinpath(*names, name))


def _record_in(files: ObjectStore, folder: int, part: int) -> Record | None:
    record = read_record(files, folder, record_of(part))
    found = None if record is None else files.look(folder, record.file)
    return record if found is not None and record is not None and found.st_size == record.bytes else None
