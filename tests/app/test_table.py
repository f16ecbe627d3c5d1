"""Tables of a configuration file: every refusal names the table and the key."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest

from asyncexport.app.table import Table, suggestion, toml_type
from asyncexport.errors import ConfigError


def table(**values: object) -> Table:
    return Table(values, "[run]")


REFUSALS: list[tuple[Callable[[Table], Any], object, str]] = [
    (lambda each: each.text("k"), 5, "[run]: k must be a string, not an integer"),
    (lambda each: each.text("k"), " ", "[run]: k must not be empty"),
    (
        lambda each: each.word("k", ("zstd", "none")),
        "zst",
        "[run]: k: 'zst' is none of zstd, none (did you mean 'zstd'?)",
    ),
    (lambda each: each.integer("k", 1), 2.0, "[run]: k must be a whole number, not a float"),
    (lambda each: each.integer("k", 1), True, "[run]: k must be a whole number, not a boolean"),
    (lambda each: each.number("k", 1), "2", "[run]: k must be a number, not a string"),
    (lambda each: each.number("k", 1), False, "[run]: k must be a number, not a boolean"),
    (lambda each: each.number("k", 1), float("inf"), "[run]: k must be a finite number"),
    (
        lambda each: each.seconds("k", 1),
        "30",
        '[run]: k: \'30\' is no duration; write for example "90s", "30m" or "2h"',
    ),
    (
        lambda each: each.seconds("k", 1),
        "0s",
        '[run]: k: \'0s\' is no duration; write for example "90s", "30m" or "2h"',
    ),
    (
        lambda each: each.seconds("k", 1),
        "-1m",
        '[run]: k: \'-1m\' is no duration; write for example "90s", "30m" or "2h"',
    ),
    (lambda each: each.seconds("k", 1, hours=24), "24.1h", "[run]: k: '24.1h' is too long; at most 24h make sense"),
    (lambda each: each.integer("k", 1, within=(1, 1000)), 1001, "[run]: k must be from 1 to 1,000, not 1001"),
    (lambda each: each.integer("k", 1, within=(1, 1000)), 0, "[run]: k must be from 1 to 1,000, not 0"),
    (lambda each: each.number("k", 1, within=(0.01, 9)), 1e-300, "[run]: k must be from 0.01 to 9, not 1e-300"),
    (lambda each: each.number("k", 1, within=(0.01, 9)), 10, "[run]: k must be from 0.01 to 9, not 10"),
    (lambda each: each.words("k"), "ads", "[run]: k must be an array of strings, not a string"),
    (lambda each: each.words("k"), ["a", 1], "[run]: k must hold non-empty strings only, not an integer"),
    (lambda each: each.words("k"), [""], "[run]: k must hold non-empty strings only, not a string"),
    (lambda each: each.words("k"), [], "[run]: k must not be empty; leave the key out for the default"),
    (lambda each: each.table("k"), [], "[run]: k must be a table, not an array; write [k]"),
    (lambda each: each.tables("k"), {}, "[run]: k must be an array of tables, not a table; write [[k]]"),
    (lambda each: each.tables("k"), [1], "[run]: k must be an array of tables, not an array; write [[k]]"),
]


@pytest.mark.parametrize(("read", "value", "message"), REFUSALS)
def test_a_value_of_the_wrong_kind(read: Callable[[Table], Any], value: object, message: str) -> None:
    """A value that does not fit is refused in one line with table, key and what was expected."""
    with pytest.raises(ConfigError) as caught:
        read(table(k=value))
    assert str(caught.value) == message


def test_keys_that_are_absent() -> None:
    """An absent key gives its default, or None where absence means something."""
    empty = table()
    assert (empty.text("k"), empty.text("k", "x"), empty.word("k", ("a",))) == (None, "x", None)
    assert (empty.integer("k", 7), empty.number("k", 1.5), empty.seconds("k", 60.0)) == (7, 1.5, 60.0)
    assert (empty.words("k"), empty.tables("k"), empty.get("k")) == (None, [], None)
    empty.table("k").close()


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90.0), ("30m", 1800.0), ("2h", 7200.0), (" 1.5h ", 5400.0)])
def test_a_duration(text: str, seconds: float) -> None:
    """A duration is a number with s, m or h and becomes seconds."""
    assert table(k=text).seconds("k", 0) == seconds


def test_values_that_fit() -> None:
    """A value of the right type comes back as it is, words without their repetitions, numbers as floats."""
    read = table(word="none", whole=3, number=2, words=["b", "a", "b"], inner={"x": 1}, inners=[{"x": 1}])
    assert read.word("word", ("zstd", "none")) == "none"
    assert read.integer("whole", 0) == 3
    assert read.number("number", 0.0) == 2.0
    assert read.words("words") == ("b", "a")
    assert read.table("inner").integer("x", 0) == 1
    assert read.tables("inners") == [{"x": 1}]
    read.close()


def test_a_key_nobody_asked_for() -> None:
    """A key that no reader knows is refused, and the nearest known one is proposed."""
    read = table(worker=1)
    read.integer("workers", 0)
    with pytest.raises(ConfigError) as caught:
        read.close()
    assert str(caught.value) == "[run]: unknown key 'worker' (did you mean 'workers'?)"


def test_a_word_that_resembles_nothing() -> None:
    """A suggestion is made only where there is something near, in any letter case."""
    assert suggestion("zzz", ["name"]) == ""
    assert suggestion("ADGROUPS", ["adGroups"]) == " (did you mean 'adGroups'?)"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (datetime.date(2026, 11, 23), "a date or time"),
        (datetime.time(2), "a date or time"),
        (1.5, "a float"),
        ({}, "a table"),
        (None, "something else"),
    ],
)
def test_what_toml_calls_a_type(value: object, name: str) -> None:
    """Types are named in TOML's words, not in Python's."""
    assert toml_type(value) == name


def test_a_table_in_a_debugger() -> None:
    """The repr tells where the table stands and shows no value."""
    assert repr(table(secret="hush")) == "<Table [run] 1 keys>"
