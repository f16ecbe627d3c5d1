r"""Where a row ends, found by counting brackets.

Contract: an answer is a proposal. Whoever asks proves the row by parsing it alone; an object that parses alone and
stands where an element is due *is* that element, because JSON is read left to right without looking ahead.

Plan: :func:`object_end` jumps from bracket to bracket outside strings, in one stride where nesting is shallow.

Worst case: linear. A scan touches each byte once.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Final

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

_UNESCAPED_STRING = re.compile(rb'"[^"]*+(?:"|\Z)')
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_NO_OPENING = bytes(set(range(256)) - _OPENING)


def object_end(text: bytes | bytearray, at: int) -> int:
    """Return the offset behind the bracket that closes the one at ``at``, or ``NOT_FOUND``.

    Which bracket closes which is not looked at.
    """
    shallow = _SHALLOW.match(text, at)
    return shallow.end() if shallow else _deep_end(text, at)


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


def too_deep(text: bytes | bytearray, limit: int) -> bool:
    """Return whether brackets nest deeper than ``limit`` in JSON, whole or the beginning of one."""
    return len(text.translate(None, _NO_OPENING)) > limit and depth_of(text) > limit


def depth_of(text: bytes | bytearray) -> int:
    """Return how deep brackets nest in JSON, whole or the beginning of one; no recursion, one pass a step."""
    bare = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    steps = _UNESCAPED_STRING.sub(b"", bare).translate(_STEPS, _NO_BRACKETS)
    return max(accumulate(memoryview(steps).cast("b")), default=0)
