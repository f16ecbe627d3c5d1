"""``asyncexport check``: would a run get going?"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from asyncexport.adapters.cores import cores
from asyncexport.app.cli import main
from asyncexport.app.commands.check import findings
from asyncexport.app.console import count
from asyncexport.app.settings import RunSettings, Settings, SinkSettings
from asyncexport.errors import ConfigError
from asyncexport.models import Discovery
from tests.app.conftest import Emulate, Emulated
from tests.app.support import FakeExporter, account
from tests.engine.runners.nights import a_cluster


def called(emulated: Emulated, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["check", "-c", emulated.config, *arguments])


def test_all_is_well(emulate: Emulate) -> None:
    """Configuration, each account and the output folder are one line each; no export is asked for."""
    emulated = emulate(accounts=2, profiles=3, agency=True)
    result = called(emulated)
    assert result.exit_code == 0, result.stderr
    lines = [re.sub(r", [\d.]+ \w?B free$", ", ROOM free", line) for line in result.stdout.splitlines()]
    assert lines == [
        f"ok      configuration: {emulated.config}, 2 accounts",
        "ok      account account-1/NA: token granted, 2 profiles, 1 agency profile without exports",
        "ok      account account-2/EU: token granted, 1 profile",
        f"ok      output: {emulated.folder} can be written to, ROOM free",
        f"ok      journal: 0 exports in {emulated.folder.parent}/state/journal.sqlite3",
        f"ok      workers: {count(cores(), 'process', 'processes')} can be started for the transfers of large exports",
    ]
    assert set(emulated.server.state.counters.requests) == {"token", "profiles"}


def test_what_is_not_well(emulate: Emulate, tmp_path: Path) -> None:
    """Each trouble is a line with what to do about it, and the worst decides the status."""
    (tmp_path / "file").write_text("in the way")
    emulated = emulate(weather="token nth=1: deny-invalid_grant")
    result = called(emulated, "--out", str(tmp_path / "file"))
    assert result.exit_code == 74
    good, account, output, *_ = result.stdout.splitlines()
    assert good.startswith("ok      configuration")
    assert account.startswith("failed  account account-1/NA: ")
    assert account.endswith("-> put the new refresh token in place of the old one")
    assert output.startswith("failed  output: ")


def test_a_profile_that_is_not_listed(emulate: Emulate) -> None:
    """A profile that the configuration names and the API does not list is a line beside its account's."""
    emulated = emulate()
    config = Path(emulated.config)
    config.write_text(config.read_text().replace("\n[sink]", 'profiles = ["5"]\n\n[sink]'))
    result = called(emulated)
    assert result.exit_code == 1
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == [
        "ok      configuration",
        "ok      account account-1/NA",
        "failed  account account-1/NA/5",
        "ok      output",
        "ok      journal",
        "ok      workers",
    ]


def test_a_journal_that_cannot_be_used(emulate: Emulate, tmp_path: Path) -> None:
    """What would stop a run at once is found, with the way out."""
    emulated = emulate()
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "journal.sqlite3").write_bytes(b"nonsense" * 1000)
    result = called(emulated)
    assert result.exit_code == 74
    assert result.stdout.splitlines()[-2].startswith(
        f"failed  journal: {tmp_path}/state/journal.sqlite3 cannot be used"
    )
    assert "--rebuild" in result.stdout


async def test_a_run_that_keeps_no_journal(tmp_path: Path) -> None:
    """Without a state folder there is nothing to find fault with."""
    settings = Settings(
        accounts=(account(),), run=RunSettings(state_dir=None, workers=0), sink=SinkSettings(path=tmp_path / "exports")
    )
    *_, journal, workers = [each async for each in findings(settings, FakeExporter(Discovery(())))]
    assert journal == ("journal", "none is kept", None)
    assert workers == ("workers", "0, so all transfers run in the one process", None)


def test_processes_that_cannot_be_started(emulate: Emulate, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run would go on without them, so this is told and is no failure."""
    emulated = emulate()
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    result = called(emulated)
    assert result.exit_code == 0
    last = result.stdout.splitlines()[-1]
    assert last == "ok      workers: processes cannot be started, so all transfers run in the one"


def dask_settings(sink: SinkSettings, dask: str) -> Settings:
    """Return the settings of a run on that cluster."""
    run = RunSettings(state_dir=None, workers=0, runner="dask", dask=dask)
    return Settings(accounts=(account(),), run=run, sink=sink)


async def test_a_dask_cluster_that_can_be_used(tmp_path: Path) -> None:
    """It is connected to, and its workers see the output folder; what is not stored from there is told."""
    files, database = SinkSettings(path=tmp_path / "exports"), SinkSettings(type="duckdb", path=tmp_path / "ads.duckdb")
    with a_cluster(1) as address:
        found = [
            [each async for each in findings(dask_settings(sink, address), FakeExporter(Discovery(())))][-1]
            for sink in (files, database)
        ]
    good = f"1 worker of the cluster at {address} can be used"
    stays = "DuckDB is for this process alone: nothing into it runs on the Dask cluster"
    assert found == [("dask", good, None), ("dask", f"{good}; {stays}", None)]


async def test_a_dask_cluster_that_cannot_be_used(tmp_path: Path) -> None:
    """A run would not begin."""
    settings = dask_settings(SinkSettings(path=tmp_path / "exports"), "nonsense")
    *_, (subject, _, error) = [each async for each in findings(settings, FakeExporter(Discovery(())))]
    assert subject == "dask"
    assert isinstance(error, ConfigError)
