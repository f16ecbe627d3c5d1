"""The small record beside a committed file: which job it answers, and how to tell that it is whole.

Contract: :func:`record_text` writes what :func:`parse_record` reads. A record is input like any other: whatever is
wrong with it, the answer is None, never an exception and never a guess.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

import orjson

from asyncexport.errors import ConfigError
from asyncexport.models import Filters, Receipt, TransferOrder
from asyncexport.sinks.files.disk import Files, is_regular
from asyncexport.sinks.files.files import NO_FILE

LARGEST: Final = 1024 * 1024
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Record:
    """What :class:`~asyncexport.models.Receipt` says, and of which job, part and file. ``bytes`` of the stored file.

    ``filters`` are the part's own, spelt out for whoever reads the record; ``fingerprint`` is theirs.
    """

    account: str
    region: str
    profile_id: str
    entity: str
    snapshot: str
    fingerprint: str
    filters: Filters
    part: int
    file: str
    export_id: str
    rows: int
    bytes: int
    sha256: str
    source_bytes: int
    integrity: str
    generated_at: str
    notes: tuple[str, ...]

    @classmethod
    def of(cls, order: TransferOrder, receipt: Receipt, file: str) -> Record:
        """Return the record of what was committed for ``order`` as ``file``."""
        snapshot, account, region, profile_id, entity, fingerprint = order.job.key
        return cls(
            account=account,
            region=region,
            profile_id=profile_id,
            entity=entity,
            snapshot=snapshot,
            fingerprint=fingerprint,
            filters=order.job.filters,
            part=order.part,
            file=file,
            export_id=receipt.export_id,
            rows=receipt.rows,
            bytes=receipt.bytes,
            sha256=receipt.sha256,
            source_bytes=receipt.source_bytes,
            integrity=receipt.integrity,
            generated_at=receipt.generated_at,
            notes=receipt.notes,
        )

    def is_about(self, order: TransferOrder) -> bool:
        """Return whether this is the same job and part, whatever the filters."""
        snapshot, account, region, profile_id, entity, _ = order.job.key
        ours = (self.snapshot, self.account, self.region, self.profile_id, self.entity, self.part)
        return ours == (snapshot, account, region, profile_id, entity, order.part)

    def answers(self, order: TransferOrder) -> bool:
        """Return whether this is the same job and part, with the same filters."""
        return self.is_about(order) and self.fingerprint == order.job.filters.fingerprint

    def receipt(self, location: str, waits_at: str = "") -> Receipt:
        """Return the receipt of the file, which stands at ``location``, or as yet where it waits."""
        return Receipt(
            export_id=self.export_id,
            rows=self.rows,
            bytes=self.bytes,
            sha256=self.sha256,
            location=location,
            source_bytes=self.source_bytes,
            integrity=self.integrity,
            notes=self.notes,
            generated_at=self.generated_at,
            waits_at=waits_at,
        )


def record_text(record: Record) -> bytes:
    """Return the record as JSON, in ASCII."""
    content = {"version": _VERSION, **{name: getattr(record, name) for name in _CHECKS}}
    with suppress(orjson.JSONEncodeError):  # for half a surrogate pair, in an account's name perhaps
        text = orjson.dumps(content, option=orjson.OPT_INDENT_2)
        if text.isascii():
            return text + b"\n"
    content["filters"] = asdict(record.filters)
    return json.dumps(content, indent=2).encode() + b"\n"


def parse_record(text: bytes) -> Record | None:
    """Return the record, or None for anything that is not one."""
    try:
        content = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(content, dict) or _count(content.get("version")) != _VERSION:
        return None
    values: dict[str, Any] = {name: check(content.get(name)) for name, check in _CHECKS.items()}
    if None in values.values() or values["filters"].fingerprint != values["fingerprint"]:
        return None
    return Record(**values)


def read_record(files: Files, folder: int, name: str) -> Record | None:
    """Return the record that stands in an open folder, None for nothing and for what is none; raise ``OSError``."""
    text = read_small(files, folder, name)
    return None if text is None else parse_record(text)


def read_small(files: Files, folder: int, name: str) -> bytes | None:
    """Return the content of a plain file of at most :data:`LARGEST` bytes, None for anything else."""
    try:
        file = files.open_file(folder, name)
    except OSError as error:
        if error.errno in NO_FILE or error.errno == errno.ENOENT:
            return None
        raise
    try:
        found = files.look_at(file)
        plain = is_regular(found) and found.st_size <= LARGEST
        return files.read(file, LARGEST) if plain else None
    finally:
        files.close(file)


def _count(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _texts(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        return None
    return tuple(value)


def _filters(value: object) -> Filters | None:
    if not isinstance(value, dict) or not all(_texts(value.get(name)) is not None for name in _WORDS):
        return None
    negative = value.get("negative")
    if not isinstance(negative, list) or not all(isinstance(each, bool) for each in negative):
        return None
    try:
        return Filters(**{name: tuple(value[name]) for name in (*_WORDS, "negative")})
    except ConfigError:
        return None


_WORDS: Final = ("ad_products", "states", "target_types", "target_levels")
_KINDS: dict[str, Callable[[object], object]] = {"int": _count, "str": _text, "Filters": _filters}
_CHECKS: dict[str, Callable[[object], object]] = {
    field.name: _KINDS.get(str(field.type), _texts) for field in fields(Record)
}
