"""What may be said of a row that is missing from a snapshot: that it is gone, or nothing.

A snapshot of a profile, an entity and filters is complete, so what is missing from it is not among the rows that were
asked for. That is because it is gone, or because it no longer passes the filters. The ad product of a row never
changes, nor do a target's type, its level and whether it is negative; its state does. So a missing row is gone only if
all states were asked for, and only if its other attributes pass the filters.
"""

from __future__ import annotations

from typing import Any

from asyncexport.models import STATES, Entity, Filters


def scope(filters: Filters, entity: Entity) -> dict[str, tuple[Any, ...]] | None:
    """Return which values of which fields a row must have to be gone when it is missing; None if none ever is.

    A row without such a field is not gone: nobody knows whether it was asked for.
    """
    if not set(STATES) <= set(filters.states):
        return None
    fields: dict[str, tuple[Any, ...]] = {"adProduct": filters.ad_products}
    if entity is Entity.TARGETS:
        fields |= {
            "targetType": filters.target_types,
            "targetLevel": filters.target_levels,
            "negative": filters.negative,
        }
    return {name: words for name, words in fields.items() if words}
