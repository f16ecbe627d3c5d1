"""A snapshot of one profile and entity that stands somewhere, to be compared with another one.

Contract: it is known by the records of its parts, and gives its rows as often as it is asked, from wherever they stand
in the same shape: by column, what no column holds beside them, where they are from left out.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from asyncexport.models import Entity, Filters
from asyncexport.sansio.scheduling.splitting import joint
from asyncexport.sansio.tabular.columns import EXTRA, PROVENANCE
from asyncexport.sinks.records import Record

ROWS: Final = 2_000
"""How many rows are read at once."""

_MOST_DIGITS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Snapshot(ABC):
    """The rows of one profile and entity under one label: records of its parts, part 0 first."""

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
        """What two snapshots have in common that were stored the same byte for byte."""
        return tuple(record.sha256 for record in self.records)

    @abstractmethod
    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield its rows. Blocks. Raises :class:`SinkError` for what cannot be read."""


Look: TypeAlias = Callable[[str, Entity], Iterator[Snapshot]]
"""Yields what stands of a label and an entity."""


def plain_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of a table in the shape in which snapshots are compared."""
    extra = row.pop(EXTRA)
    return {name: value for name, value in row.items() if name not in PROVENANCE} | extra_fields(extra)


def extra_fields(text: bytes | str | None) -> dict[str, Any]:
    """Return what the extra column of a row holds."""
    return {} if text is None else json.loads(text, parse_float=_number, parse_int=_integer)


def _number(spelling: str) -> float | str:
    """Return the number, or how it is spelt if no double can hold it."""
    return value if math.isfinite(value := float(spelling)) else spelling


def _integer(spelling: str) -> int | str:
    return int(spelling) if len(spelling) <= _MOST_DIGITS else spelling
