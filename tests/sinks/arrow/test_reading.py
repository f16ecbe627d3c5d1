"""Blocks read by Arrow: nothing is left behind, and what does not fit costs its own column a look, no other one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from asyncexport.emulator.records.data import rows
from asyncexport.emulator.world import World
from asyncexport.models import Entity, Filters
from asyncexport.sansio.tabular.spelling import names_in
from asyncexport.sinks.arrow import reading
from asyncexport.sinks.arrow.reading import Reader
from asyncexport.sinks.arrow.schema import model_schema, schema_of
from tests.sinks.arrow.test_tables import ODD, lines, tables_of
from tests.sinks.tabular import in_columns

_WORLD = World.generate(seed=5, accounts=1, profiles=3, rows=2_000)
PLACES = [
    (Entity.CAMPAIGNS, "startDate"),
    (Entity.CAMPAIGNS, "creationDateTime"),
    (Entity.CAMPAIGNS, "budgetCaps.budgetValue.monetaryBudget.amount"),
    (Entity.TARGETS, "targetId"),
    (Entity.TARGETS, "negative"),
    (Entity.TARGETS, "targetDetails.lookback"),
    (Entity.TARGETS, "deliveryReasons"),
]
"""One column of each kind: a date, a moment, a number, a text, a truth, a whole number, a list."""


def within(path: str, value: Any) -> dict[str, Any]:
    """Return a row with the value in the place that the path names."""
    for name in reversed(path.split(".")):
        value = {name: value}
    return value  # type: ignore[no-any-return]


def read(reader: Reader, entity: Entity, text: bytes) -> list[dict[str, Any]] | None:
    """Return rows as the reader has them, None where it is not certain."""
    columns = reader.read(text, text.count(b"\n"))
    return None if columns is None else pa.Table.from_arrays(columns, schema=model_schema(entity)).to_pylist()


@pytest.mark.parametrize("entity", Entity)
def test_what_the_emulator_sends_is_read_at_once(entity: Entity) -> None:
    """Usual rows take the fast way, numbers as text included; only what has no column is looked at."""
    found = [row for each in _WORLD.profiles.values() for row in rows(each, entity, Filters().of(entity), _WORLD.seed)]
    text, reader = b"".join(row + b"\n" for row in found), Reader(entity)

    assert read(reader, entity, text) == in_columns(found, entity)
    assert not reader._odd
    assert tables_of(entity).of(text, len(found)).schema.equals(schema_of(entity), check_metadata=True)


def test_a_misfit_makes_its_column_odd_and_no_other() -> None:
    """The column is fitted row by row from then on, in its place NULL, beside it what fits."""
    reader, good = Reader(Entity.CAMPAIGNS), {"campaignId": "1", "name": "a", "startDate": "2026-01-01"}
    text = lines([good, {**good, "name": {"new": 1}}, {**good, "startDate": "soon"}])
    for _ in range(2):
        found = read(reader, Entity.CAMPAIGNS, text)
        assert found is not None
        assert [(row["name"], row["extra"]) for row in found] == [
            ("a", None),
            (None, '{"name":{"new":1}}'),
            ("a", '{"startDate":"soon"}'),
        ]
        assert repr(reader) == "<Reader of 17 columns, odd ['name', 'startDate'], unknown []>"


def test_a_new_field_is_learnt_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """All names are read when the count does not come out even; then the block is read with them."""
    asked: list[bytes] = []

    def counted(text: bytes) -> set[str]:
        asked.append(text)
        return names_in(text)

    monkeypatch.setattr(reading, "names_in", counted)
    reader = Reader(Entity.AD_GROUPS)
    text = lines([{"bid": {"defaultBid": 1.5, "floor": 1}, "fresh": {"a": []}}, {"bid": {"defaultBid": 2}}])
    for _ in range(2):
        found = read(reader, Entity.AD_GROUPS, text)
        assert found is not None
        assert [row["bid"]["defaultBid"] for row in found] == [1.5, 2.0]
        assert [json.loads(row["extra"] or "{}") for row in found] == [
            {"bid": {"defaultBid": 1.5, "floor": 1}, "fresh": {"a": []}},
            {},
        ]
    assert len(asked) == 2  # for the name that is new, and to see that what is still missing stands in a column
    assert (reader._odd, reader._unknown) == ({"bid"}, {"fresh"})


def test_fields_without_a_column_have_one_order() -> None:
    """What a row's extra column says does not hang on which rows came before it in its block."""
    row, other = {"zebra": 1, "apple": 2}, {"apple": 3}
    for found in ([row, other], [other, row]):
        extras = [each["extra"] for each in read(Reader(Entity.CAMPAIGNS), Entity.CAMPAIGNS, lines(found)) or []]
        assert sorted(extras) == ['{"apple":2,"zebra":1}', '{"apple":3}']


