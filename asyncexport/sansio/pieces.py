r"""Many rows at once: a piece of the array, proved and split by parsing it.

Contract: ``array`` is ``[`` + some text + ``]``, where the text begins where an element of the export's array is due
and ends in ``}``. The answer is its rows, or None for what was not proved, which is not yet a fault: the cut may have
been wrong, or a row holds what only the slow way judges. Every limit of a row but its size and number holds in what is
proved: an object, UTF-8, whole pairs of surrogates, not deeper than allowed, no NaN.

Why a parse is a proof: a parser of JSON goes from left to right, and what it has open after some text (arrays, objects,
a string) and what it expects next depend on that text alone. Behind the ``[`` that is put in front it stands where the
export's parser stands, but for taking ``]`` at once, and the text is not empty. So at the cut it has open what the
export's parser has open there. The ``]`` that is put behind and the end of input are taken only if that is the outer
array and nothing else, behind a whole element: a cut inside a string leaves the string open, one inside a nested value
leaves a bracket open, because one ``]`` closes one array. Thus the elements of all pieces, one after the other, are
the elements of the export. What the proof leaves to its caller: a comma behind the cut and an element behind that.

Plan: for text, msgspec takes the array to raw elements, each checked but not built, at several times the pace of
building objects. For rows, it builds them for a type that allows objects of so many levels of values and no more, which
costs no more than building them freely; its integers are exact. Memory of pieces of about 32 KiB stays in the cache,
and their objects stay young for the garbage collector.

Worst case: a piece is parsed twice, once to no avail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from struct import Struct
from typing import Any, Final

import msgspec

from asyncexport.sansio.row_ends import too_deep

_BUILT_LEVELS: Final = 8
"""Objects of more levels are rare, and a type for more would be large: it doubles with each."""

_NOT_PROVED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_ALL_BUT_OPENING_AND_BREAK = bytes(set(range(256)) - set(b"[{\n"))
_BREAKS = b"\r\n"
_OBJECTS = {(ord("{"),)}

_raw: Callable[[bytes], list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw]).decode
_first_byte = Struct("B").unpack_from


@dataclass(frozen=True, slots=True)
class Lines:
    """Rows as they are spelt, without line breaks: joined by line breaks; how many; the bytes of the last."""

    text: bytes
    count: int
    last: int


def lines_of(array: bytes, depth: int) -> Lines | None:
    """Return the rows as text, if they are proved; ``depth`` is the most levels."""
    try:
        rows = _raw(array)
        if not array.isascii():
            str(array, "utf-8")
    except _NOT_PROVED:
        return None
    if set(map(_first_byte, rows)) != _OBJECTS:
        return None
    text = joined(rows) if b"\n" in array or b"\r" in array else b"\n".join(rows)
    if _too_deep(text, depth):
        return None
    return Lines(text, len(rows), len(text) - text.rfind(b"\n") - 1)


def rows_of(array: bytes, depth: int) -> list[dict[str, Any]] | None:
    """Return the rows as objects, if they are proved and not deeper than ``depth`` or eight levels."""
    try:
        return _objects(min(depth, _BUILT_LEVELS))(array)
    except _NOT_PROVED:
        return None


def joined(rows: Iterable[bytes | msgspec.Raw]) -> bytes:
    """Return JSON texts a line each; their own raw line breaks, which stand only between tokens, are left out."""
    return b"\n".join(bytes(row).translate(None, _BREAKS) for row in rows)


def _too_deep(text: bytes, limit: int) -> bool:
    """Return whether a line is; only one with more opening brackets than that is looked at closely."""
    openings = text.translate(None, _ALL_BUT_OPENING_AND_BREAK).split(b"\n")
    return max(map(len, openings)) > limit and any(too_deep(line, limit) for line in text.split(b"\n"))


@cache
def _objects(levels: int) -> Callable[[bytes], list[dict[str, Any]]]:
    value: Any = str | int | float | bool | None
    for _ in range(levels - 1):
        value = str | int | float | bool | list[value] | dict[str, value] | None
    decoder: msgspec.json.Decoder[list[dict[str, Any]]] = msgspec.json.Decoder(list[dict[str, value]])
    return decoder.decode
