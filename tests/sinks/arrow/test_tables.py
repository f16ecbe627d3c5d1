"""Rows as Arrow tables: both ways of making one give the same, and no row is refused."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport.emulator.records.data import rows
from asyncexport.emulator.world import World
from asyncexport.models import Entity, Filters
from asyncexport.sansio.tabular.columns import MODELS
from asyncexport.sinks.arrow import reading, tables
from asyncexport.sinks.arrow.schema import model_schema
from asyncexport.sinks.arrow.tables import Tables
from tests.sinks.support import order
from tests.sinks.tabular import in_columns
from tests.sinks.wild import Wild, faults_of
from tests.support import steady

SOME = st.integers(1, 3)
ODD: tuple[Any, ...] = (
    *(None, True, 0, -3, 2.5, 35.0, 2**63, 10**30, 1e300, "", "x", "30", "-1.5", "1e2", "1e999", "007"),
    *("2019-02-07T07:58:58Z", "2023-05-30T18:51:03.759Z", "2023-05-30 18:51", "2023-05-30T18", "2023-05-30T20:51+0200"),
    *("2023-05-30", "0000-01-01", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "2023-02-30", "20230530"),
    *("2023-05-30T24:00:00Z", "2023-05-30T18:51:03.7591234Z", "2023-05-30T18:51:60Z", "2023-05-30Z"),
    *(
        [],
        {},
        [1],
        ["a", None],
        {"bid": "1.5"},
        {"new": 1},
        [{"key": "a"}, 5],
        {"lookback": "30"},
        {"lookback": "30 d"},
    ),
    *({"productPriceLessThan": 1}, {"productPriceLessThan": "0.0", "more": [{}]}),
    *(
        'a "quote" \\ \u2028 \U0001f600',
        '":',
        '\\":null',
        ":null",
        " : null",
        "\\",
        10**18,
        2**53 + 1,
        -(10**20),
        "+1.",
    ),
    *(".5", "inf", {"a": None}, {"bid": None, "amount": None}, "1970", "0x1", "3e1"),
)
_WORLD = World.generate(seed=5, accounts=1, profiles=3, rows=2_000)
_PROFILE = max(_WORLD.profiles.values(), key=lambda profile: profile.campaigns)
_USUAL = {entity: list(rows(_PROFILE, entity, Filters().of(entity), _WORLD.seed))[:200] for entity in Entity}


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return every place in a row that holds something, as the container and the key in it."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [place for key in keys for place in ((value, key), *places(value[key]))]


@st.composite
def almost_usual_rows(draw: st.DrawFn, entity: Entity) -> list[dict[str, Any]]:
    """Draw rows as they are sent, most of them with at most one thing in them that is not usual."""
    found: list[dict[str, Any]] = [json.loads(draw(st.sampled_from(_USUAL[entity]))) for _ in range(draw(SOME))]
    for row in found:
        for _ in range(draw(st.sampled_from([0, 1, 1, 2]))):
            container, key = draw(st.sampled_from(places(row)))
            if isinstance(container, dict) and draw(st.booleans()):
                key = draw(st.sampled_from(["fresh", "extra", "account", "lookback", 'q"uote']))
            container[key] = deepcopy(draw(st.sampled_from(ODD)))
    return found


def tables_of(entity: Entity) -> Tables:
    usual = order()
    return Tables(replace(usual, job=replace(usual.job, entity=entity)))


def lines(found: list[dict[str, Any]], separators: tuple[str, str] = (",", ":")) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False, separators=separators).encode() + b"\n" for row in found)


@given(st.data())
@steady
def test_all_ways_agree(data: st.DataObject) -> None:
    """What is read at once is what the rows give one by one; hence a table does not hang on how text is cut."""
    entity = data.draw(st.sampled_from(Entity))
    separators = data.draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,", " : ")]))
    maker = tables_of(entity)
    for _ in range(2):  # a second block is read with what was learnt from the first
        found = data.draw(almost_usual_rows(entity))
        text = lines(found, separators)
        slow = maker._one_by_one(text).to_pylist()
        fast = maker._reader.read(text, len(found))
        assert fast is None or pa.Table.from_arrays(fast, schema=model_schema(entity)).to_pylist() == slow
        assert maker.of(text, len(found)).select(model_schema(entity).names).to_pylist() == slow


@pytest.mark.parametrize("entity", Entity)
def test_wild_rows_are_said_value_for_value(entity: Entity) -> None:
    """Each field is said by its column or stands whole in the extra one, and it does not hang on how a row is read."""
    model = MODELS[entity]
    wild = Wild(Random(entity.value), model)
    for _ in range(15):
        maker = tables_of(entity)
        for _ in range(3):  # the blocks that follow are read with what was learnt
            block = wild.block(20)
            text = b"".join(line + b"\n" for line in block)
            found = maker.of(text, len(block)).select(model_schema(entity).names).to_pylist()
            assert found == in_columns(block, entity)
            faults = [(line, list(faults_of(line, row, model))) for line, row in zip(block, found, strict=True)]
            assert not [(line, names) for line, names in faults if names]


def test_an_object_of_ids_for_a_row() -> None:
    """Names without end are each looked for in their own rows, not in all: time and memory grow with the text alone."""
    maker = tables_of(Entity.CAMPAIGNS)
    text = b"".join(b'{"id%d":%d}\n' % (number, number) for number in range(3_000))
    extra = maker.of(text, 3_000).column("extra").to_pylist()
    assert extra == [f'{{"id{number}":{number}}}' for number in range(3_000)]
    assert len(maker._reader._unknown) <= reading._MOST_LEARNT


def test_where_a_row_is_from_stands_in_its_columns() -> None:
    """The same in every row of an export; ids stay text."""
    (row,) = tables_of(Entity.ADS).of(b"{}\n", 1).select(range(7)).to_pylist()
    assert row == {
        "account": "acme",
        "region": "EU",
        "profile_id": "123",
        "entity": "ads",
        "snapshot": "night",
        "export_id": "export-1",
        "generated_at": datetime(2026, 11, 23, 2, tzinfo=UTC),
    }


def test_an_export_whose_time_is_not_told() -> None:
    """It is NULL, not a guess."""
    table = Tables(replace(order(), generated_at="")).of(b"{}\n", 1)
    assert table.column("generated_at").to_pylist() == [None]


def test_what_is_not_certain_is_cut_into_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large block only the smallest pieces with such rows are fitted one by one; the order stays."""
    monkeypatch.setattr(tables, "_SMALLEST", 200)
    fitted_slowly: list[int] = []
    one_by_one = Tables._one_by_one

    def counted(self: Tables, text: bytes) -> Any:
        fitted_slowly.append(text.count(b"\n"))
        return one_by_one(self, text)

    monkeypatch.setattr(Tables, "_one_by_one", counted)
    found = [b'{"campaignId":"%d"}\n' % number for number in range(1000)]
    found[700] = b'{"campaignId":"0","campaignId":"700","name":5}\n'
    table = tables_of(Entity.CAMPAIGNS).of(b"".join(found), 1000)

    assert table.column("campaignId").to_pylist() == [str(n) for n in range(1000)]
    assert table.column("name").to_pylist()[700] == "5"
    assert 0 < sum(fitted_slowly) < 20


def test_a_row_alone_that_is_larger_than_a_piece() -> None:
    """There is nothing to cut; it is fitted as it is."""
    text = b'{"name":"","name":["%s"]}\n' % (b"x" * 200_000)
    (row,) = tables_of(Entity.CAMPAIGNS).of(text, 1).to_pylist()
    assert (row["name"], len(row["extra"])) == (None, 200_013)


def test_rows_of_very_different_sizes() -> None:
    """A block that cannot be cut evenly is read all the same."""
    text = b'{"name":"a"}\n{"name":"","name":["%s"]}\n' % (b"x" * 200_000)
    assert tables_of(Entity.CAMPAIGNS).of(text, 2).column("name").to_pylist() == ["a", None]


def test_an_arrow_table_is_what_comes_out() -> None:
    """Sinks hand it on as it is."""
    assert isinstance(tables_of(Entity.ADS).of(b"{}\n", 1), pa.Table)
