"""Rows that are handed on together: their text, or the objects, and on demand the other.

Text is the truth: it holds every row as the API spelt it, value for value, one line a row. A sink that stores text
never builds an object; one that needs objects asks :meth:`Batch.rows`, which never changes a number silently: integers
are exact, whatever their size. A number that no double can hold is refused, and an integer of more digits than the
interpreter converts (4,300 unless told otherwise: its time grows with the square of them).

While one very large row is built the garbage collector rests: nothing of it can be garbage yet, and looking for some,
again and again over all that is there, took nine tenths of the time.
"""

from __future__ import annotations

import gc
import json
import math
import re
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import msgspec
import orjson

from asyncexport.errors import JsonSyntax

_MANY_DIGITS = re.compile(rb"[0-9]{19}")
_BREAKS = b"\r\n"
_LARGE = 1024 * 1024

_raw_rows: Callable[[bytes], list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw]).decode
_rows: Callable[[bytes], list[dict[str, Any]]] = msgspec.json.Decoder(dict[str, Any]).decode_lines


class Batch:
    r"""Some whole rows of one export.

    ``text`` is UTF-8, one JSON object a line, each line ended by ``\n``; ``count`` is the number of lines, at least 1;
    ``first`` is the number of rows of the export that came before.
    """

    __slots__ = ("_array", "_built", "_text", "count", "first")

    def __init__(self, text: bytes, count: int, first: int = 0) -> None:
        self.count = count
        self.first = first
        self._text = text
        self._array = b""
        self._built: list[dict[str, Any]] | None = None

    @classmethod
    def built(cls, array: bytes, rows: list[dict[str, Any]], first: int = 0) -> Batch:
        """Make a batch of objects that were built from a JSON array; its text is made when it is asked for."""
        batch = cls(b"", len(rows), first)
        batch._array, batch._built = array, rows
        return batch

    @property
    def text(self) -> bytes:
        """The rows as they are spelt, a line each."""
        if self._array:
            lines = (bytes(row).translate(None, _BREAKS) for row in _raw_rows(self._array))
            self._text, self._array = b"\n".join(lines) + b"\n", b""
        return self._text

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Batch):
            return NotImplemented
        return (self.text, self.count, self.first) == (other.text, other.count, other.first)

    def __hash__(self) -> int:
        return hash((self.count, self.first))

    def __repr__(self) -> str:
        return f"<Batch of {self.count} rows, {self.first} before>"

    def rows(self) -> list[dict[str, Any]]:
        """Build the rows, anew at each call. Where a key stands twice, the last one wins.

        Raises :class:`JsonSyntax` for a number that no double can hold (1e400), and for an integer of more digits than
        the interpreter converts (:func:`sys.get_int_max_str_digits`).
        """
        if self._built is not None:
            rows, self._built = self._built, None
            return rows
        try:
            rows = _built(self.text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            rows = []
        if len(rows) == self.count:
            return rows
        return [parse_exact(line, row=self.first + at) for at, line in enumerate(self.text.splitlines())]


def _built(text: bytes) -> list[dict[str, Any]]:
    if len(text) < _LARGE or not gc.isenabled():
        return _rows(text)
    gc.disable()
    try:
        return _rows(text)
    finally:
        gc.enable()


def parse_exact(line: bytes, *, row: int | None = None) -> dict[str, Any]:
    """Parse one row so that integers of any size stay exact.

    Raises :class:`JsonSyntax` for what is not JSON and for the numbers that :meth:`Batch.rows` refuses.
    """
    try:
        if _MANY_DIGITS.search(line) is None:
            fast: dict[str, Any] = orjson.loads(line)
            return fast
        exact: dict[str, Any] = json.loads(
            line, parse_constant=_refuse_constant, parse_float=_finite, parse_int=_integer
        )
    except ValueError as error:
        reason = str(error) if isinstance(error, _NumberRefused) else "a value that is not JSON or no double can hold"
        raise JsonSyntax(f"row {row}: {reason}", row=row) from None
    return exact


class _NumberRefused(ValueError):
    pass


def _refuse_constant(word: str) -> NoReturn:
    raise _NumberRefused(f"{word} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise _NumberRefused("a number beyond the range of a double")
    return value


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        limit = sys.get_int_max_str_digits()
        raise _NumberRefused(f"an integer of more than {limit:,} digits, which Python does not convert") from None
