"""Numbers and tables for people."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len

from asyncexport.app.console import clipped, count, duration, size, table, terminal_width


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1_234_567, "1.2 MB"),
        (99_949_999, "99.9 MB"),
        (123_456_789, "123 MB"),
        (999_600_000, "1.0 GB"),
        (5e15, "5000 TB"),
    ],
)
def test_sizes(number: float, text: str) -> None:
    """A size has two or three digits and the unit that fits."""
    assert size(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 0 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 0 min"),
        (7262, "2 h 1 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    """A duration is told in its two largest units and never shows 60 of anything."""
    assert duration(seconds) == text


def test_counts() -> None:
    """A noun agrees with its number."""
    assert [count(1, "row"), count(0, "row"), count(2, "entry", "entries")] == ["1 row", "0 rows", "2 entries"]


def test_a_table() -> None:
    """Columns line up, numbers to the right, and lines do not end in blanks."""
    assert table([["name", "rows"], ["a", "1,000"], ["long name", ""]], right=frozenset({1})) == [
        "name        rows",
        "a          1,000",
        "long name",
    ]


def test_a_table_in_any_script() -> None:
    """Widths count terminal cells; what is too wide is cut; control characters are escaped."""
    rows = table([["日本語のお店", "x"], ["🎉\x1b[2J", "x"], ["very long name of a shop", "x"]], widest=12)
    assert {cell_len(row) for row in rows} == {15}
    assert "\x1b" not in "".join(rows)
    assert rows[2] == "very long n…  x"


def test_the_width_of_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a terminal has a width; a pipe or a file takes lines of any length, and closed output none."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "72")
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert terminal_width() is None
    monkeypatch.setattr("sys.stdout", Terminal())
    assert terminal_width() == 70
    monkeypatch.setattr("sys.stdout", None)
    assert terminal_width() is None


def test_a_line_that_is_too_wide() -> None:
    """A line is cut to the terminal, by cells, and left alone elsewhere."""
    assert (clipped("日本語", 5), clipped("日本語", 6), clipped("日本語", None)) == ("日本…", "日本語", "日本語")
