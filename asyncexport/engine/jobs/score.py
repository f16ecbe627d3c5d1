"""A run in numbers: outcomes by kind, time, and what the exporter has sent since the run before."""

from __future__ import annotations

from asyncexport.engine.jobs.tally import Tally
from asyncexport.models import Exported, Outcome, Summary
from asyncexport.ports import Clock


class Score:
    """The numbers of one run, from now on; what ``tally`` stood at ``before`` belongs to earlier ones."""

    def __init__(self, clock: Clock, tally: Tally, before: Tally) -> None:
        self._clock = clock
        self._tally = tally
        self._before = before
        self._began = clock.now()
        self._ended: float | None = None
        self._counts = {"exported": 0, "failed": 0, "skipped": 0, "rows": 0}

    @property
    def summary(self) -> Summary:
        """The numbers, so far."""
        tally, before = self._tally, self._before
        return Summary(
            **self._counts,
            seconds=(self._clock.now() if self._ended is None else self._ended) - self._began,
            requests=tally.requests - before.requests,
            throttled=tally.throttled - before.throttled,
            possibly_orphaned=tally.possibly_orphaned - before.possibly_orphaned,
        )

    @property
    def outcomes(self) -> int:
        """How many jobs have their outcome."""
        return sum(self._counts[name] for name in ("exported", "failed", "skipped"))

    def count(self, outcome: Outcome) -> None:
        """A job has its outcome."""
        if not isinstance(outcome, Exported):
            self._counts["failed"] += 1
        elif outcome.found:
            self._counts["skipped"] += 1
        else:
            self._counts["exported"] += 1
            self._counts["rows"] += outcome.receipt.rows

    def count_orphan(self) -> None:
        """An earlier run may have left an export that nobody knows."""
        self._tally.possibly_orphaned += 1

    def end(self) -> None:
        """The run is over: its time stands still."""
        self._ended = self._clock.now()

    def __repr__(self) -> str:
        return f"<Score {self._counts}>"
