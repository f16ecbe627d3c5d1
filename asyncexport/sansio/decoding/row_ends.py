r"""Where a row ends, and how deep it nests.

Contract: an end is a proposal. Whoever asks proves the row by parsing it alone; an object that parses alone and
stands where an element is due *is* that element, because JSON is read left to right without looking ahead.

Plan: msgspec reads one value at more than a gigabyte a second and says at which byte something follows it, which is
all it is asked for here. Where it says anything else (damage, nesting too deep for it, another wording in another
version) :func:`object_end` jumps from bracket to bracket outside strings, in one stride where nesting is shallow.

Worst case: linear. A scan touches each byte once or twice, and holds a block of 64 KiB.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import msgspec

NOT_FOUND: Final = -1

STRING: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_FLAT = rb'[^"{}\[\]]++|' + STRING
_TO_BRACKET = re.compile(rb"(?:" + _FLAT + rb")*+[{}\[\]]", re.DOTALL)
_WHOLE_STRING = re.compile(STRING, re.DOTALL)
_OPENING = frozenset(b"{[")


def _nested(levels: int) -> re.Pattern[bytes]:
    pattern = rb"(?!)"
    for _ in range(levels):
        pattern = rb"[{\[](?:" + _FLAT + rb"|" + pattern + rb")*+[}\]]"
    return re.compile(pattern, re.DOTALL)


_SHALLOW = _nested(8)

_BLANKS = b" \t\r\n"
_CUT_OFF = "Input data was truncated"
_FOLLOWED = re.compile(r"JSON is malformed: trailing characters \(byte ([0-9]+)\)")
_value: Callable[[bytes | bytearray | memoryview], msgspec.Raw] = msgspec.json.Decoder(msgspec.Raw).decode


def object_end(text: bytes | bytearray, at: int) -> int:
    """Return the offset behind the bracket that closes the one at ``at``, or ``NOT_FOUND``.

    Which bracket closes which is not looked at where the text is damaged.
    """
    end = _value_end(text, at)
    if end is not None:
        return end
    shallow = _SHALLOW.match(text, at)
    return shallow.end() if shallow else _deep_end(text, at)


def _value_end(text: bytes | bytearray, at: int) -> int | None:
    """Return what :func:`object_end` does as the parser tells it, or None if it does not."""
    end = len(text)
    with memoryview(text)[at:] as rest:
        try:
            _value(rest)
        except RecursionError:
            return None
        except msgspec.DecodeError as error:
            said = str(error)
            if said == _CUT_OFF:
                return NOT_FOUND
            followed = _FOLLOWED.fullmatch(said)
            if followed is None:
                return None
            end = at + int(followed[1]) - 1
    while text[end - 1] in _BLANKS:
        end -= 1
    return end


def _deep_end(text: bytes | bytearray, at: int) -> int:
    depth = 0
    while (match := _TO_BRACKET.match(text, at)) is not None:
        at = match.end()
        depth += 1 if text[at - 1] in _OPENING else -1
        if depth == 0:
            return at
    return NOT_FOUND


def string_end(text: bytes | bytearray, at: int) -> int:
    """Return the offset behind the quote that closes the one at ``at``, or ``NOT_FOUND``."""
    match = _WHOLE_STRING.match(text, at)
    return match.end() if match else NOT_FOUND
