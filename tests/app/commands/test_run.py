"""``asyncexport run`` against the emulator, as a person or a night job would call it."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from asyncexport.adapters.journal import read
from asyncexport.app.cli import main
from asyncexport.models import Entity
from tests.app.conftest import Emulate, Emulated
from tests.app.support import python

LABEL = ("--snapshot", "2026-11-23")
RUN = ("-m", "asyncexport", "run", "-c")


def called(emulated: Emulated, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["run", "-c", emulated.config, *LABEL, *arguments])


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_everything(emulate: Emulate) -> None:
    """All four exports of all profiles become files; a second run finds them and pulls nothing."""
    emulated = emulate()
    first = called(emulated, "--json")
    assert first.exit_code == 0, first.stderr
    *outcomes, summary = events(first.stdout)
    wanted = {(profile, entity.value) for profile in emulated.profiles for entity in Entity}
    assert {(each["profile_id"], each["entity"]) for each in outcomes} == wanted
    assert all(each["event"] == "exported" and Path(each["path"]).is_file() for each in outcomes)
    assert summary["rows"] == sum(each["rows"] for each in outcomes) > 0
    second = events(called(emulated, "--json").stdout)
    assert {key: second[-1][key] for key in ("exported", "failed", "skipped")} == {
        "exported": 0,
        "failed": 0,
        "skipped": 8,
    }


def test_for_people(emulate: Emulate) -> None:
    """Without --json stdout holds a table and the totals, stderr where the manifest is."""
    emulated = emulate(profiles=1)
    result = called(emulated, "--entity", "campaigns")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["account", "region", "profile", "name", "campaigns", "size"]
    assert emulated.profiles[0] in lines[1]
    assert lines[3].startswith("1 export committed")
    assert f"manifest: {emulated.folder}/_runs/" in result.stderr


def test_a_choice(emulate: Emulate) -> None:
    """--account, --profile and --entity narrow a run, --out moves it, --again pulls anew."""
    emulated = emulate(accounts=2, profiles=4)
    chosen = emulated.profiles[0]
    folder = emulated.folder.parent / "elsewhere"
    narrow = ("--json", "--account", "account-1", "--profile", chosen, "--entity", "ads", "--out", str(folder))
    for more in ((), ("--again",)):
        *outcomes, summary = events(called(emulated, *narrow, *more).stdout)
        assert [(each["account"], each["profile_id"], each["entity"]) for each in outcomes] == [
            ("account-1", chosen, "ads")
        ]
        assert (summary["exported"], summary["skipped"]) == (1, 0)
    assert [path.name for path in folder.glob("entity=*")] == ["entity=ads"]


def test_an_account_that_was_revoked(emulate: Emulate) -> None:
    """A revoked account fails in one line without a profile; the other account is pulled; the status is 3."""
    emulated = emulate(accounts=2, weather="token nth=1: deny-invalid_grant")
    result = called(emulated, "--json", "--entity", "campaigns")
    assert result.exit_code == 3, result.stderr
    failed, exported, summary = sorted(
        events(result.stdout), key=lambda each: ["failed", "exported", "summary"].index(each["event"])
    )
    assert (failed["error"], "profile_id" in failed, "entity" in failed) == ("AuthError", False, False)
    assert exported["account"] != failed["account"]
    assert (summary["exported"], summary["failed"]) == (1, 1)


def test_an_export_that_fails_for_good(emulate: Emulate) -> None:
    """A failure for good is reported with its cause while the rest is committed; the status is 1."""
    emulated = emulate(weather="request nth=1: return-400")
    result = called(emulated, "--entity", "campaigns")
    assert result.exit_code == 1, result.stderr
    assert "failed (1)\n  campaigns of account-1/NA/" in result.stdout
    (told,) = [line for line in result.output.splitlines() if "HTTP 400" in line]
    assert told.count("campaigns of ") == 1
    assert "RequestRejected: " in result.stdout
    assert "1 export committed, 1 failed" in result.stdout


def test_nothing_to_do(emulate: Emulate) -> None:
    """No seller or vendor profile is no failure, and is said; agency profiles are named."""
    result = called(emulate(profiles=0, agency=True))
    assert result.exit_code == 0, result.stderr
    assert "skipped: agency profiles have no exports (1)" in result.stdout
    assert "nothing to do" in result.stderr


def test_a_lock_that_is_held(emulate: Emulate, tmp_path: Path) -> None:
    """While another run uses the state folder, the status is 75 and nothing is asked for."""
    emulated = emulate()
    emulated.add(f'[run]\nstate_dir = "{tmp_path}/state"')
    code = (
        "import sys, asyncexport.adapters.lock as lock\n"
        f"lock.StateLock({str(tmp_path / 'state')!r}).acquire()\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with python("-c", code) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        result = called(emulated)
        other.communicate("")
    assert result.exit_code == 75, result.stderr
    assert not emulated.server.state.counters.requests
    assert called(emulated, "--entity", "ads").exit_code == 0


def test_a_journal_that_cannot_be_used(emulate: Emulate, tmp_path: Path) -> None:
    """Nothing is asked for until a person says so; then what is committed is found again."""
    emulated = emulate(profiles=1)
    assert called(emulated, "--entity", "ads").exit_code == 0
    asked = len(emulated.server.state.journal)
    journal = tmp_path / "state" / "journal.sqlite3"
    journal.write_bytes(b"nonsense" * 1000)
    result = called(emulated)
    assert (result.exit_code, result.stdout) == (74, "")
    assert result.stderr.startswith(f"error: {journal} cannot be used: ")
    assert "--rebuild" in result.stderr
    assert len(emulated.server.state.journal) == asked
    result = called(emulated, "--json", "--rebuild")
    assert result.exit_code == 0, result.stderr
    assert [events(result.stdout)[-1][name] for name in ("exported", "skipped")] == [3, 1]
    assert {row["state"] for row in read(journal.parent)} == {"committed"}


def test_a_state_folder_that_cannot_be_used(emulate: Emulate, tmp_path: Path) -> None:
    """A file where the folder should be ends with 74, and nothing is asked for."""
    (tmp_path / "state").write_text("in the way")
    emulated = emulate(profiles=1)
    result = called(emulated)
    assert result.exit_code == 74, result.stderr
    assert "choose another" in result.stderr
    assert not emulated.server.state.counters.requests


@pytest.mark.parametrize(
    ("numbers", "more", "status"),
    [((signal.SIGINT,), ("--grace", "0"), 130), ((signal.SIGTERM, signal.SIGINT), (), 143)],
)
def test_signals(emulate: Emulate, numbers: tuple[signal.Signals, ...], more: tuple[str, ...], status: int) -> None:
    """Signals end a run with their status, a manifest and the way on; the same command then does the rest."""
    emulated = emulate(weather="request nth=1 entity=ads: stall-3600-after-0")
    with python(*RUN, emulated.config, *LABEL, "--json", *more) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        first, said = run.stdout.readline(), ""
        for number in numbers:
            run.send_signal(number)
            said += run.stderr.readline()
        rest, last = run.communicate()
    assert run.returncode == status, said + last
    assert said.startswith(numbers[0].name)
    *outcomes, summary = events(first + rest)
    assert summary["event"] == "summary"
    assert 1 <= len(outcomes) < 8
    assert "Run the same command again with --snapshot 2026-11-23 to " in last
    result = called(emulated, "--json")
    assert result.exit_code == 0, result.stderr
    assert events(result.stdout)[-1]["skipped"] >= len(outcomes)


def test_a_reader_that_goes_away(emulate: Emulate) -> None:
    """When the reader of stdout leaves, the run stops quietly."""
    emulated = emulate()
    with python(*RUN, emulated.config, "--json", "-q") as run:
        assert run.stdout is not None
        assert run.stderr is not None
        run.stdout.close()
        said = run.stderr.read()
    assert run.returncode == 141
    assert said == ""


def test_no_secret_anywhere(emulate: Emulate) -> None:
    """At debug, in bad weather, neither output nor files hold a token, a secret or a signature."""
    emulated = emulate(
        weather="download nth=1: broken-after-50%; download nth=3: expire-url; request nth=2: return-401"
    )
    result = called(emulated, "-vv", "--json", "--log-format", "json")
    (grant,) = emulated.server.state.world.grants
    texts = [result.stdout, result.stderr, *(path.read_text() for path in emulated.folder.glob("_runs/*.json"))]
    assert len(texts) == 3
    assert '"event": "export.requested"' in result.stderr
    for text in texts:
        for secret in (grant.client_secret, grant.refresh_token, "Atza|", "X-Amz-Signature"):
            assert secret not in text


def test_files_are_the_owners_alone(emulate: Emulate) -> None:
    """Exports and manifests can be read by their owner only, whatever the umask."""
    emulated = emulate(profiles=1)
    before = os.umask(0)
    try:
        assert called(emulated).exit_code == 0
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in emulated.folder.rglob("*") if path.is_file()} == {0o600}
