"""A job in parts: exports that together answer it, because one would be too large.

Contract: part numbers are 0 to n-1 without a gap at any time, and no part that stays changes its number: when a part is
cut further its first child takes its number and the others get the next free ones. So what is committed under a number
stays what it is. The job has one outcome, once every part has ended: all receipts, or the first error there was; parts
that are committed stay, and the next run finds them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from asyncexport.errors import AsyncexportError
from asyncexport.models import Filters, Job, Receipt, TransferOrder


class Family:
    """The parts of ``job``, which these ``filters`` make, part 0 first."""

    def __init__(self, job: Job, filters: Sequence[Filters]) -> None:
        self.job = job
        self.error: AsyncexportError | None = None
        self._filters = list(filters)
        self._pending = set(range(len(filters)))
        self._receipts: dict[int, Receipt] = {}

    @property
    def filters(self) -> tuple[Filters, ...]:
        """What the parts ask for, part 0 first."""
        return tuple(self._filters)

    @property
    def jobs(self) -> tuple[Job, ...]:
        """The parts as jobs, part 0 first."""
        return tuple(replace(self.job, filters=filters) for filters in self._filters)

    @property
    def members(self) -> list[Member]:
        """The parts, part 0 first."""
        return [Member(self, number, job) for number, job in enumerate(self.jobs)]

    @property
    def has_ended(self) -> bool:
        """Whether no part is on its way any more."""
        return not self._pending

    @property
    def receipt(self) -> Receipt | None:
        """The receipt of the job; None as long as a part is missing."""
        if len(self._receipts) < len(self._filters):
            return None
        return Receipt.of_parts([self._receipts[number] for number in range(len(self._filters))])

    def cut(self, number: int, filters: Sequence[Filters]) -> list[Member]:
        """Let these parts take the place of part ``number``; return them."""
        first = len(self._filters)
        self._filters[number] = filters[0]
        self._filters += filters[1:]
        self._pending.update(range(first, len(self._filters)))
        members = self.members
        return [members[number], *members[first:]]

    def committed(self, number: int, receipt: Receipt) -> None:
        """The sink has the part."""
        self._pending.remove(number)
        self._receipts[number] = receipt

    def failed(self, number: int, error: AsyncexportError) -> None:
        """The part ended without its rows."""
        self._pending.remove(number)
        self.error = self.error or error

    def withdrawn(self, number: int) -> None:
        """The part is not started in this run."""
        self._pending.remove(number)

    def __repr__(self) -> str:
        return f"<Family {self.job}: {len(self._receipts)}/{len(self._filters)} parts committed>"


@dataclass(frozen=True, slots=True)
class Member:
    """One part of a family: its number, and the job that asks for it."""

    family: Family
    number: int
    job: Job

    def placed(self, order: TransferOrder) -> TransferOrder:
        """Return the transfer order of the part."""
        return replace(order, part=self.number, split_from=self.family.job)
