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
building objects, and they are joined; only where line breaks stand in the array are they deleted, in the same stroke
that puts the new ones. What is left when all but opening brackets, ends of lines and bytes beyond ASCII is deleted
tells which rows may be too deep and which are not sure to be UTF-8. For rows, msgspec builds them for a type that
allows objects of so many levels of values and no more, which costs no more than building them freely; its integers are
exact.

Worst case: a piece is parsed twice, once to no avail. No parser at hand bounds the depth of text, and deleting is the
fastest look at every byte that Python has: it costs text a fifth of its time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from struct import Struct
from typing import Any, Final

import msgspec

from asyncexport.sansio.decoding.row_depth import too_deep

_BUILT_LEVELS: Final = 8
"""Objects of more levels are rare, and a type for more would be large: it doubles with each."""

_NOT_PROVED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_FOREIGN = bytes(range(128, 256))
_PLAIN = bytes(set(range(128)) - set(b"[{\n"))
"""What is deleted to see the rest: opening brackets, ends of lines, and bytes that must be judged as UTF-8."""

_BREAKS = b"\r\n"
_NUL_TO_BREAK = bytes.maketrans(b"\0", b"\n")
"""No row holds a NUL: it stands between them until their own breaks are gone."""

_OBJECTS = {(ord("{"),)}

_raw: Callable[[bytes], list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw]).decode
_first_byte = Struct("B").unpack_from


@dataclass(frozen=True, slots=True)
class Lines:
    """Rows as they are spelt: each as it stands in the array; and their text, without line breaks, a line each."""

    rows: list[msgspec.Raw]
    text: bytes

    def placed(self, array: bytes) -> Iterator[tuple[bytes, int, int]]:
        """Yield each row's line and where it begins and ends in the array."""
        end = 0
        for row, line in zip(self.rows, self.text.splitlines(keepends=True), strict=True):
            begin = array.index(b"{", end)
            end = begin + len(row)
            yield line, begin, end


def lines_of(array: bytes, depth: int) -> Lines | None:
    """Return the rows as text, if they are proved; ``depth`` is the most levels."""
    try:
        rows = _raw(array)
        if set(map(_first_byte, rows)) != _OBJECTS:
            return None
        if _has_breaks(array):
            text = b"\0".join([*rows, b""]).translate(_NUL_TO_BREAK, _BREAKS)
        else:
            text = b"\n".join([*rows, b""])
        marks = text.translate(None, _PLAIN).split(b"\n")
        if not array.isascii():
            _check_utf8(array, rows, marks)
    except _NOT_PROVED:
        return None
    return None if max(map(len, marks)) > depth and _too_deep(text, marks, depth) else Lines(rows, text)


def rows_of(array: bytes, depth: int) -> list[dict[str, Any]] | None:
    """Return the rows as objects, if they are proved and not deeper than ``depth`` or eight levels."""
    try:
        return _objects(min(depth, _BUILT_LEVELS))(array)
    except _NOT_PROVED:
        return None


def line_of(row: bytes) -> bytes:
    """Return one row as a line; its own raw line breaks, which stand only between tokens, are left out."""
    return (row.translate(None, _BREAKS) if _has_breaks(row) else row) + b"\n"


def _has_breaks(text: bytes) -> bool:
    return b"\n" in text or b"\r" in text


def _check_utf8(array: bytes, rows: list[msgspec.Raw], marks: list[bytes]) -> None:
    """Raise :class:`UnicodeDecodeError` unless all is UTF-8; rows whose marks are ASCII are."""
    foreign = [row for row, marked in zip(rows, marks, strict=False) if not marked.isascii()]
    for text in foreign if 2 * len(foreign) < len(rows) else [array]:
        str(text, "utf-8")


def _too_deep(text: bytes, marks: list[bytes], limit: int) -> bool:
    """Return whether a row is; only one with more opening brackets than that is looked at closely."""
    return any(
        len(marked) > limit and len(marked.translate(None, _FOREIGN)) > limit and too_deep(line, limit)
        for line, marked in zip(text.split(b"\n"), marks, strict=True)
    )


@cache
def _objects(levels: int) -> Callable[[bytes], list[dict[str, Any]]]:
    value: Any = str | int | float | bool | None
    for _ in range(levels - 1):
        value = str | int | float | bool | list[value] | dict[str, value] | None
    decoder: msgspec.json.Decoder[list[dict[str, Any]]] = msgspec.json.Decoder(list[dict[str, value]])
    return decoder.decode
