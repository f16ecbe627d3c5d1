"""What a client knows of earlier nights: all that can be known, planted; or what it learned itself, night by night."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from anyio.lowlevel import checkpoint

from asyncexport.emulator.laws import Habitual
from asyncexport.models import Job
from asyncexport.notes import Habit, Known, Note


@dataclass(frozen=True)
class Planted:
    """A :class:`asyncexport.ports.Journal` that remembers what every subject takes as a rule, and nothing else."""

    law: Habitual
    seed: int
    nights: int = 5

    async def habits(self, jobs: Iterable[Job]) -> Mapping[tuple[str, ...], Habit]:
        """Return the law's usual time of every job."""
        await checkpoint()
        return {job.subject: Habit(self._usual(job), self.nights) for job in jobs}

    async def recall(self, jobs: Iterable[Job]) -> Mapping[tuple[str, ...], Known]:  # noqa: ARG002
        """Return nothing: no run was interrupted."""
        await checkpoint()
        return {}

    async def note(self, job: Job, note: Note) -> None:  # noqa: ARG002
        """Forget it."""
        await checkpoint()

    def _usual(self, job: Job) -> float:
        return self.law.usual(self.seed, f"{job.profile.profile_id}/{job.entity.value}")


@dataclass(frozen=True)
class OnNight:
    """The draws of a law on its n-th night (from 0): a subject keeps its habit and has new times."""

    law: Habitual
    night: int

    def seconds(self, seed: int, subject: str, turn: int) -> float:
        """Draw one time."""
        return self.law.seconds(seed, subject, 1000 * self.night + turn)

    def usual(self, seed: int, subject: str) -> float:
        """Return what the subject takes as a rule."""
        return self.law.usual(seed, subject)
