"""Rows as Arrow tables: every way of making one gives the same, and no row is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport.emulator.data import rows
from asyncexport.emulator.world import World
from asyncexport.models import Entity, Filters
from asyncexport.sinks import tables
from asyncexport.sinks.schema import schema_of
from asyncexport.sinks.tables import Tables
from tests.sinks.support import order
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
    'a "quote" \\ \u2028 \U0001f600',
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
            container[key] = draw(st.sampled_from(ODD))
    return found


def tables_of(entity: Entity) -> Tables:
    usual = order()
    return Tables(replace(usual, job=replace(usual.job, entity=entity)))


def lines(found: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in found)


@given(st.data())
@steady
def test_all_ways_agree(data: st.DataObject) -> None:
    """What Arrow reads at once is what the rows give one by one; hence a table does not hang on how text is cut."""
    entity = data.draw(st.sampled_from(Entity))
    found = data.draw(almost_usual_rows(entity))
    text, maker = lines(found), tables_of(entity)
    slow = maker._one_by_one(text)

    for spelling in (text, maker._quoted_number.sub(rb"\1\2", text)):
        for maker._unknown in (False, True):
            fast = maker._at_once(text, len(found), spelling)
            assert fast is None or fast.to_pylist() == slow.to_pylist()
    assert maker.of(text, len(found)).select(slow.schema.names).to_pylist() == slow.to_pylist()


def test_fields_without_a_column_have_one_order() -> None:
    """What a row's extra column says does not hang on which rows came before it in its block."""
    row, other = {"zebra": 1, "apple": 2}, {"apple": 3}
    for found in ([row, other], [other, row]):
        maker, text = tables_of(Entity.CAMPAIGNS), lines(found)
        fast = maker._at_once(text, 2, text)
        assert fast is not None
        assert fast.to_pylist() == maker._one_by_one(text).to_pylist()
        assert '{"apple":2,"zebra":1}' in fast.column("extra").to_pylist()


@pytest.mark.parametrize("entity", Entity)
def test_what_the_emulator_sends_is_read_at_once(entity: Entity) -> None:
    """Usual rows, numbers as text included, take the fast way."""
    found = [row for each in _WORLD.profiles.values() for row in rows(each, entity, Filters().of(entity), _WORLD.seed)]
    text, maker = b"".join(row + b"\n" for row in found), tables_of(entity)
    table = maker._at_once(text, len(found), maker._quoted_number.sub(rb"\1\2", text))

    assert table is not None
    assert table.equals(maker._one_by_one(text))
    assert maker.of(text, len(found)).schema.equals(schema_of(entity), check_metadata=True)


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


def test_a_row_that_does_not_fit_costs_its_neighbours_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large block is cut until only the pieces with misfits are fitted one by one; the order stays."""
    monkeypatch.setattr(tables, "_SMALLEST", 200)
    fitted_slowly: list[int] = []
    one_by_one = Tables._one_by_one

    def counted(self: Tables, text: bytes) -> Any:
        fitted_slowly.append(text.count(b"\n"))
        return one_by_one(self, text)

    monkeypatch.setattr(Tables, "_one_by_one", counted)
    text = lines([{"campaignId": str(n), "name": "n" if n != 700 else {"new": n}} for n in range(1000)])
    table = tables_of(Entity.CAMPAIGNS).of(text, 1000)

    assert table.column("campaignId").to_pylist() == [str(n) for n in range(1000)]
    assert [n for n, name in enumerate(table.column("name").to_pylist()) if name is None] == [700]
    assert table.column("extra").to_pylist()[700] == '{"name":{"new": 700}}'
    assert sum(fitted_slowly) < 20


def test_numbers_as_text_are_expected_once_they_were_met() -> None:
    """Only the first block of an export is tried as it is."""
    maker = tables_of(Entity.TARGETS)
    text = lines([{"targetDetails": {"lookback": "30"}}, {"targetDetails": {"lookback": 7}}])
    for _ in range(2):
        assert [row["lookback"] for row in maker.of(text, 2).column("targetDetails").to_pylist()] == [30, 7]
    assert maker._quoted


def test_a_row_alone_that_is_larger_than_a_piece() -> None:
    """There is nothing to cut; it is fitted as it is."""
    text = lines([{"name": ["x" * 200_000]}])
    (row,) = tables_of(Entity.CAMPAIGNS).of(text, 1).to_pylist()
    assert (row["name"], len(row["extra"])) == (None, 200_013)


def test_rows_of_very_different_sizes() -> None:
    """A block that cannot be cut evenly is read all the same."""
    text = lines([{"name": "a"}, {"name": ["x" * 200_000]}])
    assert tables_of(Entity.CAMPAIGNS).of(text, 2).column("name").to_pylist() == ["a", None]


def test_a_new_field_in_every_row() -> None:
    """It is refused once; then blocks are read with it: what fits in its place, the whole field in the extra column."""
    maker = tables_of(Entity.AD_GROUPS)
    text = lines([{"bid": {"defaultBid": 1.5, "floor": 1}, "fresh": {"a": None}}, {"bid": {"defaultBid": 2}}])
    for _ in range(2):
        table = maker.of(text, 2)
        assert [bid["defaultBid"] for bid in table.column("bid").to_pylist()] == [1.5, 2.0]
        assert [json.loads(each or "{}") for each in table.column("extra").to_pylist()] == [
            {"bid": {"defaultBid": 1.5, "floor": 1}, "fresh": {"a": None}},
            {},
        ]
    assert maker._unknown


@pytest.mark.parametrize(
    ("entity", "path"),
    [
        (Entity.CAMPAIGNS, "startDate"),
        (Entity.CAMPAIGNS, "creationDateTime"),
        (Entity.CAMPAIGNS, "budgetCaps.budgetValue.monetaryBudget.amount"),
        (Entity.TARGETS, "targetId"),
        (Entity.TARGETS, "negative"),
        (Entity.TARGETS, "targetDetails.lookback"),
        (Entity.TARGETS, "deliveryReasons"),
    ],
)
def test_every_odd_value_in_every_kind_of_column(entity: Entity, path: str) -> None:
    """Both ways take the same for a date, a moment, a number, a text, a truth, a whole number and a list."""
    for value in ODD:
        for name in reversed(path.split(".")):
            value = {name: value}  # noqa: PLW2901 - wrapped step by step
        text, maker = lines([value]), tables_of(entity)
        fast = maker._at_once(text, 1, text)
        assert fast is None or fast.to_pylist() == maker._one_by_one(text).to_pylist(), value


def test_lines_that_are_no_rows_for_arrow() -> None:
    """Blanks between tokens are none of its business; where it counts other rows than the batch it is not believed."""
    maker = tables_of(Entity.CAMPAIGNS)
    assert maker.of(b'{"name":"a"} \n{"name":\r"b"}\n', 2).column("name").to_pylist() == ["a", "b"]
    assert maker._at_once(b"{} {}\n", 1, b"{} {}\n") is None


def test_an_arrow_table_is_what_comes_out() -> None:
    """Sinks hand it on as it is."""
    assert isinstance(tables_of(Entity.ADS).of(b"{}\n", 1), pa.Table)
