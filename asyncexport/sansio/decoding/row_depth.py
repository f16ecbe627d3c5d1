r"""How deep a row nests, without building it and without recursion.

Contract: :func:`too_deep` judges JSON, whole or the beginning of one, and counts brackets outside strings.

Plan: few brackets are never deep, and most rows have few. Otherwise block by block: what is neither quote nor bracket
is deleted; so are quotes side by side, in pairs, which changes for no bracket whether an odd number of quotes stands
before it, that is, whether it is text; then whole strings that hold brackets; and then brackets side by side, a level a
round, until what is left first goes only down and then only up. Each step is one call into the interpreter's own C.
Only where the sum of these bounds is beyond the limit, or after many rounds, levels are followed bracket by bracket.

Worst case: linear: some nanoseconds a byte, a few tens for a byte that is a bracket. Memory is a block.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate
from typing import Final

_BLOCK: Final = 65_536
_ROUNDS: Final = 8

_NO_OPENING = bytes(set(range(256)) - set(b"[{"))
_AS_BRACES = bytes.maketrans(b"[]", b"{}")
_NEITHER_QUOTE_NOR_BRACKET = bytes(set(range(256)) - set(b'"[]{}'))
_STRING_OR_OPEN_ONE = re.compile(rb'"[^"]*+(?:"|\Z)')
_STEPS = bytes.maketrans(b"{}", b"\x01\xff")


def too_deep(text: bytes | bytearray, limit: int) -> bool:
    """Return whether brackets nest deeper than ``limit`` in JSON, whole or the beginning of one."""
    return len(text.translate(None, _NO_OPENING)) > limit and _too_deep(text, limit)


def _too_deep(text: bytes | bytearray, limit: int) -> bool:
    depth = 0
    for braces in _braces(text):
        left, rounds = braces, 0
        while rounds < _ROUNDS and len(shorter := left.replace(b"{}", b"")) < len(left):
            left, rounds = shorter, rounds + 1
        closing, opening = left.count(b"}"), left.count(b"{")
        undecided = b"{}" in left or max(depth, depth - closing + opening) + rounds > limit
        if undecided and depth + _highest(braces) > limit:
            return True
        depth += opening - closing
    return False


def _braces(text: bytes | bytearray) -> Iterator[bytes]:
    """Yield the brackets outside strings, all of them as braces, for one block after the other."""
    inside = False
    for block in _blocks(text):
        marks = block.translate(_AS_BRACES, _NEITHER_QUOTE_NOR_BRACKET).replace(b'""', b"")
        if inside:
            marks = b'"' + marks
        inside = marks.count(b'"') % 2 == 1
        yield _STRING_OR_OPEN_ONE.sub(b"", marks) if b'"' in marks else marks


def _blocks(text: bytes | bytearray) -> Iterator[bytes]:
    """Yield the text without escaped quotes and backslashes; no escape is cut in two."""
    at = 0
    while at < len(text):
        block = bytes(text[at : at + _BLOCK])
        if (len(block) - len(block.rstrip(b"\\"))) % 2 == 1:
            block += text[at + _BLOCK : at + _BLOCK + 1]
        at += len(block)
        yield block.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in block else block


def _highest(braces: bytes) -> int:
    steps = braces.translate(_STEPS)
    return max(accumulate(memoryview(steps).cast("b")), default=0)
