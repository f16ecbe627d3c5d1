"""What a journal is told of a job, and what it knows of it in a later run.

A job's notes come in this order: it is *intended* before its POST, *requested* once the answer is there, and in the end
*committed* or *dropped*. Whichever note is the last one that reached the disk says what a later run has to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from asyncexport.errors import AsyncexportError
from asyncexport.models import Receipt


@dataclass(frozen=True, slots=True)
class Intended:
    """A POST for the job is about to be made."""


@dataclass(frozen=True, slots=True)
class Requested:
    """The API took the job and called its export ``export_id``."""

    export_id: str


@dataclass(frozen=True, slots=True)
class Committed:
    """The sink has the job's rows."""

    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Dropped:
    """The job failed. ``keep``: its export, if it has one, is still worth collecting by a later run."""

    error: AsyncexportError
    keep: bool


Note: TypeAlias = Intended | Requested | Committed | Dropped


@dataclass(frozen=True, slots=True)
class Known:
    """What the journal says of a job.

    ``state`` is ``intended``, ``requested``, ``committed`` or ``failed``; ``export_id`` is empty where none is worth
    collecting; ``age_seconds`` is how long ago the export was asked for.
    """

    state: str
    export_id: str
    age_seconds: float
