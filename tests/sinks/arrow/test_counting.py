"""Fields counted without parsing: never fewer than there are, whatever texts and names hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport.sansio.tabular.spelling import columns_of
from asyncexport.sinks.arrow.counting import keys, keys_within, may_hold_nulls, nulls, nulls_within
from tests.support import steady

WORDS = st.text(st.sampled_from('a":\\ {}[],nul\t'), max_size=6) | st.sampled_from(["null", ": null", '":null', "\\"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)
SEPARATORS = st.tuples(st.sampled_from([",", ", ", " ,\t"]), st.sampled_from([":", ": ", " : ", "\t:", ":  "]))


def fields(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield every field of a value, at any depth."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield name, each
            yield from fields(each)
    elif isinstance(value, list):
        for each in value:
            yield from fields(each)


@given(st.lists(st.dictionaries(WORDS, VALUES, max_size=4), max_size=3), SEPARATORS)
@steady
def test_no_field_is_passed_over(rows: list[dict[str, Any]], separators: tuple[str, str]) -> None:
    """All are counted, also where the nulls are taken off; and no part makes up for a field that another one lacks."""
    parts = [json.dumps(row, separators=separators).encode() + b"\n" for row in rows]
    text = b"".join(parts)
    found = [each for row in rows for each in fields(row)]
    empty = [name for name, value in found if value is None]

    assert keys(text) >= len(found)
    assert keys(text) - nulls(text) >= len(found) - len(empty)
    assert nulls(text) in {0, len(empty)} or keys(text) > len(found)
    assert sum(map(keys, parts)) <= keys(text)
    if nulls(text):
        assert sum(keys(part) - nulls(part) for part in parts) <= keys(text) - nulls(text)


@pytest.mark.parametrize(
    ("text", "count", "empty"),
    [
        (b"", 0, 0),
        (b":", 0, 0),
        (b"{}\n", 0, 0),
        (b'{"a":1,"b":{"c":[{"d":null}]}}\n', 4, 1),
        (b'{"a" : 1, "b"\t: null, "c":\rnull}\n', 3, 2),
        (rb'{"a":"\"b\":null, {\"c\":5}"}', 1, 0),
        (b'{"a":"null","b": nullable}', 2, 1),
    ],
)
def test_usual_texts_are_counted_exactly(text: bytes, count: int, empty: int) -> None:
    """Blanks, quotes within texts and colons elsewhere change nothing."""
    assert (keys(text), nulls(text)) == (count, empty)


@pytest.mark.parametrize(
    "text", [rb'{"a\\":1,"b":"\":"}', rb'{"a":":b"}', rb'{"a\\":null,"b":"\":null"}', rb'{"a":":null"}']
)
def test_what_cannot_be_told_apart_is_counted(text: bytes) -> None:
    """A key that ends with a backslash looks like a quote within a text; a text may begin like what follows a key."""
    found = [value for _, value in fields(json.loads(text))]
    assert keys(text) > len(found)
    assert keys(text) - nulls(text) >= sum(value is not None for value in found)


@pytest.mark.parametrize(
    "text", [rb'{"a":null,"b":"\":null"}', rb'{"a\\":null}', rb'{"a":"x\\ \":null","b":"\": null"}']
)
def test_what_looks_like_a_null_within_a_text(text: bytes) -> None:
    """No null is taken off, for it may be one that was not counted as a field."""
    assert nulls(text) == 0


def test_fields_of_a_column() -> None:
    """A row's field counts itself, and so does a null; what is within it is told apart from that."""
    text = b'{"a":{"b":1,"c":null}}\n{"a":null}\n{}\n{"a":2}\n'
    column = columns_of(text, ["a"])["a"]
    assert (keys_within(column), nulls_within(column), may_hold_nulls(column)) == (5, 2, True)
    assert (keys_within(column[1:]), nulls_within(column[1:]), may_hold_nulls(column[1:])) == (2, 1, False)
    assert (keys_within(column[2:]), nulls_within(column[2:]), may_hold_nulls(column[2:])) == (1, 0, False)
