"""Progress on its way over a process border."""

from __future__ import annotations

from asyncexport.engine.runners.thinning import SECONDS, Thinned
from asyncexport.events import TransferProgressed, TransferResumed
from asyncexport.testing import FakeClock
from tests.engine.support import JOB, Events


def progress(size: int) -> TransferProgressed:
    return TransferProgressed(JOB, size, 0)


def test_progress_passes_a_few_times_a_second() -> None:
    """The first one at once, the others when enough time has passed; what is skipped is told by what follows."""
    heard, clock = Events(), FakeClock()
    listener = Thinned(heard, clock)
    for size in range(40):
        listener(progress(size))
        clock.advance(SECONDS / 8)
    assert heard == [progress(size) for size in range(0, 40, 8)]


def test_other_events_pass_at_once_and_in_order() -> None:
    """What was held back goes before them, so that a resumed transfer does not seem to go backwards."""
    heard = Events()
    listener = Thinned(heard, FakeClock())
    resumed = TransferResumed(JOB, 3, "ConnectionLost")
    for event in (progress(1), progress(2), progress(3), resumed, resumed):
        listener(event)
    assert heard == [progress(1), progress(3), resumed, resumed]


def test_the_last_progress_is_told_when_all_is_over() -> None:
    """So that the numbers at the end are those of the whole export."""
    heard = Events()
    listener = Thinned(heard, FakeClock())
    listener(progress(1))
    listener(progress(2))
    assert repr(listener) == "<Thinned holding one back>"
    listener.flush()
    listener.flush()
    assert heard == [progress(1), progress(2)]
    assert repr(listener) == "<Thinned up to date>"
