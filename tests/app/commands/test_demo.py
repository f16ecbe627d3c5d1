"""``asyncexport demo``: the command around the demo."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from asyncexport.app.cli import main
from asyncexport.app.demo import query


def test_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is committed in spite of the weather, and the proposed query reads what is left behind."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["demo"])
    assert result.exit_code == 0, result.stderr
    assert "48 exports committed" in result.stdout
    assert "not met" not in result.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["demo-exports"]
    assert len(list(Path("demo-exports").glob("entity=*/snapshot=*/profile_id=*/part-0.jsonl.zst"))) == 48
    assert f'duckdb -c "{query(Path("demo-exports"))}"' in result.stdout
    lines = result.stdout.splitlines()
    first = lines[lines.index("to look at the rows:") + 1]
    shown = subprocess.run(shlex.split(first), capture_output=True, text=True, check=True).stdout.splitlines()  # noqa: S603
    assert [json.loads(row)["adProduct"].startswith("SPONSORED_") for row in shown] == [True] * 3
    rows = duckdb.sql(query(Path("demo-exports")))
    assert rows is not None
    assert rows.shape[0] == 3
