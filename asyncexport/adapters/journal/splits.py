"""The parts of a job as the journal keeps them: the filters of each, as JSON.

What is read is input from a stranger. Parts that are not exactly the job, each row of it once, are none at all: the job
is asked for whole then, and cut anew if it has to be.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from asyncexport.errors import ConfigError
from asyncexport.models import Filters, Job
from asyncexport.sansio.scheduling.splitting import leading_whole

_NAMES = tuple(field.name for field in fields(Filters))
_LONGEST = 1 << 20
"""Characters; the most parts that a job can have take a tenth of it."""


def as_json(parts: Sequence[Filters]) -> str:
    """Return the filters of parts as text."""
    return json.dumps([[getattr(part, name) for name in _NAMES] for part in parts], separators=(",", ":"))


def from_json(text: str, job: Job) -> tuple[Filters, ...]:
    """Return the filters of the parts of ``job``; empty where the text does not hold exactly these."""
    if not text or len(text) > _LONGEST:
        return ()
    try:
        parts = tuple(_filters(values) for values in json.loads(text))
        whole = leading_whole(job.filters, job.entity, parts)
    except (ValueError, TypeError, RecursionError, ConfigError):
        return ()
    return parts if whole == len(parts) > 1 else ()


def part_of(job: Job, filters: Filters) -> Job:
    """Return the part of ``job`` with these filters."""
    return replace(job, filters=filters)


def _filters(values: list[object]) -> Filters:
    given = dict(zip(_NAMES, values, strict=True))
    return Filters(**{name: _words(words, bool if name == "negative" else str) for name, words in given.items()})


def _words(words: object, kind: type) -> tuple[Any, ...]:
    if not isinstance(words, list) or not all(type(word) is kind for word in words):
        raise TypeError("filters are lists of words")
    return tuple(words)
