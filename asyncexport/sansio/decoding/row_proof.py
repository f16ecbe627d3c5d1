r"""Whether a row is JSON, and if not, where the first fault is.

Contract: msgspec is the fast judge and strict: no lone surrogates, no NaN; it does not look at UTF-8, so that is judged
beside it. Where nesting is too deep for it, orjson judges, which takes a thousand levels. It refuses one thing that
JSON allows, a number beyond a double (1e400); so when a judge refuses, :func:`first_fault` looks again by the standard
library's scanner and names the first fault by offset, with nothing of the text.

Worst case: a row is parsed at most twice. Depth is bounded by counting brackets first, so that recursion is never deep;
integers are never converted, so that millions of digits cost nothing.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NoReturn

import msgspec
import orjson

from asyncexport.errors import DecodeError, JsonEncoding, JsonSyntax
from asyncexport.sansio.decoding.row_depth import too_deep
from asyncexport.sansio.decoding.row_ends import STRING

_EDGE: Final = 16
"""Nothing that ends within so many bytes of a cut is a fault: the longest escape or literal may still go on."""

_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|\\[^u]"
    rb"|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})",
    re.DOTALL,
)
_check = msgspec.json.Decoder(msgspec.Raw).decode
_CONSTANT = re.compile(STRING + rb"|(?P<constant>NaN|-?Infinity)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and at which byte of the text that was looked at."""

    error: type[DecodeError]
    offset: int
    reason: str


def is_json(text: bytes) -> bool:
    """Return whether a fast judge takes ``text``; a refusal may be about a number that no double can hold."""
    try:
        _check(text)
        if not text.isascii():
            str(text, "utf-8")
    except RecursionError:
        return _is_deep_json(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def _is_deep_json(text: bytes) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def first_fault(text: bytes, *, depth: int, whole: bool) -> Fault | None:
    """Return the first fault of a row, or of the beginning of one (not ``whole``), or None."""
    if too_deep(text, depth):
        return Fault(JsonSyntax, 0, f"nested deeper than {depth} levels")
    end = len(text) + 1 if whole else len(text) - _EDGE
    return min(
        (fault for fault in _faults(text, whole=whole) if fault.offset < end),
        key=lambda fault: fault.offset,
        default=None,
    )


def _faults(text: bytes, *, whole: bool) -> Iterator[Fault]:
    try:
        codecs.utf_8_decode(text, "strict", whole)
    except UnicodeDecodeError as error:
        yield Fault(JsonEncoding, error.start, "bytes that are not UTF-8")
    if (lone := _first(_ESCAPE, "lone", text)) is not None:
        yield Fault(JsonEncoding, lone, "half of a surrogate pair")
    try:
        _SCANNER.decode(text.decode("latin-1"))
    except _Constant:
        yield Fault(JsonSyntax, _first(_CONSTANT, "constant", text) or 0, "NaN or Infinity, which JSON does not have")
    except json.JSONDecodeError as error:
        if whole or not error.msg.startswith("Unterminated string"):
            yield Fault(JsonSyntax, error.pos, error.msg.rstrip(": "))
    except RecursionError:
        yield Fault(JsonSyntax, 0, "nested deeper than can be checked")


def _first(pattern: re.Pattern[bytes], group: str, text: bytes) -> int | None:
    return next((match.start() for match in pattern.finditer(text) if match[group]), None)


class _Constant(ValueError):
    pass


def _refuse(_word: str) -> NoReturn:
    raise _Constant


def _skip(_digits: str) -> None:
    return None


_SCANNER = json.JSONDecoder(parse_constant=_refuse, parse_int=_skip, parse_float=_skip, strict=True)
