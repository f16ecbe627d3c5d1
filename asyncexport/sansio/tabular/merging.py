"""Rows of snapshots as they are merged into tables by key: what each row is told by, which replace which, which go.

Contract: every row gets the columns that say where it is from, and a ``row_id`` that tells it from all others of its
profile and entity: its id as text, or where it has none a digest of what it holds. The *merge key* says of which rows
in a table a snapshot is the whole truth: those that agree with one of its rows in all columns of the key and are not in
it themselves are gone. It holds what :mod:`asyncexport.sansio.tabular.scope` asks for, so that what a filter would hide
is never gone; where nothing can be, it is the row itself. A *tombstone* is no row of the API's: it agrees in the merge
key with rows that a snapshot was asked for, so that they are gone even if the snapshot has none of their kind.

Integers beyond 64 bits, which tables do not hold, are text: how they were spelt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import product
from typing import Any, Final

from asyncexport.models import Entity, Filters, Job, Receipt
from asyncexport.sansio.tabular.changes import digest
from asyncexport.sansio.tabular.columns import MODELS, PROVENANCE
from asyncexport.sansio.tabular.scope import scope

ROW_ID: Final = "row_id"
ROW_VERSION: Final = "row_version"
TOMBSTONE: Final = "tombstone"
"""The column that is true for a tombstone, and null in every row."""

PRIMARY_KEY: Final = ("account", "region", "profile_id", ROW_ID)
SNAPSHOT_KEY: Final = ("account", "region", "profile_id", "snapshot")
"""The merge key where every snapshot is kept: one that comes again takes its own place."""

_DLT_ID: Final = "_dlt_id"
_OWN: Final = frozenset(name.replace("_", "") for name in (*PROVENANCE, ROW_ID, ROW_VERSION, TOMBSTONE))
_NO_ROW: Final = "(no row)"
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


def tombstones(
    words: Mapping[str, tuple[Any, ...]] | None, origin: Mapping[str, str | None]
) -> Iterator[dict[str, Any]]:
    """Yield one tombstone for each combination of ``words``, which are as :func:`scope` gives them."""
    if words is not None:
        for values in product(*words.values()):
            yield {**origin, ROW_ID: _NO_ROW, **dict(zip(words, values, strict=True)), TOMBSTONE: True}


def where_from(job: Job, receipt: Receipt) -> dict[str, str | None]:
    """Return the columns that say where the rows of a job, or of a part of it, are from."""
    at = job.profile
    texts = (at.account, at.region.value, at.profile_id, job.entity.value, job.snapshot, receipt.export_id)
    return dict(zip(PROVENANCE, (*texts, receipt.generated_at or None), strict=True))


def keyed(
    rows: Iterable[dict[str, Any]], entity: Entity, origin: Mapping[str, str | None], *, versions: bool = False
) -> Iterator[dict[str, Any]]:
    """Yield rows of a snapshot with their keys; with ``versions`` also a digest of each, in ``row_version``.

    The digest is of what the row holds and whose it is, the same every night until a value changes. It is the row's
    ``_dlt_id`` too, so that the lists of a row that did not change have the same ids every night; a version that had
    ended and comes back has the one it had. A field of the API that a table would give the name of one of our columns
    or of dlt's goes to ``api_`` and its name.
    """
    identity = next(iter(MODELS[entity]))
    whose = [origin[name] for name in ("account", "region", "profile_id", "entity")]
    for row in rows:
        keys = {ROW_ID: _row_id(row.get(identity), row)}
        if versions:
            keys[ROW_VERSION] = keys[_DLT_ID] = digest({"of": whose, "row": row}).hex()
        yield {**origin, **keys, **{_apart(name): _storable(value) for name, value in row.items()}}


def _row_id(identity: object, row: Mapping[str, Any]) -> str:
    return digest(row).hex() if identity is None or identity in ("", _NO_ROW) else str(identity)


@lru_cache(maxsize=4096)
def _apart(name: str) -> str:
    bare = _bare(name)
    return f"api_{name}" if bare in _OWN or bare.startswith("dlt") else name


def _bare(name: str) -> str:
    """Return what names have in common that a table may spell alike: ``profileId``, ``profile_id``, ``PROFILE ID``."""
    return re.sub(r"[\W_]", "", name).lower()


def _storable(value: object) -> object:
    if isinstance(value, dict):
        return {name: _storable(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_storable(each) for each in value]
    if type(value) is int and not _SMALLEST <= value <= _LARGEST:
        return str(value)
    return value
