"""Looking at what accounts manage, without a lock."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncexport.app.look import look
from asyncexport.app.patience import SHORT
from asyncexport.app.settings import RunSettings, Settings
from asyncexport.events import CallRetried
from asyncexport.models import Discovery
from tests.app.support import FakeExporter, account, profile


async def test_looking(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the exporter discovers comes back, patience is short and said, and the state folder is left alone."""
    found = Discovery((profile("1"),))
    exporter = FakeExporter(found)
    settings = Settings(accounts=(account(),), run=RunSettings(state_dir=tmp_path))
    assert await look(settings, exporter) == found
    assert "state_dir" not in exporter.arguments
    assert exporter.arguments["backoff"] == SHORT
    exporter.arguments["listener"](CallRetried("acme", "", "profiles", "ConnectError", 2.0, throttled=False))
    assert "account acme: cannot connect" in capsys.readouterr().err
