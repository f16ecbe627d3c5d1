"""``asyncexport profiles``: what the accounts manage."""

from __future__ import annotations

import json

from click.testing import CliRunner, Result

from asyncexport.app.cli import main
from tests.app.conftest import Emulate, Emulated


def called(emulated: Emulated, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["profiles", "-c", emulated.config, *arguments])


def test_for_people(emulate: Emulate) -> None:
    """Every profile is a row, agency profiles too, and the last line counts them."""
    emulated = emulate(agency=True)
    result = called(emulated)
    assert result.exit_code == 0, result.stderr
    head, *rows, blank, totals = result.stdout.splitlines()
    assert head.split() == ["account", "region", "profile", "type", "country", "currency", "timezone", "name"]
    assert {row.split()[2] for row in rows} == set(emulated.profiles)
    assert (blank, totals) == ("", "2 profiles, and 1 agency profile without exports")


def test_json(emulate: Emulate) -> None:
    """With --json each profile is a line that says whether it has exports; so is an account that was refused."""
    emulated = emulate(accounts=2, profiles=3, agency=True)
    found = [json.loads(line) for line in called(emulated, "--json", "--account", "account-1").stdout.splitlines()]
    assert [each["exports"] for each in found] == [True, True, False]
    assert {each["event"] for each in found} == {"profile"}
    assert {each["account"] for each in found} == {"account-1"}


def test_no_profile_at_all(emulate: Emulate) -> None:
    """Without any profile there is no table."""
    assert called(emulate(profiles=0)).stdout == "0 profiles\n"


def test_an_account_that_is_refused(emulate: Emulate) -> None:
    """An account that could not be looked at is told on stderr and decides the status."""
    result = called(emulate(weather="token nth=1: deny-invalid_grant"), "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["error"] == "AuthError"
    assert result.stderr.startswith("account account-1/NA: ")
