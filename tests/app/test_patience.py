"""What a person who waits is told, and for how long they wait."""

from __future__ import annotations

import pytest

from asyncexport.app.patience import SHORT, Waiting
from asyncexport.events import CallRetried, OutageContinued, OutageEnded, OutageStarted, RunStarted


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


def test_a_host_that_answers_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    """The beginning and the end of an outage are one line each on stderr, during the run as well; its tries are not."""
    waiting = Waiting()
    waiting(RunStarted(1))
    waiting(OutageStarted("api.example", 10.0, "ConnectError", 2.0))
    waiting(OutageContinued("api.example", 12.0, "ConnectError", 4.0))
    waiting(OutageEnded("api.example", 41.0))
    assert capsys.readouterr().err.splitlines() == [
        "no answer from api.example for 10.0 s, next try in 2.0 s (cannot connect); it is waited for",
        "host api.example answers again after 41.0 s",
    ]


def test_how_long_one_waits_who_only_looks() -> None:
    """The waits between the attempts add up to less than 15 seconds, however they are drawn."""
    assert sum(SHORT.ceiling(tried) for tried in range(SHORT.attempts - 1)) < 15.0
    assert SHORT.attempts == SHORT.refusals == 3
