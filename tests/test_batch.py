"""Batches: text as it is, objects on demand, no number changed in silence."""

from __future__ import annotations

import gc
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport import batch as module
from asyncexport.batch import Batch, parse_exact
from asyncexport.errors import JsonSyntax
from tests.support import steady

ROWS = st.dictionaries(
    st.text(alphabet="ab,\n\u2028", max_size=4),
    st.none()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(alphabet='\\"ü\r\n', max_size=9),
    max_size=4,
)


def batch(*rows: str, first: int = 0) -> Batch:
    return Batch("".join(row + "\n" for row in rows).encode(), len(rows), first)


@steady
@given(st.lists(ROWS, min_size=1, max_size=5))
def test_rows_are_what_the_standard_library_reads(rows: list[dict[str, Any]]) -> None:
    """Objects equal the standard library's, integers of any size and line breaks in strings included."""
    assert batch(*(json.dumps(row) for row in rows)).rows() == rows


@pytest.mark.parametrize("number", [2**63, 2**64, -(2**63) - 1, 10**18, 10**30, 123456789012345678901])
def test_integers_stay_exact(number: int) -> None:
    """An integer beyond 64 bits is not rounded to a double, and its neighbours are not affected."""
    (first, second) = batch(f'{{"id":{number},"bid":0.1}}', '{"id":1}').rows()
    assert first["id"] == number
    assert type(first["id"]) is int
    assert (first["bid"], second) == (0.1, {"id": 1})


def test_digits_in_strings_do_no_harm() -> None:
    """Long ids are text and come out as text."""
    assert batch('{"id":"144158449488730278123"}').rows() == [{"id": "144158449488730278123"}]


def test_the_last_of_equal_keys_wins() -> None:
    """The documented rule, on the fast and on the exact way."""
    assert batch('{"a":1,"a":2}').rows() == [{"a": 2}]
    assert batch('{"a":1,"a":12345678901234567890}').rows() == [{"a": 12345678901234567890}]


@pytest.mark.parametrize(
    "row", ['{"a":1e400}', '{"a":-1e400}', '{"a":1e400,"b":12345678901234567890}', '{"a":NaN,"b":12345678901234567890}']
)
def test_a_number_that_no_double_holds_is_refused_where_objects_are_built(row: str) -> None:
    """It is JSON, so it passes as text; as an object it would become infinity. The row is named."""
    with pytest.raises(JsonSyntax, match="row 8") as caught:
        batch('{"a":1}', row, first=7).rows()
    assert caught.value.row == 8


def test_an_integer_beyond_the_interpreters_digits_is_refused() -> None:
    """Converting it would take quadratic time; the error calls it what it is, and not a fault of the JSON."""
    rows = batch('{"a":1}', '{"a":' + "7" * 4300 + "}", '{"a":-' + "7" * 4301 + "}")
    with pytest.raises(
        JsonSyntax, match=r"^row 2: an integer of more than 4,300 digits, which Python does not convert$"
    ):
        rows.rows()


def test_a_row_alone_is_parsed_exactly() -> None:
    """One line, with and without digits that 64 bits do not hold."""
    assert parse_exact(b'{"a":1.5}') == {"a": 1.5}
    assert parse_exact(b'{"a":-123456789012345678901}') == {"a": -123456789012345678901}
    assert parse_exact(b'{"a":1.5,"b":12345678901234567890}') == {"a": 1.5, "b": 12345678901234567890}


def test_errors_hold_nothing_of_the_row() -> None:
    """The text of a row stays out of messages and of chained exceptions."""
    with pytest.raises(JsonSyntax) as caught:
        parse_exact(b'{"canary":"canary",}', row=1)
    assert "canary" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_batch_of_objects_has_text_as_well() -> None:
    """Whichever is asked for first, and however often; objects that were handed over are not handed over again."""
    array = b'[{"a":1},\n {"b":\n[2]}]'
    rows: list[dict[str, Any]] = [{"a": 1}, {"b": [2]}]
    one, two = Batch.built(array, rows, 7), Batch.built(array, rows, 7)
    assert one.rows() is rows
    assert one.rows() == rows
    assert one.rows() is not rows
    assert one.text == two.text == two.text == b'{"a":1}\n{"b":[2]}\n'
    assert two.rows() is rows
    assert (one.count, one.first, repr(one)) == (2, 7, "<Batch of 2 rows, 7 before>")


def test_batches_are_equal_by_what_they_hold() -> None:
    """Text, count and place; nothing else is a batch."""
    array = Batch.built(b'[{"a":1}]', [{"a": 1}])
    assert array == batch('{"a":1}')
    assert hash(array) == hash(batch('{"a":1}'))
    assert array != batch('{"a":1}', first=1)
    assert array != b'{"a":1}\n'


def test_lines_that_hold_more_than_one_row_are_refused() -> None:
    """A count that is not that of the lines is never evened out."""
    with pytest.raises(JsonSyntax):
        Batch(b'{"a":1} {"b":2}\n', 1).rows()


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("number", ["1", "1e400"])
def test_the_collector_rests_while_a_large_row_is_built(
    enabled: bool, number: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is as it was before, also when a number is refused; small rows leave it alone."""
    seen, real = [], module._rows

    def watched(text: bytes) -> list[dict[str, Any]]:
        seen.append(gc.isenabled())
        return real(text)

    monkeypatch.setattr(module, "_rows", watched)
    gc.enable() if enabled else gc.disable()
    try:
        for size in (10, 1 << 20):
            with suppress(JsonSyntax):
                batch('{"a":"' + "x" * size + f'","b":{number}}}').rows()
            assert gc.isenabled() is enabled
    finally:
        gc.enable()
    assert seen == [enabled, False]
