"""``asyncexport plan``: what a run would do, and nothing of it done."""

from __future__ import annotations

import asyncio
import json

import pytest
from click.testing import CliRunner, Result

from asyncexport.adapters.journal import SqliteJournal
from asyncexport.app.cli import main
from asyncexport.app.commands.plan import as_text
from asyncexport.app.estimate import Estimate
from asyncexport.app.present import Present
from asyncexport.errors import AuthError
from asyncexport.models import Discovery, Entity, Job, Profile, Receipt
from asyncexport.notes import Committed
from tests.app.conftest import Emulate, Emulated
from tests.app.support import refused


def called(emulated: Emulated, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["plan", "-c", emulated.config, "--snapshot", "x", *arguments])


def test_for_people(emulate: Emulate) -> None:
    """Exports are counted by endpoint, with their waves and the time under a stated assumption."""
    emulated = emulate(profiles=6)
    result = called(emulated, "--entity", "campaigns", "--entity", "ads")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines() == [
        "12 jobs of 6 profiles under the label x",
        "",
        "account    region  endpoint   exports  waves  expected",
        "account-1  NA      campaigns        6      2    50.0 s",
        "account-1  NA      ads              6      2    50.0 s",
        "",
        "at least about 50.0 s in all, assuming that an export is generated in 25 s (the median)",
    ]


def test_nothing_is_asked_for(emulate: Emulate) -> None:
    """A plan asks for tokens and profiles, never for an export."""
    emulated = emulate()
    called(emulated)
    assert set(emulated.server.state.counters.requests) == {"token", "profiles"}


def test_under_a_label_that_is_there(emulate: Emulate) -> None:
    """What a run has brought is counted as there, and only the rest is planned; other filters are another thing."""
    emulated = emulate()
    narrow = ("--entity", "campaigns")
    CliRunner().invoke(main, ["run", "-c", emulated.config, "--snapshot", "x", *narrow])
    assert called(emulated, *narrow).stdout.splitlines() == [
        "2 jobs of 2 profiles under the label x",
        "2 already there, 0 with exports to collect, 0 to ask for",
    ]
    told = called(emulated, *narrow, "--entity", "ads").stdout.splitlines()
    assert told[1] == "2 already there, 0 with exports to collect, 2 to ask for"
    assert [line.split()[2] for line in told if line.startswith("account-1")] == ["ads"]
    assert "already" not in called(emulated, *narrow, "--out", f"{emulated.folder}-2").stdout
    emulated.add('[run]\nstates = ["ENABLED"]')
    assert "already" not in called(emulated, *narrow).stdout


async def remembered(emulated: Emulated, *seconds: float) -> None:
    """Let the first profiles' campaigns have taken so long on an earlier night."""
    (account,) = emulated.server.accounts()
    async with SqliteJournal(emulated.folder.parent / "state") as journal:
        for number, took in zip(sorted(emulated.server.state.world.profiles), seconds, strict=False):
            job = Job(Profile(account.name, account.region, number), Entity.CAMPAIGNS, snapshot="before")
            await journal.note(job, Committed(Receipt("e", 1, 10, "00", "x"), took))


@pytest.mark.parametrize(
    ("seconds", "last"),
    [
        ([60.0] * 6, "at least about 1 min 12 s in all, by how long 6 exports took on earlier nights"),
        (
            [60.0] * 5,
            "at least about 1 min 12 s in all, by how long 5 of 6 exports took on earlier nights, the rest alike",
        ),
        (
            [600.0],
            "at least about 12 min 0 s in all, by how long 1 of 6 exports took on earlier nights, the rest alike",
        ),
    ],
)
def test_after_earlier_nights(emulate: Emulate, seconds: list[float], last: str) -> None:
    """The expected time is what the same exports took before, and how many those were is said."""
    emulated = emulate(profiles=6)
    asyncio.run(remembered(emulated, *seconds))
    assert called(emulated, "--entity", "campaigns").stdout.splitlines()[-1] == last
    total = json.loads(called(emulated, "--entity", "campaigns", "--json").stdout.splitlines()[-1])
    assert (total["known"], total["assumed_generation"]) == (len(seconds), seconds[0])


def test_json(emulate: Emulate) -> None:
    """With --json each job is a line, and the last line has the totals."""
    emulated = emulate(profiles=1)
    *jobs, total = [json.loads(line) for line in called(emulated, "--json").stdout.splitlines()]
    assert [job["entity"] for job in jobs] == ["campaigns", "adGroups", "targets", "ads"]
    assert {job["event"] for job in jobs} == {"planned"}
    assert not any(job["there"] for job in jobs)
    assert total == {
        "event": "plan",
        "jobs": 4,
        "there": 0,
        "to_collect": 0,
        "exports": 4,
        "known": 0,
        "waves": 1,
        "seconds": 25.0,
        "assumed_generation": 25.0,
    }


def test_an_account_that_is_refused(emulate: Emulate) -> None:
    """An account that could not be looked at is named and decides the status; the others are planned."""
    emulated = emulate(accounts=2, weather="token nth=1: deny-invalid_grant")
    result = called(emulated, "--json")
    assert result.exit_code == 3
    events = [json.loads(line)["event"] for line in result.stdout.splitlines()]
    assert events == ["failed", *["planned"] * 4, "plan"]
    assert " is left out: " in result.stderr
    second = called(emulate(accounts=2, weather="token nth=1: deny-invalid_grant"))
    assert "4 jobs of 1 profile" in second.stdout


def test_nothing_to_do() -> None:
    """A plan of nothing says so, unless what there is could not be looked at."""
    nothing = "nothing to do: the accounts manage no seller or vendor profile"
    assert as_text(Discovery(()), [], Present(), Estimate(())) == [nothing]
    unknown = Discovery((), refused=(refused(AuthError("no")),))
    assert as_text(unknown, [], Present(), Estimate(())) == []
