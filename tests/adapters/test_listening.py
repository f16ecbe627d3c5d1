"""What measuring listeners share: they keep their failures to themselves, and forget what never ends."""

from __future__ import annotations

import pytest

from asyncexport.adapters.listening import DAY, Moments, Quiet
from asyncexport.events import Event, RunStarted


class Broken(Quiet):
    """Fails at every event."""

    def __init__(self) -> None:
        self.heard: list[Event] = []

    def _listen(self, event: Event) -> None:
        self.heard.append(event)
        raise ZeroDivisionError("the meter is broken")


def test_a_listener_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """Its failures reach nobody, and the log once."""
    broken = Broken()
    for _ in range(3):
        broken(RunStarted(1))

    assert len(broken.heard) == 3
    assert [record.getMessage() for record in caplog.records] == ["Broken fails at run.started: ZeroDivisionError"]


def test_what_begins_and_ends() -> None:
    """What has begun is known until it ends, with when that was; what begins again began last."""
    moments: Moments[str, int] = Moments()
    assert moments.begin("a", 1.0, 10) == []
    assert moments.begin("a", 2.0, 11) == []

    assert len(moments) == 1
    assert moments.end("a") == (2.0, 11)
    assert moments.end("a") is None
    assert len(moments) == 0


def test_what_never_ends() -> None:
    """A day later it is forgotten, oldest first; what is exactly a day old is not."""
    moments: Moments[str, int] = Moments()
    moments.begin("a", 0.0, 10)
    moments.begin("b", 1.0, 11)
    moments.begin("c", 2.0, 12)

    assert moments.begin("d", DAY + 2.0, 13) == [10, 11]
    assert moments.end("c") == (2.0, 12)
