"""Rows of snapshots as they are merged into tables by key: what each row is told by, which replace which, which go.

Contract: every row gets the columns that say where it is from, and a ``row_id`` that tells it from all others of its
profile and entity: its id as text, or where it has none a digest of what it holds. The *merge key* says of which rows
in a table a snapshot is the whole truth: those that agree with one of its rows in all columns of the key and are not
in it themselves are gone. It holds what :mod:`asyncexport.sansio.scope` asks for, so that what a filter would hide is
never gone; where nothing can be, it is the row itself.

Integers beyond 64 bits, which tables do not hold, are text: how they were spelt.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from asyncexport.models import Entity, Filters, Job, Receipt
from asyncexport.sansio.changes import digest
from asyncexport.sansio.columns import MODELS, PROVENANCE
from asyncexport.sansio.scope import scope

ROW_ID: Final = "row_id"
ROW_VERSION: Final = "row_version"
PRIMARY_KEY: Final = ("account", "region", "profile_id", ROW_ID)

_OWN: Final = frozenset((*PROVENANCE, ROW_ID, ROW_VERSION))
_LARGEST: Final = 2**63 - 1
_SMALLEST: Final = -(2**63)


def merge_key(filters: Filters, entity: Entity) -> tuple[str, ...]:
    """Return the columns of the merge key, some of them fields of the API's rows.

    ``entity`` stands between ids of the key, so that their texts, written one after the other, are not ambiguous.
    """
    fields = scope(filters, entity)
    if fields is None:
        return ("account", "region", "profile_id", "entity", ROW_ID)
    return ("account", "region", "profile_id", *fields)


def where_from(job: Job, receipt: Receipt) -> dict[str, str | None]:
    """Return the columns that say where the rows of a job, or of a part of it, are from."""
    at = job.profile
    texts = (at.account, at.region.value, at.profile_id, job.entity.value, job.snapshot, receipt.export_id)
    return dict(zip(PROVENANCE, (*texts, receipt.generated_at or None), strict=True))


def keyed(
    rows: Iterable[dict[str, Any]], entity: Entity, origin: Mapping[str, str | None], *, versions: bool = False
) -> Iterator[dict[str, Any]]:
    """Yield rows of a snapshot with their keys; with ``versions`` also a digest of each, in ``row_version``.

    The digest is of what the row holds and whose it is, the same every night until a value changes. A field of the API
    that has the name of one of our columns goes to ``api_`` and that name.
    """
    identity = next(iter(MODELS[entity]))
    whose = [origin[name] for name in ("account", "region", "profile_id", "entity")]
    for row in rows:
        keys = {ROW_ID: _row_id(row.get(identity), row)}
        if versions:
            keys[ROW_VERSION] = digest({"of": whose, "row": row}).hex()
        yield {**origin, **keys, **{_apart(name): _storable(value) for name, value in row.items()}}


def _row_id(identity: object, row: Mapping[str, Any]) -> str:
    return digest(row).hex() if identity is None or identity == "" else str(identity)


def _apart(name: str) -> str:
    return f"api_{name}" if name in _OWN else name


def _storable(value: object) -> object:
    if isinstance(value, dict):
        return {name: _storable(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_storable(each) for each in value]
    if type(value) is int and not _SMALLEST <= value <= _LARGEST:
        return str(value)
    return value
