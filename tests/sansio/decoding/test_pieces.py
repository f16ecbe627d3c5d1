"""Pieces of rows: proved if and only if they are whole rows, and what is proved is what the standard library reads."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport.sansio.decoding.pieces import line_of, lines_of, rows_of
from tests.sansio.decoding.test_row_ends import depth
from tests.sansio.decoding.test_rows import ARRAYS, STYLES, dumps, oracle
from tests.support import steady


def text_of(array: bytes, levels: int = 64) -> list[Any] | None:
    lines = lines_of(array, levels)
    if lines is None:
        return None
    rows = lines.text.splitlines(keepends=True)
    for row, (line, begin, end) in zip(rows, lines.placed(array), strict=True):
        assert row == line == line_of(array[begin:end])
    assert len(rows) == len(lines.rows)
    return [json.loads(row) for row in rows]


@steady
@given(ARRAYS.filter(bool), st.sampled_from(STYLES), st.data())
def test_a_cut_is_proved_if_and_only_if_it_is_one_between_rows(
    rows: list[dict[str, Any]], style: dict[str, Any], data: st.DataObject
) -> None:
    """A piece from the beginning of a row to any closing brace: whole rows are proved, and nothing else is.

    Braces in strings, nested objects that look like rows, cuts within a pretty-printed row: a parse tells them all.
    """
    texts = [dumps([row], style)[1:-1].strip() for row in rows]
    between = data.draw(st.sampled_from([b",", b", ", b",\n", b" ,\r\n\t"]))
    text = between.join(texts)
    starts = [sum(map(len, texts[:at])) + at * len(between) for at in range(len(texts))]
    ends = {start + len(row): at + 1 for at, (start, row) in enumerate(zip(starts, texts, strict=True))}
    first = data.draw(st.integers(0, len(rows) - 1))
    for end in range(starts[first] + 1, len(text) + 1):
        if text[end - 1 : end] == b"}":
            expected = rows[first : ends[end]] if end in ends else None
            array = b"[" + text[starts[first] : end] + b"]"
            assert text_of(array) == expected
            assert rows_of(array, 64) == expected or max(map(depth, rows)) > 8


@steady
@given(ARRAYS.filter(bool), st.sampled_from(STYLES), st.data())
def test_a_damaged_piece_is_judged_like_the_oracle(
    rows: list[dict[str, Any]], style: dict[str, Any], data: st.DataObject
) -> None:
    """A byte replaced, inserted or deleted: proved only if the oracle reads the same; no string is unwrapped here."""
    text = bytearray(dumps(rows, style))
    at = data.draw(st.integers(1, len(text) - 2))
    new = data.draw(st.sampled_from([b"", b'"', b"\\", b"{", b"}", b"[", b"]", b",", b"\n", b"\xff", b"0", b"\\ud800"]))
    text[at : at + data.draw(st.sampled_from([0, 1]))] = new
    expected = oracle(bytes(text)) or None
    if expected is not None and expected != json.loads(text):
        expected = None
    assert text_of(bytes(text)) == expected
    assert rows_of(bytes(text), 64) == expected or max(map(depth, rows)) > 8


@pytest.mark.parametrize(
    "element", [b"1", b'"{}"', b"[{}]", b"null", b"true", b"-1", b'{"a":NaN}', b'{"a":"\xff"}', b'{"\xed\xa0\x80":1}']
)
def test_what_is_no_row_is_not_proved(element: bytes) -> None:
    """Each element is an object of good values, wherever it stands."""
    for array in (b"[" + element + b",{}]", b"[{}," + element + b",{}]", b"[{}," + element + b"]"):
        assert lines_of(array, 64) is None
        assert rows_of(array, 64) is None


@pytest.mark.parametrize("levels", [1, 2, 7, 8])
def test_levels_are_limited(levels: int) -> None:
    """As many as allowed are proved, one more is not; brackets side by side or in strings are no levels."""
    nested = b'[{"a":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}]" if levels > 1 else b'[{"a":1}]'
    deeper = b'[{"a":' + b"[" * levels + b"]" * levels + b"}]"
    objects = b'[{"a":' + b'{"b":' * levels + b"1" + b"}" * levels + b"}]"
    assert text_of(nested, levels) is not None
    assert rows_of(nested, levels) is not None
    for array in (deeper, objects):
        assert lines_of(array, levels) is None
        assert rows_of(array, levels) is None
    assert text_of(b'[{"a":"[[[[[[[["}]', levels) == rows_of(b'[{"a":"[[[[[[[["}]', levels) == [{"a": "[[[[[[[["}]
    assert text_of(b'[{"a":[[],[],[],[],[],[],[],[]]}]', max(levels, 3)) is not None


def test_more_levels_than_are_built_are_text() -> None:
    """Objects are built up to eight levels; text is proved up to the limit, and a thousand levels are no recursion."""
    nine = b'[{"a":' + b"[" * 8 + b"]" * 8 + b"}]"
    assert rows_of(nine, 64) is None
    assert text_of(nine) is not None
    assert lines_of(b'[{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}]", 64) is None


def test_numbers_are_exact_or_not_proved() -> None:
    """Integers of any size are built exactly; what no double holds is text alone."""
    big = 12345678901234567890123
    assert rows_of(b'[{"a":%d,"b":-%d,"c":1.5,"d":18446744073709551616}]' % (big, big), 64) == [
        {"a": big, "b": -big, "c": 1.5, "d": 2**64}
    ]
    for huge in (b"1e400", b"-1e400", b"7" * 5000):
        assert rows_of(b'[{"a":' + huge + b"}]", 64) is None
        lines = lines_of(b'[{"a":' + huge + b"}]", 64)
        assert lines is not None
        assert lines.text == b'{"a":' + huge + b"}\n"


def test_lines_have_no_line_breaks_of_their_own() -> None:
    """Breaks between tokens go, and nothing else does."""
    assert line_of(b'{"a":\r\n "\\n"}') == b'{"a": "\\n"}\n'
    lines = lines_of(b'[{"a":\r\n "\\n"}\n,\r{}]', 64)
    assert lines is not None
    assert lines.text == b'{"a": "\\n"}\n{}\n'


@pytest.mark.parametrize("foreign", [1, 3, 8])
def test_utf8_is_judged_in_rows_and_across_them(foreign: int) -> None:
    """Whether few rows hold other letters or most do: half a letter is not made whole by another half elsewhere."""
    rows = [b'{"a":"\xc3\xbc","b":[]}'] * foreign + [b'{"a":"u","b":[]}'] * (9 - foreign)
    assert text_of(b"[" + b",".join(rows) + b"]") == [json.loads(row) for row in rows]
    for bad in (b'{"a":"\xc3","b":"\xbc"}', b'{"a":"\xbc"}', b'{"a":"\xc3 \xbc"}'):
        assert lines_of(b"[" + b",".join([*rows, bad]) + b"]", 64) is None
    halves = [b'{"a":"\xc3"}', b'{"a":"\xbc"}']
    assert lines_of(b"[" + b",".join([*halves, *rows]) + b"]", 64) is None


def test_other_letters_are_no_levels() -> None:
    """A row of many bytes beyond ASCII is as deep as its brackets."""
    row = '{"a":["' + "ü" * 100 + '"]}'
    assert text_of(f"[{row}]".encode(), 2) == [json.loads(row)]
    assert lines_of(f"[{row}]".encode(), 1) is None
