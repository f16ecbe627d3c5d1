"""``asyncexport plan``: what a run would do, and nothing of it done."""

from __future__ import annotations

import json

from click.testing import CliRunner, Result

from asyncexport.app.cli import main
from asyncexport.app.commands.plan import as_text
from tests.app.conftest import Emulate, Emulated


def called(emulated: Emulated, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["plan", "-c", emulated.config, "--snapshot", "x", *arguments])


def test_for_people(emulate: Emulate) -> None:
    """Exports are counted by endpoint, with their waves and the time under a stated assumption."""
    emulated = emulate(profiles=6)
    result = called(emulated, "--entity", "campaigns", "--entity", "ads")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines() == [
        "12 exports of 6 profiles under the label x",
        "",
        "account    region  endpoint   exports  waves  expected",
        "account-1  NA      campaigns        6      2    50.0 s",
        "account-1  NA      ads              6      2    50.0 s",
        "",
        "about 50.0 s in all, assuming that an export is generated in 25 s (the median)",
    ]


def test_nothing_is_asked_for(emulate: Emulate) -> None:
    """A plan asks for tokens and profiles, never for an export."""
    emulated = emulate()
    called(emulated)
    assert set(emulated.server.state.counters.requests) == {"token", "profiles"}


def test_json(emulate: Emulate) -> None:
    """With --json each job is a line, and the last line has the totals."""
    emulated = emulate(profiles=1)
    *jobs, total = [json.loads(line) for line in called(emulated, "--json").stdout.splitlines()]
    assert [job["entity"] for job in jobs] == ["campaigns", "adGroups", "targets", "ads"]
    assert {job["event"] for job in jobs} == {"planned"}
    assert total == {"event": "plan", "jobs": 4, "waves": 1, "seconds": 25.0, "assumed_generation": 25.0}


def test_an_account_that_is_refused(emulate: Emulate) -> None:
    """An account that could not be looked at is named and decides the status; the others are planned."""
    emulated = emulate(accounts=2, weather="token nth=1: deny-invalid_grant")
    result = called(emulated, "--json")
    assert result.exit_code == 3
    events = [json.loads(line)["event"] for line in result.stdout.splitlines()]
    assert events == ["planned"] * 4 + ["plan", "failed"]
    assert " is left out: " in result.stderr
    second = called(emulate(accounts=2, weather="token nth=1: deny-invalid_grant"))
    assert "4 exports of 1 profile" in second.stdout


def test_nothing_to_do() -> None:
    """A plan of nothing says so."""
    assert as_text([], [], "x") == ["nothing to do: the accounts manage no seller or vendor profile"]
