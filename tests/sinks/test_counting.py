"""Fields counted without parsing: never fewer than there are, whatever texts and names hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport.sansio.spelling import columns_of
from asyncexport.sinks.counting import keys, keys_within, null_names, nulls, nulls_inside, nulls_within
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
    """All are counted, and those that hold something also where the nulls are taken off; every null one is named."""
    text = b"".join(json.dumps(row, separators=separators).encode() + b"\n" for row in rows)
    found = [each for row in rows for each in fields(row)]
    empty = [name for name, value in found if value is None]

    assert keys(text) >= len(found)
    assert keys(text) - nulls(text) >= len(found) - len(empty)
    assert nulls(text) >= len(empty) or keys(text) > len(found)
    plain = {name.encode() for name in empty if name.isalpha()}
    assert plain <= null_names(text).keys()


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


def test_names_of_nulls() -> None:
    """A name with a quote in it is none that anybody knows."""
    assert null_names(b'{"a":null,"b":1,"c": null}') == {b"a": 1, b"c": 1}
    assert null_names(rb'{"a\"b":null}') == {b'"b': 1}


def test_fields_of_a_column() -> None:
    """A row's field counts itself, and so does a null; what is within it is told apart from that."""
    text = b'{"a":{"b":1,"c":null}}\n{"a":null}\n{}\n{"a":2}\n'
    column = columns_of(text, ["a"])["a"]
    assert (keys_within(column), nulls_within(column), nulls_inside(column)) == (5, 2, {b"c": 1})
    assert (keys_within(column[1:]), nulls_within(column[1:]), nulls_inside(column[1:])) == (2, 1, {})
    assert (keys_within(column[2:]), nulls_within(column[2:]), nulls_inside(column[2:])) == (1, 0, {})
