"""A run in numbers."""

from __future__ import annotations

from asyncexport.engine.jobs.score import Score
from asyncexport.engine.jobs.tally import Tally
from asyncexport.errors import ExportFailed
from asyncexport.models import Exported, Failed, Receipt, Summary
from asyncexport.testing import FakeClock
from tests.engine.support import JOB

RECEIPT = Receipt("export-1", rows=7, bytes=1, sha256="", location="")


def test_outcomes_by_kind() -> None:
    """Rows count where they were pulled; what an earlier run left was skipped."""
    score = Score(FakeClock(), Tally(), Tally())
    for outcome in (Exported(JOB, RECEIPT), Exported(JOB, RECEIPT, found=True), Failed(JOB, ExportFailed("no"))):
        score.count(outcome)
    assert score.summary == Summary(exported=1, failed=1, skipped=1, rows=7)
    assert score.outcomes == 3
    assert "'skipped': 1" in repr(score)


def test_what_was_sent_before() -> None:
    """It belongs to the run before."""
    tally = Tally(requests=10, throttled=3, possibly_orphaned=1)
    score = Score(FakeClock(), tally, Tally(requests=4, throttled=1, possibly_orphaned=0))
    tally.requests += 1
    score.count_orphan()
    summary = score.summary
    assert (summary.requests, summary.throttled, summary.possibly_orphaned) == (7, 2, 2)


def test_the_time_of_a_run_that_is_over() -> None:
    """It stands still."""
    clock = FakeClock()
    score = Score(clock, Tally(), Tally())
    clock.advance(5.0)
    assert score.summary.seconds == 5.0
    score.end()
    clock.advance(5.0)
    assert score.summary.seconds == 5.0
