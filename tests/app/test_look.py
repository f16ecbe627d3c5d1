"""Looking at what accounts manage, without a lock."""

from __future__ import annotations

from pathlib import Path

from asyncexport.app.look import look
from asyncexport.app.settings import RunSettings, Settings
from asyncexport.models import Discovery
from tests.app.support import FakeExporter, account, profile


async def test_looking(tmp_path: Path) -> None:
    """What the exporter discovers comes back, and the state folder is left alone."""
    found = Discovery((profile("1"),))
    exporter = FakeExporter(found)
    settings = Settings(accounts=(account(),), run=RunSettings(state_dir=tmp_path))
    assert await look(settings, exporter) == found
    assert "state_dir" not in exporter.arguments
