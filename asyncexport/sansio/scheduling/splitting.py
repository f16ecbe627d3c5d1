"""How an export that is too large for the server becomes several that are not.

The API gives up on an export with millions of rows (``TIMED_OUT``) and advises to ask with filters. A request's filters
are a box: a set of words for each attribute that a row has exactly one value of. :func:`split` cuts the box along the
first attribute that has more than one word left: ad product, state, and for targets their level, whether they are
negative, and last their type. So the parts are disjoint and together the whole by construction, however often parts are
split further, and each cut is named by what a person knows. :func:`leading_whole` asks the reverse of parts that are
found: whether they are such a whole.

Worst case: targets in 288 parts (3 ad products, 3 states, 2 levels, negative or not, 8 types), the others in 9. An
empty filter means all that is documented; a target of a type that no document knows would be left out by a cut along
the types, which is why that one comes last.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain, product
from typing import Any

from asyncexport.models import TARGET_LEVELS, TARGET_TYPES, Entity, Filters

TIMED_OUT = "TIMED_OUT"
"""The error code of an export that was too large."""

_OF_ALL: tuple[tuple[str, tuple[Any, ...]], ...] = (("ad_products", ()), ("states", ()))
_OF_TARGETS: tuple[tuple[str, tuple[Any, ...]], ...] = (
    *_OF_ALL,
    ("target_levels", TARGET_LEVELS),
    ("negative", (False, True)),
    ("target_types", TARGET_TYPES),
)
"""Attributes in the order of cutting, each with the words that an empty filter stands for."""


def split(filters: Filters, entity: Entity) -> tuple[Filters, ...]:
    """Return the filters of the parts of an export, one for each word of one attribute; empty when none can be cut."""
    for name, words in _words(filters, entity).items():
        if len(words) > 1:
            return tuple(replace(filters, **{name: (word,)}) for word in words)  # type: ignore[arg-type]
    return ()


def leading_whole(filters: Filters, entity: Entity, parts: Iterable[Filters]) -> int | None:
    """Return how many of the first ``parts`` together ask for each row of ``filters`` exactly once; None if none do."""
    box = list(_words(filters, entity).values())
    missing = set(product(*box))
    for count, part in enumerate(parts, start=1):
        own = list(_words(part, entity).values())
        if not all(set(words) <= set(allowed) for words, allowed in zip(own, box, strict=True)):
            return None
        cells = set(product(*own))
        if not cells <= missing:
            return None
        missing -= cells
        if not missing:
            return count
    return None


def share_rows(one: Filters, other: Filters, entity: Entity) -> bool:
    """Return whether a row could be asked for by both."""
    ours, theirs = _words(one, entity).values(), _words(other, entity).values()
    return all(set(words) & set(others) for words, others in zip(ours, theirs, strict=True))


def joint(parts: Sequence[Filters], entity: Entity) -> Filters | None:
    """Return the filters that ask for exactly the rows of all ``parts``; None if there are none such."""
    words: dict[str, tuple[Any, ...]] = {}
    for name, _ in _OF_TARGETS:
        own = [getattr(part, name) for part in parts]
        words[name] = tuple(chain.from_iterable(own)) if all(own) else ()
    box = Filters(**words)
    return box if leading_whole(box, entity, parts) == len(parts) else None


def _words(filters: Filters, entity: Entity) -> dict[str, tuple[Any, ...]]:
    attributes = _OF_TARGETS if entity is Entity.TARGETS else _OF_ALL
    return {name: getattr(filters, name) or documented for name, documented in attributes}
