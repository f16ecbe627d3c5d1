"""Where a row ends: proposals that are right for JSON, and cheap for anything."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport.sansio.row_ends import NOT_FOUND, Guess, depth_of, object_end, string_end, too_deep
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


def test_nothing_is_guessed_before_something_was_learnt() -> None:
    """A new guess proposes nothing."""
    assert Guess().end(bytearray(b'{"a":1},{"a":2}'), 0) == NOT_FOUND


def test_what_stood_between_two_rows_is_looked_for_again() -> None:
    """The bytes from one row's end to the next row's first key propose the next end."""
    text = bytearray(b'{"a":1} ,\n {"a":2} ,\n {"a":3}]')
    guess = Guess()
    guess.learn(text, 7)
    end = guess.end(text, 11)
    assert text[11:end] == b'{"a":2}'
    assert text[end + guess.gap :].startswith(b'{"a":3}')


@pytest.mark.parametrize("between", [b"]", b',"a"', b",", b',{"a', b',{"a"', b"," + b" " * 300 + b'{"a":1'])
def test_what_is_cut_off_or_no_row_is_not_learnt(between: bytes) -> None:
    """Nothing is learnt from an end of the buffer, a string element or an odd gap."""
    guess = Guess()
    guess.learn(bytearray(b"{}" + between), 2)
    assert repr(guess) == "<Guess 0 bytes, gap 0>"


def test_after_a_wrong_guess_nothing_is_guessed_until_its_end() -> None:
    """A proposal that was refuted costs its length once, not once a row."""
    text = bytearray(b'{"a":0},{"a":1},{"b":2},{"a":3}')
    guess = Guess()
    guess.learn(text, 7)
    end = guess.end(text, 8)
    assert text[8:end] == b'{"a":1},{"b":2}'
    guess.wrong(end)
    assert guess.end(text, 16) == NOT_FOUND
    assert guess.end(text, 24) == NOT_FOUND


def test_new_bytes_are_learnt_only_beyond_what_was_searched() -> None:
    """Rows that all begin differently do not cause a search each."""
    text = bytearray(b'{"a":1},{"b":2},{"c":3}, {"d":4}')
    guess = Guess()
    guess.learn(text, 7)
    guess.learn(text, 15)
    assert guess.gap == 1
    text += b', {"e":5}'
    guess.learn(text, 23)
    assert guess.gap == 1
    guess.learn(text, 32)
    assert guess.gap == 2


def test_the_same_bytes_again_change_nothing() -> None:
    """Learning what is known keeps what was searched."""
    text = bytearray(b'{"a":1},{"a":2},{"a":3}')
    guess = Guess()
    guess.learn(text, 7)
    text += b',{"a":4}'
    guess.learn(text, 23)
    assert guess.end(text, 8) == 15


def test_bytes_that_arrive_in_two_chunks_are_found() -> None:
    """A search that found nothing goes on where the bytes could have begun."""
    text = bytearray(b'{"a":1},{"a":2},{"a":3},{"')
    guess = Guess()
    guess.learn(text, 7)
    assert guess.end(text, 16) == NOT_FOUND
    text += b'a":4}'
    assert guess.end(text, 16) == 23


def test_offsets_follow_the_buffer() -> None:
    """When the buffer loses its front, search, distrust and learning go on at the same places."""
    text = bytearray(b'{"a":1},{"a":2},{"a":3}, {"b":4}')
    guess = Guess()
    guess.learn(text, 7)
    guess.wrong(15)
    text += b',{"a":5}'
    del text[:16]
    guess.dropped(16)
    assert guess.end(text, 0) == 16
    guess.learn(text, 7)
    assert guess.gap == 1
    text += b" , {}"
    guess.learn(text, 16)
    assert guess.gap == 1
    text += b" "
    guess.learn(text, 24)
    assert guess.gap == 3
