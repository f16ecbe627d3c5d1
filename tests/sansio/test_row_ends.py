"""Where a row ends: proposals that are right for JSON, and cheap for anything."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport.sansio.row_ends import NOT_FOUND, depth_of, object_end, string_end, too_deep
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


@steady
@given(OBJECTS)
def test_depth_counts_brackets_outside_strings(row: dict[str, object]) -> None:
    """The depth of a row is that of its deepest bracket."""
    assert depth_of(json.dumps(row, ensure_ascii=False).encode()) == depth(row)


@pytest.mark.parametrize("text", [b'{"a":[[ "[[[[[', b'{"a":[[ "\\\\\\"[[[['])
def test_depth_of_a_beginning_does_not_count_an_open_string(text: bytes) -> None:
    """Brackets in a string that is still open are text."""
    assert depth_of(text) == 3


def test_too_deep_is_more_than_the_limit() -> None:
    """The limit itself is allowed, many brackets side by side are not depth."""
    assert not too_deep(nest(64), 64)
    assert too_deep(nest(65), 64)
    assert not too_deep(b'{"a":[' + b"[]," * 200 + b"[]]}", 64)
