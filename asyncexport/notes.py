"""What a journal is told of a job, what it knows of it in a later run, and what it remembers on later nights.

A job's notes come in this order: it is *intended* before its POST, *requested* once the answer is there, *split* when
it is too large for one export, and in the end *committed* or *dropped*. Whichever note is the last one that reached
the disk says what a later run has to do.
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
    """The sink has the job's rows; if it was taken in parts it has all of them, whatever was noted of each.

    ``seconds`` is how long the server took to make the export; None where that was not seen.
    """

    receipt: Receipt
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Dropped:
    """The job failed. ``keep``: its export, if it has one, is still worth collecting by a later run."""

    error: AsyncexportError
    keep: bool


@dataclass(frozen=True, slots=True)
class Split:
    """The job is too large for one export: it is taken in ``parts``, jobs like it with these filters, part 0 first.

    Noted of the job before any part is asked for, and again with all of them when a part is cut further; a part that
    stays keeps its number. The parts have notes of their own, under their own keys.
    """

    parts: tuple[Filters, ...]


Note: TypeAlias = Intended | Requested | Committed | Dropped | Split


@dataclass(frozen=True, slots=True)
class Known:
    """What the journal says of a job.

    ``state`` is ``intended``, ``requested``, ``committed`` or ``failed``, ``split`` for a job that is taken in parts,
    ``waiting`` for a part that was not asked for; ``export_id`` is empty where none is worth collecting;
    ``age_seconds`` is how long ago the export was asked for. ``split`` are the filters of the parts, part 0 first, as
    long as the job is not asked for whole again: together they hold each of its rows once.
    """

    state: str
    export_id: str
    age_seconds: float
    split: tuple[Filters, ...] = ()


@dataclass(frozen=True, slots=True)
class Habit:
    """What earlier nights taught about a job, whatever their labels were.

    ``seconds`` is how long the server usually takes to make its export, None where that is not known; ``nights`` how
    many nights that was learned from; ``split`` the filters of the parts to begin with, part 0 first, which together
    hold each row of the job once; empty where it is to be asked for whole.
    """

    seconds: float | None = None
    nights: int = 0
    split: tuple[Filters, ...] = ()


NOTHING_LEARNED = Habit()
"""Of a job that was never seen before."""
