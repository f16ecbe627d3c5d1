"""What is left of nights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.night.engine import Engine
from benchmarks.night.play import Night, Setting, play
from benchmarks.night.records import Row, endpoints, keep, keep_frontier, named
from benchmarks.night.table import by_endpoint, compared, markdown


@pytest.fixture(scope="module")
def night() -> Night:
    return play(Setting(profiles=6), Engine())


def test_a_table_lines_up() -> None:
    """Every row of a Markdown table is as long as the others."""
    lines = markdown(["a", "long head"], [["1", "2"], ["longer cell", "3"]]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[1].startswith("|---")


def test_each_figure_is_the_median_of_the_nights(night: Night) -> None:
    """One row a name; what the machine makes of it can be left out."""
    nights = [replace(night.figures, looks=looks) for looks in (1.0, 2.0, 9.0)]
    row = compared({"ours": nights}).splitlines()[2]
    assert row.split("|")[3].strip() == "2.00"
    assert "CPU" in compared({"ours": nights})
    assert "CPU" not in compared({"ours": nights}, costs=False)


def test_an_endpoint_has_a_row(night: Night) -> None:
    """Four endpoints, four rows."""
    assert len(by_endpoint(night.figures.lines).splitlines()) == 2 + 4


def test_the_endpoints_are_said_to_be_of_the_last_night(night: Night) -> None:
    """Whoever reads one table of many nights is told which one it is of."""
    rows = [Row(name, "ours", "10/s", [night.figures]) for name in ("steady", "outage")]
    heading, blank, table = endpoints(rows, night).partition("\n\n")
    assert heading == "The last night by endpoint: outage, ours, 6 profiles, seed 1"
    assert (blank, table) == ("\n\n", by_endpoint(night.figures.lines))


def test_rows_are_called_by_what_tells_them_apart(night: Night) -> None:
    """A scenario or a strategy that is the same everywhere is not repeated."""
    one = Row("steady", "ours", "10/s", [night.figures])
    assert list(named([one])) == ["steady"]
    assert list(named([one, replace(one, strategy="fixed")])) == ["ours", "fixed"]
    assert list(named([one, replace(one, scenario="outage")])) == ["steady", "outage"]
    assert list(named([one, replace(one, scenario="outage", strategy="fixed")])) == ["steady, ours", "outage, fixed"]


def test_what_is_kept(night: Night, tmp_path: Path) -> None:
    """The table, every figure, and both plots are in the folder."""
    row = Row("steady", "ours", "10/s", [night.figures])
    keep(tmp_path / "out", [row], night, "the command")
    keep_frontier(tmp_path / "out", "frontier", {"ours": [row]})
    document = json.loads((tmp_path / "out" / "night.json").read_text())
    assert document["rows"][0]["nights"][0]["jobs"] == 24
    assert "the command" in (tmp_path / "out" / "night.md").read_text()
    assert "<svg" in (tmp_path / "out" / "slots.svg").read_text()
    assert "frontier" in (tmp_path / "out" / "frontier.svg").read_text()
