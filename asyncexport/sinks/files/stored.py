"""What stands in a tree of files, to be read again: whole snapshots of one profile and entity, row by row.

Contract: :func:`snapshots` finds the jobs under one label whose records hold, by name and size; the files are not
proved bit by bit. :func:`rows_of` gives the rows of a file of any format by the columns and the extra fields that all
formats have in common, so that a row that was stored as JSON Lines equals the same one from Parquet; :func:`batches`
gives those of one file as the API spelt them. Functions block.

Worst case: a batch of rows of one file in memory.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Any

from asyncexport.batch import Batch
from asyncexport.errors import SinkError
from asyncexport.models import Entity
from asyncexport.sansio.scheduling.splitting import share_rows
from asyncexport.sansio.tabular.columns import MODELS
from asyncexport.sansio.tabular.fitting import fit_row
from asyncexport.sinks.extras import require
from asyncexport.sinks.files.codecs import zstd
from asyncexport.sinks.files.places import record_of
from asyncexport.sinks.records import LARGEST, Record, parse_record
from asyncexport.sinks.snapshots.snapshot import ROWS, Snapshot, extra_fields, plain_row

_LINES = 500


@dataclass(frozen=True, slots=True)
class InFolder(Snapshot):
    """The files of one job in a folder of this machine."""

    folder: Path

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield its rows. Raises :class:`SinkError` for a file that cannot be read."""
        for record in self.records:
            yield from rows_of(self.folder / record.file, self.entity)


def snapshots(root: Path, label: str, entity: Entity) -> Iterator[InFolder]:
    """Yield what stands under ``root`` of one label and entity, by profile id."""
    for folder in sorted(root.glob(f"entity={entity.value}/snapshot={label}/profile_id=*")):
        records = tuple(following(partial(_record_in, folder), entity))
        if records:
            yield InFolder(records, folder)


def rows_of(path: Path, entity: Entity) -> Iterator[dict[str, Any]]:
    """Yield the rows of one file. Raises :class:`SinkError` if it cannot be read."""
    try:
        yield from _parquet(path) if path.suffix == ".parquet" else _json_lines(path, entity)
    except (OSError, ValueError, EOFError, RecursionError, zstd.ZstdError) as error:
        raise SinkError(f"{path} cannot be read ({type(error).__name__}); pull it again") from None


def batches(path: Path) -> Iterator[Batch]:
    """Yield the rows of one file of JSON Lines as they are spelt. Raises :class:`SinkError` if it cannot be read."""
    first = 0
    try:
        with _text(path) as text:
            lines = iter(text)
            while some := list(islice(lines, _LINES)):
                yield Batch(b"".join(some), len(some), first)
                first += len(some)
    except (OSError, EOFError, zstd.ZstdError) as error:
        raise SinkError(f"{path} cannot be read ({type(error).__name__}); pull it again") from None


def following(record_of_part: Callable[[int], Record | None], entity: Entity) -> Iterator[Record]:
    """Yield the records of parts that follow each other; one that asked for rows of those before it is left over.

    ``record_of_part`` gives the record of a part whose file stands beside it, None if it does not.
    """
    earlier: list[Record] = []
    for part in count():
        record = record_of_part(part)
        if record is None or (record.part, record.entity) != (part, entity.value):
            return
        if any(share_rows(record.filters, each.filters, entity) for each in earlier):
            return
        earlier.append(record)
        yield record


def _record_in(folder: Path, part: int) -> Record | None:
    try:
        with (folder / record_of(part)).open("rb") as file:
            record = parse_record(file.read(LARGEST))
        is_there = record is not None and (folder / record.file).stat().st_size == record.bytes
    except OSError:
        return None
    return record if is_there else None


def _json_lines(path: Path, entity: Entity) -> Iterator[dict[str, Any]]:
    with _text(path) as lines:
        for line in lines:
            values, extra = fit_row(line.removesuffix(b"\n"), MODELS[entity])
            yield {**values, **extra_fields(extra)}


def _text(path: Path) -> AbstractContextManager[Iterable[bytes]]:
    match path.suffix:
        case ".zst":
            return zstd.open(path, "rb")
        case ".gz":
            return gzip.open(path, "rb")
        case _:
            return path.open("rb")


def _parquet(path: Path) -> Iterator[dict[str, Any]]:
    require("pyarrow", extra="parquet")
    from pyarrow.parquet import ParquetFile  # noqa: PLC0415 - needs the extra

    with ParquetFile(path) as file:
        for batch in file.iter_batches(ROWS):
            yield from map(plain_row, batch.to_pylist())
