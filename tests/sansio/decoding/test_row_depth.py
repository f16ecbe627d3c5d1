"""How deep rows nest: the same as counting, at any size, for whole rows and beginnings."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport.sansio.decoding import row_depth
from asyncexport.sansio.decoding.row_depth import too_deep
from tests.sansio.decoding.test_row_ends import OBJECTS, depth, nest
from tests.support import steady


def highest(text: bytes) -> int:
    """Return the least limit that is not exceeded."""
    return next(limit for limit in range(len(text) + 1) if not too_deep(text, limit))


@steady
@given(OBJECTS, st.booleans(), st.integers(1, 40))
def test_depth_counts_brackets_outside_strings(row: dict[str, object], escaped: bool, block: int) -> None:
    """The depth of a row is that of its deepest bracket, however blocks lie to strings and escapes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_depth, "_BLOCK", block)
        assert highest(json.dumps(row, ensure_ascii=escaped).encode()) == depth(row)


@steady
@given(OBJECTS, st.data())
def test_depth_of_a_beginning_is_what_was_reached(row: dict[str, object], data: st.DataObject) -> None:
    """A row that is cut anywhere is as deep as its brackets before the cut, those in an open string left out."""
    text = json.dumps(row, ensure_ascii=False).encode()
    text = text[: data.draw(st.integers(0, len(text)))]
    reached = depth_now = at = 0
    inside = False
    while at < len(text):
        byte = text[at : at + 1]
        at += 2 if inside and byte == b"\\" else 1
        inside ^= byte == b'"'
        if not inside and byte in b"[{":
            depth_now += 1
        elif not inside and byte in b"]}":
            depth_now -= 1
        reached = max(reached, depth_now)
    assert highest(text) == reached


@pytest.mark.parametrize("text", [b'{"a":[[ "[[[[[', b'{"a":[[ "\\\\\\"[[[['])
def test_depth_of_a_beginning_does_not_count_an_open_string(text: bytes) -> None:
    """Brackets in a string that is still open are text."""
    assert highest(text) == 3


def test_too_deep_is_more_than_the_limit() -> None:
    """The limit itself is allowed, many brackets side by side are not depth."""
    for limit in (1, 2, 8, 9, 10, 64, 1000):
        assert not too_deep(nest(limit) if limit > 1 else b"{}", limit)
        assert too_deep(nest(limit + 1), limit)
    assert not too_deep(b'{"a":[' + b"[]," * 200 + b"[]]}", 64)


def test_depth_is_followed_from_block_to_block() -> None:
    """What one block leaves open counts in the next, and what it closes does not."""
    wide = b"[" + b"[{}]," * 40_000 + b"[{}]]"
    assert highest(wide) == 3
    assert too_deep(b"[" * 61 + wide + b"[" * 4, 64)
    assert not too_deep(b"[" * 61 + wide + b"]" * 61, 64)
