"""The command that simulates nights."""

from __future__ import annotations

import pytest

from benchmarks.night.__main__ import main


def test_help(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Every scenario is said what it is, a share in per cent too."""
    monkeypatch.setattr("sys.argv", ["night", "--help"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    assert "30 % of all calls" in " ".join(capsys.readouterr().out.split())
