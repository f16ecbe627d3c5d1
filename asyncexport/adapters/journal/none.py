"""The journal of a run without a state folder."""

from __future__ import annotations

from collections.abc import Iterable

from asyncexport.models import Job
from asyncexport.notes import Habit, Known, Note


class NoJournal:
    """A :class:`asyncexport.ports.Journal` that forgets everything: for runs without a state folder."""

    async def recall(self, jobs: Iterable[Job]) -> dict[tuple[str, ...], Known]:  # noqa: ARG002
        """Know nothing."""
        return {}

    async def habits(self, jobs: Iterable[Job]) -> dict[tuple[str, ...], Habit]:  # noqa: ARG002
        """Have learned nothing."""
        return {}

    async def note(self, job: Job, note: Note) -> None:
        """Forget it."""
