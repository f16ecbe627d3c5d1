"""Rows into columns: what fits, what goes into the extra column, and that nothing goes lost."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport.sansio.tabular.columns import Column, Fields, Many, Scalar
from asyncexport.sansio.tabular.fitting import Misfit, fit, fit_row
from tests.support import steady

ROW: Fields = {
    "campaignId": Scalar.TEXT,
    "amount": Scalar.NUMBER,
    "count": Scalar.INTEGER,
    "negative": Scalar.BOOLEAN,
    "at": Scalar.MOMENT,
    "on": Scalar.DATE,
    "bid": {"bid": Scalar.NUMBER, "currencyCode": Scalar.TEXT},
    "tags": Many({"key": Scalar.TEXT}),
    "reasons": Many(Scalar.TEXT),
}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["bid", "key", "new"]), inner),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("value", "column", "fitted"),
    [
        ("x", Scalar.TEXT, "x"),
        (144158449488730278, Scalar.TEXT, "144158449488730278"),
        (1, Scalar.NUMBER, 1.0),
        ("0.45", Scalar.NUMBER, 0.45),
        ("-1e3", Scalar.NUMBER, -1000.0),
        ("+.5", Scalar.NUMBER, 0.5),
        ("007.", Scalar.NUMBER, 7.0),
        ("30", Scalar.INTEGER, 30),
        ("3e1", Scalar.INTEGER, 30),
        ("9223372036854775807", Scalar.INTEGER, 2**63 - 1),
        (30.0, Scalar.INTEGER, 30),
        (-(2**63), Scalar.INTEGER, -(2**63)),
        (False, Scalar.BOOLEAN, False),
        ("2019-02-07T07:58:58Z", Scalar.MOMENT, datetime(2019, 2, 7, 7, 58, 58, tzinfo=UTC)),
        ("2023-05-30T18:51:03.759Z", Scalar.MOMENT, datetime(2023, 5, 30, 18, 51, 3, 759000, tzinfo=UTC)),
        ("2023-05-30T18:51:03.75", Scalar.MOMENT, datetime(2023, 5, 30, 18, 51, 3, 750000, tzinfo=UTC)),
        ("2023-05-30T20:51+0200", Scalar.MOMENT, datetime(2023, 5, 30, 18, 51, tzinfo=UTC)),
        ("2023-05-30", Scalar.MOMENT, datetime(2023, 5, 30, tzinfo=UTC)),
        ("2023-05-30", Scalar.DATE, date(2023, 5, 30)),
        (None, Scalar.DATE, None),
        (None, ROW["bid"], None),
        ([], Many(Scalar.TEXT), []),
        ([None], Many(Scalar.TEXT), [None]),
        ({}, ROW["bid"], {"bid": None, "currencyCode": None}),
    ],
)
def test_a_value_that_fits(value: object, column: Column, fitted: object) -> None:
    """What says the same thing in another way fits as well."""
    found = fit(value, column)
    assert (found, type(found)) == (fitted, type(fitted))


@pytest.mark.parametrize(
    ("value", "column"),
    [
        (1.5, Scalar.TEXT),
        (True, Scalar.TEXT),
        ({}, Scalar.TEXT),
        ("", Scalar.NUMBER),
        ("1,5", Scalar.NUMBER),
        ("1e999", Scalar.NUMBER),
        ("NaN", Scalar.NUMBER),
        pytest.param(10**309, Scalar.NUMBER, id="310 digits"),
        pytest.param(-(10**999), Scalar.NUMBER, id="1,000 digits"),
        (True, Scalar.NUMBER),
        ("3.5", Scalar.INTEGER),
        (2**63, Scalar.INTEGER),
        ("string", Scalar.INTEGER),
        (1e300, Scalar.INTEGER),
        (True, Scalar.INTEGER),
        (0, Scalar.BOOLEAN),
        ("true", Scalar.BOOLEAN),
        ("string", Scalar.MOMENT),
        (1700000000, Scalar.MOMENT),
        ("2023-02-30T00:00:00Z", Scalar.MOMENT),
        ("2023-02-20T24:00:00Z", Scalar.MOMENT),
        ("2023-05-30T18:51:03.7591234Z", Scalar.MOMENT),
        ("0001-01-01T00:00:00+01:00", Scalar.MOMENT),
        ("20230530", Scalar.DATE),
        ("2023-02-30", Scalar.DATE),
        (20230530, Scalar.DATE),
        ("x", Many(Scalar.TEXT)),
        ([], ROW["bid"]),
    ],
)
def test_a_value_that_does_not_fit(value: object, column: Column) -> None:
    """Nothing of it is kept in its column."""
    with pytest.raises(Misfit) as caught:
        fit(value, column)
    assert caught.value.rest is None


def test_a_new_field_within_a_field_hides_none_beside_it() -> None:
    """The columns keep what they are for, and the whole field stands in the extra column as it was spelt."""
    line = b'{"bid":{"bid": 1.50,"floor":2},"campaignId":"7","fresh":[1.0,{"a":null}]}'
    values, extra = fit_row(line, ROW)

    assert values == {"bid": {"bid": 1.5, "currencyCode": None}, "campaignId": "7"}
    assert extra == b'{"bid":{"bid": 1.50,"floor":2},"fresh":[1.0,{"a":null}]}'


def test_a_misfit_in_a_list_leaves_its_place_empty() -> None:
    """The other elements stay where they are."""
    values, extra = fit_row(b'{"tags":[{"key":"a"},5,{"key":true}]}', ROW)
    assert (values, extra) == ({"tags": [{"key": "a"}, None, {"key": None}]}, b'{"tags":[{"key":"a"},5,{"key":true}]}')


def test_a_number_beyond_every_double() -> None:
    """It costs its own field only, and is kept as it was spelt."""
    values, extra = fit_row(b'{"campaignId":"7","amount":1e999,"count":3}', ROW)
    assert (values, extra) == ({"campaignId": "7", "amount": None, "count": 3}, b'{"amount":1e999}')


@pytest.mark.parametrize("digits", [309, 1000])
def test_an_integer_beyond_every_double(digits: int) -> None:
    """So does one without a point or an exponent; one that a double can hold is held."""
    line = b'{"amount":%s,"bid":{"bid":%s}}' % (b"9" * digits, b"9" * 308)
    assert fit_row(line, ROW) == (
        {"amount": None, "bid": {"bid": 1e308, "currencyCode": None}},
        b'{"amount":%s}' % (b"9" * digits),
    )


@pytest.mark.parametrize("value", [b"[" * 1_100 + b"1" + b"]" * 1_100, b'{"a":' * 1_100 + b"1" * 20 + b"}" * 1_100])
def test_a_field_that_nests_deeper_than_parsers_follow(value: bytes) -> None:
    """It is kept as it was spelt, whether or not there is a column for it; its neighbours are in theirs."""
    for name in (b"fresh", b"campaignId", b"bid"):
        values, extra = fit_row(b'{"amount":1,"%s":%s,"count":3}' % (name, value), ROW)
        assert {key: held for key, held in values.items() if held is not None} == {"amount": 1.0, "count": 3}
        assert extra == b'{"%s":%s}' % (name, value)


def test_an_integer_beyond_64_bits() -> None:
    """No digit of it is lost."""
    assert fit_row(b'{"count":123456789012345678901234567890}', ROW) == (
        {"count": None},
        b'{"count":123456789012345678901234567890}',
    )


@pytest.mark.parametrize("digits", [19, 20, 30, 1000])
def test_an_id_that_lost_its_quotes(digits: int) -> None:
    """It keeps every digit, however many they are."""
    line = b'{"campaignId":%s,"amount":1}' % (b"1" * digits)
    assert fit_row(line, ROW) == ({"campaignId": "1" * digits, "amount": 1.0}, None)
    within, _ = fit_row(b'{"tags":[{"key":%s}]}' % (b"7" * digits), ROW)
    assert within == {"tags": [{"key": "7" * digits}]}


def test_a_number_of_more_digits_than_any_id() -> None:
    """It is not worth the time that converting it takes, and is kept as it was spelt."""
    values, extra = fit_row(b'{"campaignId":%s}' % (b"1" * 1001), ROW)
    assert (values, extra) == ({"campaignId": None}, b'{"campaignId":%s}' % (b"1" * 1001))


def test_a_key_that_stands_twice() -> None:
    """The last one counts, in a column as in the extra one."""
    assert fit_row(b'{"campaignId":"1","new":1,"campaignId":"2","new":2}', ROW) == ({"campaignId": "2"}, b'{"new":2}')


@given(st.dictionaries(st.sampled_from([*ROW, "new", 'q"uote']), JSON))
@steady
def test_nothing_is_lost(row: dict[str, Any]) -> None:
    """Whatever a row holds, each of its fields is null, equal in its column, or whole in the extra column."""
    values, extra = fit_row(json.dumps(row).encode(), ROW)
    rest = json.loads(extra or b"{}")

    for name, value in row.items():
        assert rest.get(name) == value or same(values.get(name), value, ROW.get(name))


def same(held: object, value: object, column: Column | None) -> bool:
    """Whether a column's value says what the row said."""
    if value is None or column is None:
        return held is None and column is not None
    if isinstance(column, Many):
        pairs = zip(held, value, strict=True)  # type: ignore[call-overload]
        return all(same(one, other, column.of) for one, other in pairs)
    if not isinstance(column, Scalar):
        assert isinstance(held, dict)
        assert isinstance(value, dict)
        return value.keys() <= column.keys() and all(same(held[name], value.get(name), column[name]) for name in column)
    if isinstance(held, date):
        return str(value).startswith(f"{held:%Y-%m-%d}"[:4])
    return held == value or str(held) == str(value) or (isinstance(value, str) and held == float(value))
