"""Whether a row is JSON: two judges that agree with a third, and the first fault by offset."""

from __future__ import annotations

import json
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport.errors import JsonEncoding, JsonSyntax
from asyncexport.sansio.decoding.row_proof import first_fault, is_json
from tests.support import steady

ROW = b'{"campaignId":"1","bid":1.25,"name":"\xc3\xbcber \\u00fc \\ud83d\\ude00","tags":[{"k":null},true,-0.5e-3]}'


def refuse(word: str) -> NoReturn:
    raise ValueError(word)


def oracle(text: bytes) -> bool:
    """Judge by the standard library alone, without any code of ours."""
    try:
        value = json.loads(text.decode(), parse_constant=refuse)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return False
    return True


def proved(text: bytes) -> bool:
    return is_json(text) or first_fault(text, depth=64, whole=True) is None


@pytest.mark.parametrize("number", ["1e400", "-1e400", "9" * 400, "1" * 5000, "-" + "1" * 5000, "1." + "1" * 5000])
def test_numbers_that_no_double_holds_are_json(number: str) -> None:
    """A number may have any size: as text it passes, whatever the interpreter's own limit of digits."""
    assert proved(b'{"a":%s}' % number.encode())


@steady
@given(st.data())
def test_mutations_are_judged_like_the_oracle(data: st.DataObject) -> None:
    """Replacing, inserting and deleting bytes: what the oracle takes is proved, and nothing else."""
    text = bytearray(ROW)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text) - 1))
        new = data.draw(
            st.sampled_from([b"", b'"', b"\\", b"{", b"]", b",", b"\n", b"\xff", b"0", b"u", b"\xed\xa0\x80"])
        )
        text[at : at + data.draw(st.integers(0, 1))] = new
    assert proved(bytes(text)) == oracle(bytes(text))


@pytest.mark.parametrize(
    ("text", "error", "offset"),
    [
        pytest.param(b'{"a":"\xff"}', JsonEncoding, 6, id="no UTF-8"),
        pytest.param(b'{"a":"\xc0\xaf"}', JsonEncoding, 6, id="overlong"),
        pytest.param(b'{"a":"\xed\xa0\x80"}', JsonEncoding, 6, id="a surrogate in UTF-8"),
        pytest.param(b'{"a":"\\ud800"}', JsonEncoding, 6, id="a high surrogate alone"),
        pytest.param(b'{"a":"\\udc00"}', JsonEncoding, 6, id="a low surrogate alone"),
        pytest.param(b'{"a":"\\\\\\ud800\\u0041"}', JsonEncoding, 8, id="a high surrogate behind a backslash"),
        pytest.param(b'{"a":"\\ud800\\ud800\\udc00"}', JsonEncoding, 6, id="a high surrogate before a pair"),
        pytest.param(b'{"a":1,}', JsonSyntax, None, id="a trailing comma"),
        pytest.param(b'{"a":1/**/}', JsonSyntax, 6, id="a comment"),
        pytest.param(b'{"a":\x00}', JsonSyntax, 5, id="a NUL"),
        pytest.param(b'{"a":"\n"}', JsonSyntax, 6, id="a raw line break in a string"),
        pytest.param(b'{"a":01}', JsonSyntax, 6, id="a leading zero"),
        pytest.param(b'{"a":+1}', JsonSyntax, 5, id="a plus sign"),
        pytest.param(b'{"a":\xa01}', JsonEncoding, 5, id="another kind of blank"),
        pytest.param(b'{"NaN":NaN}', JsonSyntax, 7, id="NaN"),
        pytest.param(b'{"a":-Infinity}', JsonSyntax, 5, id="Infinity"),
        pytest.param(b'{"\xff":1,}', JsonEncoding, 2, id="two faults: the first"),
        pytest.param(b'{"a":1 1,"b":"\xff"}', JsonSyntax, 7, id="two faults: the first, the other way round"),
    ],
)
def test_the_first_fault_is_named(text: bytes, error: type[Exception], offset: int | None) -> None:
    """Kind and byte offset of the first fault."""
    assert not is_json(text)
    fault = first_fault(text, depth=64, whole=True)
    assert fault is not None
    assert fault.error is error
    assert offset in {None, fault.offset}


@pytest.mark.parametrize("text", [b'{"a":"\\\\ud800"}', b'{"a":"\\ud83d\\ude00"}', b'{"a":"\\u00e9\\n"}'])
def test_whole_pairs_and_escaped_backslashes_are_no_fault(text: bytes) -> None:
    """Only half of a pair is a fault."""
    assert first_fault(text, depth=64, whole=True) is None


def test_no_beginning_of_a_good_row_has_a_fault() -> None:
    """Wherever a row is cut, what came in so far is not blamed for what has not."""
    for end in range(len(ROW)):
        assert first_fault(ROW[:end], depth=64, whole=False) is None


def test_damage_in_a_beginning_is_found() -> None:
    """A fault well before the cut is final."""
    fault = first_fault(b'{"a":x,"name":"a long text that has not come in whole', depth=64, whole=False)
    assert fault is not None
    assert (fault.error, fault.offset) == (JsonSyntax, 5)


@pytest.mark.parametrize("whole", [False, True])
def test_depth_is_bounded_before_anything_recurses(whole: bool) -> None:
    """A hundred thousand brackets are a fault, not a RecursionError."""
    text = b'{"a":' + b"[" * 100_000 + (b"]" * 100_000 + b"}" if whole else b"")
    fault = first_fault(text, depth=1024, whole=whole)
    assert fault is not None
    assert fault.error is JsonSyntax
    assert "1024" in fault.reason


def test_depth_beyond_the_interpreter_is_a_fault() -> None:
    """Where the interpreter cannot look as deep as it was allowed to, that is said."""
    text = b'{"a":' + b"[" * 150_000 + b"1e400" + b"]" * 150_000 + b"}"
    fault = first_fault(text, depth=200_000, whole=True)
    assert fault is not None
    assert "can be checked" in fault.reason