@pytest.mark.parametrize(
    "row",
    [
        {"name": None, "tags": [{"key": "a", "value": "b"}]},
        {"tags": [{"key": None}]},
        {"budgetCaps": {"budgetValue": None}, "name": None},
        {"budgetCaps": {"fresh": None}},
        {"fresh": None},
        {"budgetCaps": {"name": None}},
        {"amount": None, "name": None},
        {'na"me': None},
        {"tags": None, "fresh": {"name": None}},
        {"na me": None},
        {"na\tme": None, "name": '": null'},
    ],
)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" , ", " :  ")])
def test_fields_that_are_null(row: dict[str, Any], separators: tuple[str, str]) -> None:
    """Of a column they are like none; one that has no column, at any depth, is kept."""
    text = lines([row, {}], separators)
    found = read(Reader(Entity.CAMPAIGNS), Entity.CAMPAIGNS, text)
    assert found is None or found == in_columns(text.splitlines(), Entity.CAMPAIGNS)


def test_texts_that_look_like_fields_that_are_null() -> None:
    """In columns that are looked at they hide no field that nobody knows, whatever quotes and backslashes they hold."""
    reader = Reader(Entity.CAMPAIGNS)
    for row in ({"name": 1, "costType": 2}, {"name": 'x\\ ":null', "costType": '":null', "fresh": 7}):
        assert read(reader, Entity.CAMPAIGNS, lines([row])) == in_columns(lines([row]).splitlines(), Entity.CAMPAIGNS)
    assert reader._odd == {"name", "costType"}


@pytest.mark.parametrize(("learnt", "row"), [('"', {'x"': None}), ("fresh", {"fre sh": None}), ("", {'"': None})])
def test_a_null_whose_name_is_like_one_that_was_learnt(learnt: str, row: dict[str, Any]) -> None:
    """It is another name."""
    reader = Reader(Entity.CAMPAIGNS)
    assert read(reader, Entity.CAMPAIGNS, lines([{learnt: 1}])) is not None
    assert read(reader, Entity.CAMPAIGNS, lines([row])) == in_columns(lines([row]).splitlines(), Entity.CAMPAIGNS)


def test_more_names_than_are_learnt() -> None:
    """A text with too many is given back and nothing is learnt of it; one with few is read, and so are usual ones."""
    reader = Reader(Entity.CAMPAIGNS)
    most = reading._MOST_LEARNT
    names = [f"n{number}" for number in range(most + 1)]
    assert read(reader, Entity.CAMPAIGNS, lines([{name: 1} for name in names])) is None
    assert reader._unknown == set()
    assert read(reader, Entity.CAMPAIGNS, lines([dict.fromkeys(names[:most], 1)])) is not None
    assert read(reader, Entity.CAMPAIGNS, lines([{names[most]: 1}])) is None
    usual = [{"name": "a", names[0]: 1}, {}]
    assert read(reader, Entity.CAMPAIGNS, lines(usual)) == in_columns(lines(usual).splitlines(), Entity.CAMPAIGNS)


