"""Where a row ends: proposals that are right for JSON, and cheap for anything."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport.sansio.decoding import row_ends
from asyncexport.sansio.decoding.row_ends import NOT_FOUND, _value_end, object_end, string_end
from tests.support import steady

TEXTS = st.text(alphabet='{}[],:"\\ aü😀', max_size=8)
SCALARS = st.none() | st.booleans() | st.integers() | TEXTS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3))
OBJECTS = st.dictionaries(TEXTS, VALUES, max_size=4)


def nest(levels: int) -> bytes:
    return b'{"a":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


def depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


@steady
@given(OBJECTS, st.sampled_from([None, 1]), st.booleans())
def test_the_end_of_any_object_is_found(row: dict[str, object], indent: int | None, escaped: bool) -> None:
    """Strings may hold brackets, quotes and backslashes; what follows does not matter."""
    text = json.dumps(row, indent=indent, ensure_ascii=escaped).encode()
    assert object_end(b",, " + text + b'},{"x":"', 3) == 3 + len(text)


@steady
@given(OBJECTS)
def test_no_end_is_found_in_a_proper_prefix(row: dict[str, object]) -> None:
    """An object that has not come in whole has no end."""
    text = json.dumps(row).encode()
    assert {object_end(text[:end], 0) for end in range(1, len(text))} <= {NOT_FOUND}


@pytest.mark.parametrize("levels", [1, 7, 8, 9, 10, 500, 100_000])
def test_nesting_has_no_limit_here(levels: int) -> None:
    """Shallow and deep objects end where they end; nothing recurses."""
    text = nest(levels) if levels > 1 else b"{}"
    assert object_end(text + b"]", 0) == len(text)
    assert object_end(text[:-1], 0) == NOT_FOUND


@steady
@given(TEXTS)
def test_the_end_of_any_string_is_found(text: str) -> None:
    """Escaped quotes do not end a string."""
    quoted = json.dumps(text).encode()
    assert string_end(b"[" + quoted + b',"', 1) == 1 + len(quoted)
    assert string_end(quoted[:-1], 0) == NOT_FOUND


def test_the_parser_says_where_an_object_ends() -> None:
    """What the parser of JSON at hand says of a value that something follows is understood, with blanks and without."""
    assert _value_end(b'[{"a":"}"},{"a":1}]', 1) == 10
    assert _value_end(b'{"a":1} \r\n\t]', 0) == 7
    assert _value_end(b'{"a":1}', 0) == 7
    assert _value_end(b'{"a":1', 0) == NOT_FOUND


@pytest.mark.parametrize("text", [b'{"a":x},{}', b'{"a":[}},{}', nest(100_000) + b",{}"])
def test_damage_and_depth_are_left_to_the_brackets(text: bytes) -> None:
    """Where the parser refuses or gives up, brackets are counted: nothing is concluded from its refusal."""
    assert _value_end(text, 0) is None
    assert object_end(text, 0) == len(text) - 3


def test_a_parser_that_words_its_refusals_otherwise_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another version's words are not understood; ends are found all the same."""

    def other(_text: object) -> msgspec.Raw:
        raise msgspec.DecodeError("more follows at 7")

    monkeypatch.setattr(row_ends, "_value", other)
    assert object_end(b'{"a":1},{}', 0) == 7
    assert object_end(b'{"a":1', 0) == NOT_FOUND
