"""What stands in a tree of files, to be read again: whole snapshots of one profile and entity, row by row.

Contract: :func:`snapshots` finds the jobs under one label whose records hold, by name and size; the files are not
proved bit by bit. :func:`rows` gives their rows from any format by the columns and the extra fields that all formats
have in common, so that a row that was stored as JSON Lines equals the same one from Parquet; :func:`batches` gives
those of one file as the API spelt them. Functions block.

Worst case: a batch of rows of one file in memory.
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

from asyncexport.batch import Batch
from asyncexport.errors import SinkError
from asyncexport.models import Entity, Filters
from asyncexport.sansio.columns import EXTRA, MODELS, PROVENANCE
from asyncexport.sansio.fitting import fit_row
from asyncexport.sansio.splitting import joint, share_rows
from asyncexport.sinks.codecs import zstd
from asyncexport.sinks.extras import require
from asyncexport.sinks.places import record_of
from asyncexport.sinks.records import LARGEST, Record, parse_record

_ROWS = 2_000
_LINES = 500
_MOST_DIGITS = 1_000


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The rows of one profile and entity under one label: records of its parts, part 0 first, in one folder."""

    folder: Path
    records: tuple[Record, ...]

    @property
    def subject(self) -> tuple[str, str, str, str]:
        """Entity, account, region and profile id."""
        first = self.records[0]
        return first.entity, first.account, first.region, first.profile_id

    @property
    def entity(self) -> Entity:
        """What its rows are."""
        return Entity(self.records[0].entity)

    @property
    def filters(self) -> Filters | None:
        """What it was asked for; None if its parts leave a hole between them."""
        return joint([record.filters for record in self.records], self.entity)

    @property
    def digests(self) -> tuple[str, ...]:
        """What two snapshots have in common whose files are the same byte for byte."""
        return tuple(record.sha256 for record in self.records)


def snapshots(root: Path, label: str, entity: Entity) -> Iterator[Snapshot]:
    """Yield what stands under ``root`` of one label and entity, by profile id."""
    for folder in sorted(root.glob(f"entity={entity.value}/snapshot={label}/profile_id=*")):
        records = tuple(_records(folder, entity))
        if records:
            yield Snapshot(folder, records)


def rows(snapshot: Snapshot) -> Iterator[dict[str, Any]]:
    """Yield its rows. Raises :class:`SinkError` for a file that cannot be read."""
    for record in snapshot.records:
        path = snapshot.folder / record.file
        try:
            yield from _parquet(path) if path.suffix == ".parquet" else _json_lines(path, snapshot.entity)
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


def _records(folder: Path, entity: Entity) -> Iterator[Record]:
    """Yield the records of parts that follow each other; one that asked for rows of those before it is left over."""
    earlier: list[Record] = []
    for part in count():
        try:
            with (folder / record_of(part)).open("rb") as file:
                record = parse_record(file.read(LARGEST))
            if record is None or (record.part, record.entity) != (part, entity.value):
                return
            if (folder / record.file).stat().st_size != record.bytes:
                return
        except OSError:
            return
        if any(share_rows(record.filters, each.filters, entity) for each in earlier):
            return
        earlier.append(record)
        yield record


def _json_lines(path: Path, entity: Entity) -> Iterator[dict[str, Any]]:
    with _text(path) as lines:
        for line in lines:
            values, extra = fit_row(line.removesuffix(b"\n"), MODELS[entity])
            yield {**values, **_extra(extra)}


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
        for batch in file.iter_batches(_ROWS):
            for row in batch.to_pylist():
                extra = row.pop(EXTRA)
                yield {name: value for name, value in row.items() if name not in PROVENANCE} | _extra(extra)


def _extra(text: bytes | str | None) -> dict[str, Any]:
    return {} if text is None else json.loads(text, parse_float=_number, parse_int=_integer)


def _number(spelling: str) -> float | str:
    """Return the number, or how it is spelt if no double can hold it."""
    return value if math.isfinite(value := float(spelling)) else spelling


def _integer(spelling: str) -> int | str:
    return int(spelling) if len(spelling) <= _MOST_DIGITS else spelling
