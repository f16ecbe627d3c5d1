"""Lines for COPY: every way of making them gives the same, no row is refused, and PostgreSQL is given what it takes."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asyncexport.models import Entity
from asyncexport.sansio.tabular import copying
from asyncexport.sansio.tabular.columns import EXTRA, MODELS, Scalar
from asyncexport.sansio.tabular.copying import DELIMITER, SPELT, Copying, columns_of
from asyncexport.sansio.tabular.fitting import fit_row
from tests.sinks.arrow.test_tables import almost_usual_rows, lines
from tests.sinks.tabular import lines_of
from tests.support import steady

_ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|[0-7]{3}|.)", re.DOTALL)
_CONTROLS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def unescaped(field: str) -> str:
    """Return what COPY reads, as its documentation says."""

    def one(found: re.Match[str]) -> str:
        code = found[1]
        if len(code) == 3:
            return chr(int(code[1:], 16) if code[0] == "x" else int(code, 8))
        return _CONTROLS.get(code, code)

    return _ESCAPE.sub(one, field)


def value_of(name: str, field: str, entity: Entity) -> Any:
    """Return what the column of a name makes of a field."""
    if field == "null":
        return None
    text, column = unescaped(field), MODELS[entity].get(name)
    if column is Scalar.TEXT:
        return text
    if column is Scalar.MOMENT:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found
    return date.fromisoformat(text) if column is Scalar.DATE else json.loads(text)


def rows_of(copied: bytes, entity: Entity) -> list[dict[str, Any]]:
    """Return the rows that a table has after such lines were copied."""
    assert copied.endswith(b"\n")
    assert b"\r" not in copied
    return [
        {
            name: value_of(name, field, entity)
            for name, field in zip(columns_of(entity), line.split(DELIMITER), strict=True)
        }
        for line in copied.decode().split("\n")[:-1]
    ]


def copied(*rows: dict[str, Any] | bytes, entity: Entity = Entity.CAMPAIGNS) -> list[dict[str, Any]]:
    """Return rows as a table has them, without what is NULL."""
    spelt = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    found = rows_of(Copying(entity).of(b"".join(row + b"\n" for row in spelt)), entity)
    return [{name: value for name, value in row.items() if value is not None} for row in found]


@given(st.data())
@steady
def test_all_ways_agree(data: st.DataObject) -> None:
    """What is made of a piece at once is what rows give one by one: single values as elsewhere, the rest as sent."""
    entity = data.draw(st.sampled_from(Entity))
    separators = data.draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,", " : ")]))
    maker = Copying(entity)
    for _ in range(2):  # a second piece is made with what was learnt from the first
        text = lines(data.draw(almost_usual_rows(entity)), separators)
        slow = rows_of(b"".join(map(maker._one, text.split(b"\n")[:-1])), entity)
        fast = maker._at_once(text)
        assert fast is None or rows_of(fast, entity) == slow
        assert rows_of(maker.of(text), entity) == slow
        for line, row in zip(text.split(b"\n")[:-1], slow, strict=True):
            values, came = fit_row(line, MODELS[entity])[0], json.loads(line)
            for name, column in MODELS[entity].items():
                assert row[name] == (values.get(name) if isinstance(column, Scalar) else came.get(name))


@given(st.lists(st.text() | st.none(), min_size=1, max_size=4), st.booleans())
@example(["null", 'null"', '"null"', "\\null"], False)
@example(["\\", '\\"', '"', "\\u0041"], False)
@example(["\x1e\x1f\x1c\x1d", "\r\n\t\b\f\v"], True)
@example(["\u2028", "\U0001f600"], True)
def test_any_text(texts: list[str | None], ascii_only: bool) -> None:
    """A text comes out as it was, however JSON spells it, in a column of texts, in one of JSON, and in ``extra``."""
    rows = [{"name": text, "tags": [text], "fresh": {"x": text}} for text in texts]
    text = b"".join(json.dumps(row, ensure_ascii=ascii_only).encode() + b"\n" for row in rows)
    for row, found in zip(rows, rows_of(Copying(Entity.CAMPAIGNS).of(text), Entity.CAMPAIGNS), strict=True):
        if "\0" in (row["name"] or ""):
            assert json.loads(found[EXTRA][SPELT]["name"]) == row["name"]
        else:
            assert (found["name"], found["tags"], found[EXTRA]) == (row["name"], row["tags"], {"fresh": row["fresh"]})


@pytest.mark.parametrize("entity", Entity)
def test_what_the_emulator_sends_is_made_at_once(entity: Entity, monkeypatch: pytest.MonkeyPatch) -> None:
    """Usual rows, and rows with fields that no column is for, are never fitted one by one."""
    monkeypatch.setattr(Copying, "_one", None)
    text = b"".join(line + b"\n" for line in lines_of(entity) if b"\\u0000" not in line)
    assert len(rows_of(Copying(entity).of(text), entity)) == text.count(b"\n")


def test_nothing_nobody_sent_is_null() -> None:
    """A null and a field that is left out are NULL; a field that no column is for is kept, a null too."""
    assert copied(b'{"name":null,"tags" : null ,"fresh":null}', b"{}") == [{EXTRA: {"fresh": None}}, {}]


def test_a_text_that_is_the_word_for_null() -> None:
    """It is a text."""
    assert copied({"name": "null"}) == copied(b'{"name":"nul\\u006c"}') == [{"name": "null"}]


def test_what_does_not_fit_stands_in_extra() -> None:
    """As it was spelt; its column is NULL and the rest of the row is not. What fits a number's place as text does."""
    assert copied({"campaignId": 12, "state": {"a": 1}, "startDate": "2023-02-30", "costType": "CPC"}) == [
        {"campaignId": "12", "costType": "CPC", EXTRA: {"state": {"a": 1}, "startDate": "2023-02-30"}}
    ]
    assert copied(b'{"campaignId":123456789012345678901234567890,"name":1e400}')[0]["campaignId"] == (
        "123456789012345678901234567890"
    )


