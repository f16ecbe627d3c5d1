"""The programs that are compared."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from benchmarks import environments
from benchmarks.environments import ENVIRONMENTS, Environment
from benchmarks.programs import MORNING, SINKS, SMALL, WAYS, Program, rows_below


@pytest.mark.parametrize("program", [*SINKS, *WAYS, *SMALL, *MORNING], ids=lambda program: program.name)
def test_every_program_is_there_and_its_environment_is_made(program: Program) -> None:
    """A table must not lack a case because of a name."""
    assert importlib.util.find_spec(program.module) is not None
    assert program.environment in {"", *ENVIRONMENTS}


def test_a_program_without_its_tools_or_its_environment_says_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason stands in the table: no such tool, no environment, or why that could not be made."""
    monkeypatch.setattr(environments, "FOLDER", tmp_path)
    assert Program("a", "x", tools=("no-such-tool",)).missing() == "needs no-such-tool, not installed"
    assert Program("b", "x", "requests").missing() == "no environment .bench/requests: make bench-peers"
    reason = environments.make("old", Environment("1.5", ()))
    assert reason == "needs Python 1.5, which is not here"
    assert Program("c", "x", "old").missing() == reason
    assert Program("d", "x").missing() == ""


def test_the_rows_of_a_folder_are_all_its_files_of_rows_and_nothing_else(tmp_path: Path) -> None:
    """Receipts and manifests hold no rows."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "part-0.jsonl").write_text('{"campaignId": "1"}\n{"campaignId": "2"}\n')
    (tmp_path / "rows.jsonl").write_text('{"campaignId": "3"}\n')
    (tmp_path / "_part-0.receipt.json").write_text(json.dumps({"campaignId": "4"}))
    (tmp_path / "_tokens").mkdir()
    (tmp_path / "_tokens" / "cache.json").write_text(json.dumps({"token": "x"}))
    assert rows_below(tmp_path).count == 3
