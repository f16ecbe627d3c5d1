"""What differs between two snapshots of the same profile and entity, row by row and field by field.

Contract: rows are given as mappings of their fields, as often as they are asked for, in any order. A row is told by its
id; one without is what it holds. Fields within objects are told by dotted paths, lists whole; null and left out are the
same, and so is one number in two spellings; the fields of an object have no order. What is only in one snapshot was
added or removed if the filters of the other one let that be said (:mod:`asyncexport.sansio.tabular.scope`); otherwise
it is counted as unsaid.

Plan: a first pass over the old rows keeps a digest of each; a pass over the new rows strikes out what is the same and
keeps what is not; a second pass over the old rows finds out what they were.

Worst case: memory for the ids and digests of the old rows, and for the rows that differ.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, TypeAlias

Row: TypeAlias = Mapping[str, Any]
Rows: TypeAlias = Callable[[], Iterable[Row]]
"""Gives the rows of a snapshot, from the beginning at each call."""

Scope: TypeAlias = Mapping[str, tuple[Any, ...]] | None
"""Which values of which fields a row must have to be known to be missing from a snapshot; None: none ever is."""

_STRUCK = b""


@dataclass(frozen=True, slots=True)
class Change:
    """One row that differs. ``kind`` is ``"added"``, ``"changed"`` or ``"removed"``.

    ``fields`` are those that differ, by path, with the old and the new value (None: not there); there are none of a row
    that was added or removed.
    """

    kind: str
    id: str | None
    row: Row
    fields: tuple[tuple[str, Any, Any], ...] = ()


@dataclass(slots=True)
class Comparison:
    """Compares two snapshots. ``same`` and ``unsaid`` count rows, once :meth:`changes` has been read to its end."""

    identity: str
    old_scope: Scope
    new_scope: Scope
    same: int = 0
    unsaid: int = field(default=0)

    def changes(self, old: Rows, new: Rows) -> Iterator[Change]:
        """Yield what was added, then what was changed or removed."""
        digests = {self._key(row): digest(row) for row in old()}
        differing: dict[str, Row] = {}
        for row in new():
            key = self._key(row)
            before = digests.get(key)
            if before is None:
                yield from self._one_sided("added", row, self.old_scope)
            elif before == digest(row):
                digests[key] = _STRUCK
                self.same += 1
            elif before != _STRUCK:
                differing[key] = row
        for row in old():
            key = self._key(row)
            if digests.pop(key, _STRUCK) == _STRUCK:
                continue
            if key in differing:
                after = differing.pop(key)
                yield Change("changed", self._id(row), after, tuple(_differences(row, after)))
            else:
                yield from self._one_sided("removed", row, self.new_scope)

    def _one_sided(self, kind: str, row: Row, scope: Scope) -> Iterator[Change]:
        if scope is not None and all(row.get(name) in words for name, words in scope.items()):
            yield Change(kind, self._id(row), row)
        else:
            self.unsaid += 1

    def _id(self, row: Row) -> str | None:
        value = row.get(self.identity)
        return None if value is None else str(value)

    def _key(self, row: Row) -> str:
        return f"id {self._id(row)}" if self._id(row) is not None else f"row {digest(row).hex()}"


def _differences(old: Row, new: Row) -> Iterator[tuple[str, Any, Any]]:
    before, after = dict(leaves(old)), dict(leaves(new))
    for path in {**before, **after}:
        if _spelt(before.get(path)) != _spelt(after.get(path)):
            yield path, before.get(path), after.get(path)


def leaves(row: Row, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value that is not null by its dotted path, objects in lists included in their list."""
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", value


def _path(leaf: tuple[str, Any]) -> str:
    """Return what leaves are told apart by; their values may have no order."""
    return leaf[0]


def digest(row: Row) -> bytes:
    """Return what rows have in common that are the same: nulls, spellings and the order of fields aside."""
    text = _spelt(sorted(leaves(row), key=_path))
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _spelt(value: object) -> str:
    """Return one text for all spellings of a value."""
    return json.dumps(_plain(value), default=str, sort_keys=True, separators=(",", ":"))


def _plain(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
