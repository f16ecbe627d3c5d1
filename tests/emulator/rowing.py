"""Rows for the tests of their shapes: one profile of several thousand rows, parsed."""

from __future__ import annotations

from functools import cache
from typing import Any

import orjson

from asyncexport.emulator.records.data import rows
from asyncexport.emulator.world import Advertiser, World
from asyncexport.models import Entity, Filters

WORLD = World.generate(seed=2, accounts=1, profiles=1, rows=20_000)
PROFILE: Advertiser = WORLD.grants[0].profiles[0]


@cache
def parsed(entity: Entity, filters: Filters = Filters()) -> list[dict[str, Any]]:  # noqa: B008
    """Return all rows of one file."""
    return [orjson.loads(row) for row in rows(PROFILE, entity, filters, WORLD.seed)]


def by_product(entity: Entity, product: str) -> list[dict[str, Any]]:
    """Return the rows of one ad product."""
    return [row for row in parsed(entity) if row["adProduct"] == product]