def test_what_postgres_cannot_hold_is_kept_as_it_was_spelt() -> None:
    """A field with U+0000 is NULL and stands in ``extra`` as a text of JSON, whatever it is; its neighbours stay."""
    row = b'{"campaignId":"1","name":"a\\u0000b","tags":[{"key":"\\u0000"}],"n\\u0000":1,"fresh":2}'
    spelt = {"name": '"a\\u0000b"', "tags": '[{"key":"\\u0000"}]', "n\\u0000": "1"}
    usual = b'{"campaignId":"2","name":"a\\\\u0000b"}'
    assert copied(row, usual) == [
        {"campaignId": "1", EXTRA: {"fresh": 2, SPELT: spelt}},
        {"campaignId": "2", "name": "a\\u0000b"},
    ]
    assert rb"\\u0000" not in Copying(Entity.CAMPAIGNS).of(row + b"\n").replace(rb"\\\\u0000", b"")


def test_a_field_that_is_named_as_ours() -> None:
    """It keeps its place beside those that are spelt, and stands among them where there are any."""
    assert copied({SPELT: 1}) == [{EXTRA: {SPELT: 1}}]
    assert copied({SPELT: [1], "name": "\0"}) == [{EXTRA: {SPELT: {"name": '"\\u0000"', SPELT: "[1]"}}}]


@pytest.mark.parametrize(
    ("spelling", "usual"),
    [
        ("2026-11-23T02:00:00+15:59", True),
        ("2026-12-16T02:00:00-15:59", True),
        ("0001-01-02T00:00:00+15:00", True),
        ("0001-01-01T00:00:00Z", True),
        ("2026-11-23T02:00:00+16:00", False),
        ("2026-11-23T02:00:00-2359", False),
        ("0001-01-01T00:00:00+10:00", False),
        ("9999-12-31T23:00:00-10:00", False),
    ],
)
def test_an_instant_far_from_utc(spelling: str, usual: bool) -> None:
    """It goes as it came only where PostgreSQL reads it and has the year; others are fitted, or are extra."""
    text = b'{"creationDateTime":"%b"}\n' % spelling.encode()
    assert (Copying(Entity.CAMPAIGNS)._at_once(text) is not None) is usual
    assert (EXTRA in copied(text.strip())[0]) is (spelling[:4] in {"0001", "9999"} and not usual)


