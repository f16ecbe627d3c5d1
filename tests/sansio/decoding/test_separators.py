"""What stands between rows: proposals that are right for most exports, and cheap for all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport.sansio.decoding.separators import NOT_FOUND, Separator, common_end, common_start
from tests.support import steady


def learnt(text: bytes | bytearray, *ends: int) -> Separator:
    separator, start = Separator(), 0
    for end in ends:
        separator.learn(bytearray(text), start, end)
        start = end + 1
    return separator


def test_nothing_is_proposed_before_something_was_learnt() -> None:
    """A new separator has no mark to trust."""
    assert not Separator().trusted(0)


def test_what_stood_between_two_rows_is_looked_for_again() -> None:
    """The bytes from one row's end to the next row's first key propose the next ends."""
    text = bytearray(b'{"a":1} ,\n {"a":2} ,\n {"a":3} ,\n {"a":4}]')
    separator = learnt(text, 7)
    assert separator.trusted(11)
    first = separator.first(text, 12)
    assert text[11:first] == b'{"a":2}'
    assert text[first:].startswith(b' ,\n {"a":3}')
    assert text[first + separator.gap :].startswith(b'{"a":3}')
    assert separator.first(text, first) == first
    assert separator.first(text, first + 1) == first + 11


def test_the_last_end_is_found_when_there_is_none_far_enough() -> None:
    """What lies before a place where no proposal is can still be cut."""
    text = bytearray(b'{"a":1},{"a":2},{"a":3},{"b":4}')
    separator = learnt(text, 7)
    assert separator.first(text, 24) == NOT_FOUND
    assert separator.last(text, 8) == 15
    assert separator.last(text, 16) == NOT_FOUND


@pytest.mark.parametrize("between", [b"]", b',"a"', b",", b',{"a', b',{"a"', b"," + b" " * 300 + b'{"a":1'])
def test_what_is_cut_off_or_no_row_is_not_learnt(between: bytes) -> None:
    """Nothing is learnt from an end of the buffer, a string element or an odd gap."""
    assert repr(learnt(b"{}" + between, 2)) == "<Separator of 0 bytes>"


def test_empty_rows_have_a_separator() -> None:
    """A row without a key is told by its bracket."""
    text = bytearray(b"{},{},{}]")
    assert learnt(text, 2).first(text, 5) == 5


def test_after_a_wrong_proposal_nothing_is_proposed_until_its_end() -> None:
    """A proposal that was refuted costs its length once, not once a row."""
    text = bytearray(b'{"a":0},{"a":1},{"b":2},{"a":3}')
    separator = learnt(text, 7)
    separator.wrong(23)
    assert not separator.trusted(16)
    assert separator.trusted(24)
    separator.skip(30)
    assert not separator.trusted(29)


def test_after_a_wrong_proposal_the_mark_is_what_true_ends_have_in_common() -> None:
    """Rows that hold rows with the same first key are told apart by what stands around them."""
    row = b'{"a":[{"a":1},{"a":2}]}'
    text = bytearray(b",".join(row.replace(b"2", b"%d" % number) for number in range(10)))
    separator = learnt(text, 23)
    assert separator.first(text, 30) == 37
    separator.wrong(37)
    separator.learn(text, 24, 47)
    assert separator.first(text, 50) == 61
    separator.learn(text, 48, 71)
    assert separator.first(text, 74) == 95


def test_a_mark_that_misses_a_row_is_shortened() -> None:
    """Keys that differ leave what they have in common; new bytes are learnt only beyond what was searched."""
    text = bytearray(b'{"k1":1},{"k2":2},{"k3":3},{"k4":4}')
    separator = learnt(text, 8, 17)
    assert separator.first(text, 10) == NOT_FOUND
    text += b',{"k5":5},{"k6":6}'
    separator.learn(text, 27, 35)
    assert separator.first(text, 36) == 44


def test_a_mark_that_has_nothing_in_common_with_a_row_is_replaced() -> None:
    """Another gap between rows is another mark."""
    text = bytearray(b'{"a":1},{"a":2} , {"a":3}')
    separator = learnt(text, 7)
    text += b' , {"a":4}'
    separator.learn(text, 18, 25)
    assert separator.first(text, 9) == 15


def test_bytes_that_arrive_in_two_chunks_are_found() -> None:
    """A search that found nothing goes on where the bytes could have begun."""
    text = bytearray(b'{"a":1},{"a":2},{"a":3},{"')
    separator = learnt(text, 7)
    assert separator.first(text, 16) == NOT_FOUND
    text += b'a":4}'
    assert separator.first(text, 16) == 23


def test_offsets_follow_the_buffer() -> None:
    """When the buffer loses its front, search, distrust and learning go on at the same places."""
    text = bytearray(b'{"a":1},{"a":2},{"a":3}, {"b":4}')
    separator = learnt(text, 7)
    separator.skip(20)
    assert separator.first(text, 23) == NOT_FOUND
    text += b',{"a":5}'
    del text[:16]
    separator.dropped(16)
    assert not separator.trusted(3)
    assert separator.trusted(4)
    assert separator.first(text, 7) == 16
    separator.learn(text, 0, 7)
    assert separator.first(text, 7) == 16


@steady
@given(st.binary(max_size=8), st.binary(max_size=8), st.binary(max_size=8))
def test_common_bytes_are_the_longest(start: bytes, one: bytes, two: bytes) -> None:
    """Both have them, and one byte more only if it differs."""
    common = common_start(start + one, start + two)
    assert (start + one).startswith(common)
    assert (start + two).startswith(common)
    assert len(common) >= len(start)
    assert common_end((start + one)[::-1], (start + two)[::-1]) == common[::-1]
    following = (start + one)[len(common) : len(common) + 1], (start + two)[len(common) : len(common) + 1]
    assert following[0] != following[1] or following == (b"", b"")
