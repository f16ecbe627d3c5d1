"""What the tests of tabular sinks share: rows as a table should have them, and jobs of every entity."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from asyncexport.batch import Batch
from asyncexport.emulator.records.data import rows
from asyncexport.emulator.world import World
from asyncexport.models import Entity, Filters, TransferOrder
from asyncexport.sansio.tabular.columns import EXTRA, MODELS, PROVENANCE, Scalar
from asyncexport.sansio.tabular.fitting import fit_row
from tests.sinks.support import order

WORLD = World.generate(seed=5, accounts=1, profiles=1, rows=1_500)
PROFILE = next(iter(WORLD.profiles.values()))


def order_of(entity: Entity, **fields: Any) -> TransferOrder:
    """Return a transfer order for one entity."""
    usual = order(**fields)
    return replace(usual, job=replace(usual.job, entity=entity))


def lines_of(entity: Entity) -> list[bytes]:
    """Return the rows of an emulated profile, as they are spelt."""
    return list(rows(PROFILE, entity, Filters().of(entity), WORLD.seed))


def batches_of(lines: list[bytes], size: int = 50) -> tuple[Batch, ...]:
    """Return rows as they come in from a download."""
    starts = range(0, len(lines), size)
    parts = [lines[at : at + size] for at in starts]
    return tuple(Batch(b"\n".join(part) + b"\n", len(part), at) for at, part in zip(starts, parts, strict=True))


def in_columns(lines: Iterable[bytes], entity: Entity) -> list[dict[str, Any]]:
    """Return the rows as a table of the entity should have them, where they are from left out."""
    model = MODELS[entity]
    found = []
    for line in lines:
        values, extra = fit_row(line, model)
        found.append({name: values.get(name) for name in model} | {EXTRA: None if extra is None else extra.decode()})
    return found


def in_postgres(lines: Iterable[bytes], entity: Entity) -> list[dict[str, Any]]:
    """Return rows of usual values as a PostgreSQL table should have them, where they are from left out."""
    model, found = MODELS[entity], []
    for line in lines:
        row, (values, _) = json.loads(line), fit_row(line, model)
        columns = {name: values.get(name) if isinstance(model[name], Scalar) else row.get(name) for name in model}
        extra = {name: value for name, value in row.items() if name not in model}
        found.append({name.lower(): value for name, value in columns.items()} | {EXTRA: extra or None})
    return found


def from_postgres(row: dict[str, Any], entity: Entity) -> dict[str, Any]:
    """Return what a row is whose values are as JSON has them, where it is from left out."""
    read: dict[Any, Any] = {Scalar.MOMENT: datetime.fromisoformat, Scalar.DATE: date.fromisoformat}
    made = {name.lower(): read[column] for name, column in MODELS[entity].items() if column in (*read,)}
    return {
        name: made[name](value) if name in made and value is not None else value
        for name, value in row.items()
        if name not in PROVENANCE
    }


def in_order(found: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows in an order of their own, which a table of PostgreSQL has not."""
    return sorted(found, key=lambda row: json.dumps(row, sort_keys=True, default=str))
