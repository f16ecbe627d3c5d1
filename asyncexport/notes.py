"""What a journal is told of a job, what it knows of it in a later run, and what it remembers on later nights.

A job's notes come in this order: it is *intended* before its POST, *requested* once the answer is there, and in the end
*committed* or *dropped*. Whichever note is the last one that reached the disk says what a later run has to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from asyncexport.errors import AsyncexportError
from asyncexport.models import Filters, Receipt


@dataclass(frozen=True, slots=True)
class Intended:
    """A POST for the job is about to be made."""


@dataclass(frozen=True, slots=True)
class Requested:
    """The API took the job and called its export ``export_id``."""

    export_id: str


@dataclass(frozen=True, slots=True)
class Committed:
    """The sink has the job's rows.

    ``seconds`` is how long the server took to make the export; None where that was not seen.
    """

    receipt: Receipt
    seconds: float | None = None


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


@dataclass(frozen=True, slots=True)
class Habit:
    """What earlier nights taught about a job, whatever their labels were.

    ``seconds`` is how long the server usually takes to make its export, None where that is not known; ``nights`` how
    many nights that was learned from; ``split`` the filters of the parts that it is taken in, part 0 first, empty where
    it is one export.
    """

    seconds: float | None = None
    nights: int = 0
    split: tuple[Filters, ...] = ()


NOTHING_LEARNED = Habit()
"""Of a job that was never seen before."""
