r"""Where a row ends: found by counting brackets, or guessed from what stood between the rows before.

Contract: an answer is a proposal. Whoever asks proves the row by parsing it alone; an object that parses alone and
stands where an element is due *is* that element, because JSON is read left to right without looking ahead.

Plan: :func:`object_end` jumps from bracket to bracket outside strings, in one stride where nesting is shallow.
:class:`Guess` remembers the exact bytes from one row's ``}`` to the next row's first key, ``},{"campaignId"``, and
looks for them again, which costs next to nothing. A string or a nested object may hold the same bytes; then the proof
fails and the brackets are counted.

Worst case: linear. A scan touches each byte once; a search for the same bytes never goes over a byte twice; after a
wrong guess nothing is guessed until its end has been passed; new bytes are learnt only beyond what was searched.
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

_BETWEEN = re.compile(rb'\}([ \t\n\r]{0,256},[ \t\n\r]{0,256})\{[ \t\n\r]{0,256}(?:"[^"\\]{0,64}"?)?')

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


class Guess:
    """The bytes between rows, learnt from the text itself. Offsets are in the buffer that is passed in."""

    __slots__ = ("_learn_from", "_mark", "_searched", "_trusted_from", "gap")

    def __init__(self) -> None:
        self.gap = 0
        self._mark = b""
        self._searched = 0
        self._learn_from = 0
        self._trusted_from = 0

    def __repr__(self) -> str:
        return f"<Guess {len(self._mark)} bytes, gap {self.gap}>"

    def end(self, text: bytearray, at: int) -> int:
        """Return where the row at ``at`` ends if the bytes stand behind it, or ``NOT_FOUND``."""
        if not self._mark or at < self._trusted_from:
            return NOT_FOUND
        found = text.find(self._mark, max(at, self._searched))
        if found < 0:
            self._searched = max(len(text) - len(self._mark) + 1, 0)
            return NOT_FOUND
        self._searched = found
        return found + 1

    def wrong(self, end: int) -> None:
        """Take note that no row ended at ``end``."""
        self._trusted_from = end

    def learn(self, text: bytearray, end: int) -> None:
        """Look at what stands behind the row that ends at ``end``, if it has come in whole."""
        if end < self._learn_from:
            return
        match = _BETWEEN.match(text, end - 1)
        if match is None or match.end() == len(text) or match[0] == self._mark:
            return
        self._mark, self.gap = match[0], len(match[1])
        self._searched, self._learn_from = end - 1, len(text)

    def dropped(self, count: int) -> None:
        """Take note that the buffer lost its first ``count`` bytes."""
        self._searched = max(self._searched - count, 0)
        self._learn_from = max(self._learn_from - count, 0)
        self._trusted_from = max(self._trusted_from - count, 0)
