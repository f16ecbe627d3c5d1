"""Rows that are handed on together: their text, and on demand the objects.

Text is the truth: it holds every row as the API spelt it, value for value, one line a row. A sink that stores text
never builds an object; one that needs objects asks :meth:`Batch.rows`, which never changes a number silently: orjson
turns integers beyond 64 bits into floats, so rows that hold 19 digits in a row are parsed by the standard library
instead. A number that no double can hold is refused, and an integer of more digits than the interpreter converts (4,300
unless told otherwise: its time grows with the square of them).
"""

from __future__ import annotations

import json
import math
import re
import sys
from dataclasses import dataclass
from typing import Any, NoReturn

import orjson

from asyncexport.errors import JsonSyntax

_MANY_DIGITS = re.compile(rb"[0-9]{19}")


@dataclass(frozen=True, slots=True)
class Batch:
    r"""Some whole rows of one export.

    ``text`` is UTF-8, one JSON object a line, each line ended by ``\n``; ``count`` is the number of lines, at least 1;
    ``first`` is the number of rows of the export that came before.
    """

    text: bytes
    count: int
    first: int = 0

    def rows(self) -> list[dict[str, Any]]:
        """Parse the rows. Where a key stands twice, the last one wins.

        Raises :class:`JsonSyntax` for a number that no double can hold (1e400), and for an integer of more digits than
        the interpreter converts (:func:`sys.get_int_max_str_digits`).
        """
        if _MANY_DIGITS.search(self.text) is None:
            try:
                rows: list[dict[str, Any]] = orjson.loads(b"[" + self.text[:-1].replace(b"\n", b",") + b"]")
            except orjson.JSONDecodeError:
                pass
            else:
                return rows
        return [parse_exact(line, row=self.first + at) for at, line in enumerate(self.text.splitlines())]


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