def test_more_looks_than_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many small rows with unknown names only fewer are read at once; how much memory they take has a bound."""
    monkeypatch.setattr(reading, "_MOST_LOOKS", 8)
    reader, row = Reader(Entity.CAMPAIGNS), {"a": 1, "b": 2}
    assert read(reader, Entity.CAMPAIGNS, lines([row] * 4)) is not None
    assert read(reader, Entity.CAMPAIGNS, lines([row] * 5)) is None
    assert read(reader, Entity.CAMPAIGNS, lines([{}] * 4)) is not None


@pytest.mark.parametrize("name", ["fresh", "tags", "name"])
def test_rows_that_nest_deeper_than_can_be_followed(name: str) -> None:
    """They are given back, not refused."""
    text = b'{"%s":%s1%s}\n' % (name.encode(), b"[" * 1_100, b"]" * 1_100)
    assert Reader(Entity.CAMPAIGNS).read(text, 1) is None


def test_usual_nulls_are_read_at_once() -> None:
    """An export that spells out what is not there is no slow one."""
    reader, text = Reader(Entity.CAMPAIGNS), lines([{"name": None, "endDate": None}, {"tags": []}, {"endDate": None}])
    assert read(reader, Entity.CAMPAIGNS, text) == in_columns(text.splitlines(), Entity.CAMPAIGNS)
    assert (reader._odd, reader._unknown) == (set(), set())


@pytest.mark.parametrize(("entity", "path"), PLACES)
def test_every_odd_value_in_every_kind_of_column(entity: Entity, path: str) -> None:
    """Both ways take the same for a date, a moment, a number, a text, a truth, a whole number and a list."""
    for value in ODD:
        text = lines([within(path, value)])
        found = read(Reader(entity), entity, text)
        assert found is None or found == in_columns(text.splitlines(), entity), value


NULS = ("\0", "1\0", "2023-05-30\0", {"a\0": 1}, ["\0"], [{"\0": None}])


def rows_with_nul() -> None:
    """Read U+0000 in every kind of column. Run as a program, because a mistake here ends the process."""
    for entity, path in PLACES:
        for value in NULS:
            text = lines([within(path, value), {"fresh\0": value}])
            found = tables_of(entity).of(text, 2).select(model_schema(entity).names)
            assert found.to_pylist() == in_columns(text.splitlines(), entity), value


def test_the_character_u0000_in_every_kind_of_column() -> None:
    """It ends no process, which Arrow's reader does when it refuses a value with one, and stands where it belongs."""
    told = [sys.executable, "-c", f"from {__name__} import rows_with_nul; rows_with_nul()"]
    root = Path(__file__).parents[2]
    ended = subprocess.run(told, cwd=root, check=False, capture_output=True, text=True)  # noqa: S603
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("escapes", [0, 1, 2, 3, 4, 9])
def test_the_character_u0000_behind_other_escapes(escapes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found behind few of them and behind many, and is not taken for there where it is not."""
    monkeypatch.setattr(reading, "_FEW", 3)
    reader, before = Reader(Entity.CAMPAIGNS), rb"\n" * escapes
    assert reader.read(b'{"name":"%s"}\n' % (before + rb"\u0000"), 1) is None
    assert reader.read(b'{"name":"%s"}\n' % (before + rb"\u0001 u0000"), 1) is not None


def test_a_block_with_u0000_teaches_nothing() -> None:
    """Its rows are fitted one by one; the blocks behind it are read at once, with no more columns to look at."""
    reader = Reader(Entity.CAMPAIGNS)
    assert reader.read(lines([{"fresh": 1}, {"startDate": "\0"}]), 2) is None
    assert (reader._odd, reader._unknown) == (set(), set())


def test_a_block_in_which_every_column_is_odd() -> None:
    """Nothing is left for Arrow to read; the rows are there all the same."""
    names = model_schema(Entity.CAMPAIGNS).names[:-1]
    text = lines([dict.fromkeys(names, True), {}])
    reader = Reader(Entity.CAMPAIGNS)
    for _ in range(2):
        assert read(reader, Entity.CAMPAIGNS, text) == in_columns(text.splitlines(), Entity.CAMPAIGNS)
    assert reader._odd == set(names)


def test_lines_that_are_no_rows_for_arrow() -> None:
    """Blanks between tokens are none of its business; where it counts other rows than the batch it is not believed."""
    reader = Reader(Entity.CAMPAIGNS)
    blank = reader.read(b'{"name":"a"} \n{"name":\r"b"}\n', 2)
    assert blank is not None
    assert blank[model_schema(Entity.CAMPAIGNS).names.index("name")].to_pylist() == ["a", "b"]
    assert reader.read(b"{} {}\n", 1) is None


def test_a_number_that_no_double_can_hold() -> None:
    """It costs its own place, and is kept as it was spelt."""
    text = b'{"budgetCaps":{"budgetType":"a","budgetValue":{"monetaryBudget":{"amount":1e400}}}}\n'
    assert read(Reader(Entity.CAMPAIGNS), Entity.CAMPAIGNS, text) == in_columns([text[:-1]], Entity.CAMPAIGNS)
