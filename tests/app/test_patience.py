"""What a person who waits is told, and for how long they wait."""

from __future__ import annotations

import pytest

from asyncexport.app.patience import SHORT, Waiting
from asyncexport.events import CallRetried, RunStarted


def test_a_call_that_is_made_again(capsys: pytest.CaptureFixture[str]) -> None:
    """Before the run each further attempt is one line on stderr; during it the progress display is enough."""
    waiting = Waiting()
    waiting(CallRetried("acme", "", "access token", "ConnectError", 2.5, throttled=False))
    waiting(CallRetried("acme", "", "profiles", "SomethingNew", 61.0, throttled=False))
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines() == [
        "account acme: cannot connect (access token); trying again in 2.5 s",
        "account acme: SomethingNew (profiles); trying again in 1 min 1 s",
    ]
    assert repr(waiting) == "<Waiting for the run>"
    waiting(RunStarted(1))
    waiting(CallRetried("acme", "", "access token", "ConnectError", 2.5, throttled=False))
    assert capsys.readouterr().err == ""
    assert repr(waiting) == "<Waiting no more>"


def test_how_long_one_waits_who_only_looks() -> None:
    """The waits between the attempts add up to less than 15 seconds, however they are drawn."""
    assert sum(SHORT.delays(lambda: 1.0)) < 15.0
    assert SHORT.attempts == 3