@pytest.mark.parametrize(
    "spelling", ["2026-11-23t02:00:00Z", "2026-11-23T02:00:00z", "2026-11-23T02:00:00.1234567Z", "2026-11-23T24:00:00Z"]
)
def test_an_instant_that_is_none_for_the_other_sinks(spelling: str) -> None:
    """It is none here either."""
    assert copied({"creationDateTime": spelling}) == [{EXTRA: {"creationDateTime": spelling}}]


def test_one_row_that_does_not_fit_among_many() -> None:
    """Only its neighbours are fitted one by one, however large the piece."""
    usual = b'{"campaignId":"1","name":"usual"}\n'
    made: list[bytes] = []
    maker = Copying(Entity.CAMPAIGNS)
    one = maker._one

    def noted(line: bytes) -> bytes:
        made.append(line)
        return one(line)

    maker._one = noted  # type: ignore[method-assign]
    found = rows_of(maker.of(usual * 5_000 + b'{"name":true}\n' + usual * 5_000), Entity.CAMPAIGNS)
    assert len(found) == 10_001
    assert found[5_000][EXTRA] == {"name": True}
    assert len(made) <= copying._SMALLEST // len(usual) + 1


def test_a_row_that_does_not_fit_and_is_larger_than_the_smallest_piece() -> None:
    """There is nothing to cut; it is fitted as it is, and so are its neighbours."""
    text = "x" * 2 * copying._SMALLEST
    large = {"name": True, "fresh": text}
    assert copied(large) == [{EXTRA: large}]
    assert copied({"name": "a"}, large, {"name": "b"}) == [{"name": "a"}, {EXTRA: large}, {"name": "b"}]


@pytest.mark.parametrize("name", ["fresh", "tags", "name"])
def test_rows_that_nest_deeper_than_can_be_followed(name: str) -> None:
    """Each is kept as it was spelt, beside its neighbours."""
    deep = b"[" * 1_100 + b"1" + b"]" * 1_100
    first, second, _ = Copying(Entity.CAMPAIGNS).of(b'{"%s":%s}\n{"name":"b"}\n' % (name.encode(), deep)).split(b"\n")
    assert deep in first
    assert second == Copying(Entity.CAMPAIGNS).of(b'{"name":"b"}\n')[:-1]


def test_more_names_than_are_learnt() -> None:
    """What makes up names of its own costs time, not memory and no field; names that were learnt stay so."""
    maker = Copying(Entity.CAMPAIGNS)
    text = b"".join(b'{"name":"x","n%d":%d}\n' % (number, number) for number in range(200))
    assert rows_of(maker.of(b'{"old":0}\n'), Entity.CAMPAIGNS)[0][EXTRA] == {"old": 0}
    assert [row[EXTRA] for row in rows_of(maker.of(text), Entity.CAMPAIGNS)] == [{f"n{n}": n} for n in range(200)]
    assert repr(maker) == "<Copying that has learnt 1 names>"


def test_names_of_any_kind() -> None:
    """They are kept as they are, in rows that have all that were learnt and in rows that have some."""
    fields = {"100%": 1, "%b": 2, "ключ": 3, 'q"': 4, "learnt0": 5}
    for name, value in fields.items():
        assert copied({name: value}, {name: value, "more": 0}) == [
            {EXTRA: {name: value}},
            {EXTRA: {name: value, "more": 0}},
        ]
    assert copied(fields, fields) == [{EXTRA: fields}] * 2


def test_a_name_that_stands_twice() -> None:
    """The last one counts."""
    assert copied(b'{"name":"a","name":"b","fresh":1,"fresh":2}') == [{"name": "b", EXTRA: {"fresh": 2}}]


@pytest.mark.parametrize("entity", Entity)
def test_every_single_value_has_a_type(entity: Entity) -> None:
    """A model that gets a column of another type at the top of its rows is told here, not in the middle of a night."""
    kinds = {column for column in MODELS[entity].values() if isinstance(column, Scalar)}
    assert kinds <= copying._PROVED.keys()
    assert len(set(map(str.lower, columns_of(entity)))) == len(MODELS[entity]) + 1
