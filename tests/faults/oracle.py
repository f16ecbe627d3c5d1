"""What the standard library says about an export's bytes: the second opinion of the fuzzers.

``gzip`` and ``json`` are slow, hold everything in memory and are laxer than the decoder in a few known places, which
:func:`judge` either evens out (NaN, lone surrogates, byte order marks) or names as excused.
"""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any, NoReturn

from asyncexport.errors import AsyncexportError, BombLimit, RowTooLarge, TrailingGarbage
from asyncexport.sansio.decoding.decode import Decoder
from asyncexport.sansio.decoding.gzip_header import MAGIC
from tests.support import feed_all, pieces_of

_STRICTER = ("nested deeper than", "its header")
"""What the decoder refuses and the standard library does not: depth, and oddities of a gzip header."""


def oracle(data: bytes) -> list[Any] | None:
    """Return the rows, or None for what is no export."""
    try:
        if data.startswith(MAGIC):
            data = gzip.decompress(data)
        value = _strict(data.decode())
        rows = [_strict(row) if isinstance(row, str) else row for row in value] if isinstance(value, list) else [None]
    except (ValueError, OSError, EOFError, zlib.error, RecursionError):
        return None
    return rows if all(isinstance(row, dict) for row in rows) else None


def decoded(data: bytes, step: int) -> list[Any] | AsyncexportError:
    """Return the rows by the decoder, fed in pieces of ``step`` bytes, or what it raises."""
    try:
        batches = feed_all(Decoder(), pieces_of(data, step))
    except AsyncexportError as error:
        return error
    return [_strict(line.decode()) for batch in batches for line in batch.text.splitlines()]


def judge(data: bytes, step: int) -> None:
    """Assert that the decoder and the standard library agree about ``data``."""
    ours, theirs = decoded(data, step), oracle(data)
    if isinstance(ours, AsyncexportError):
        assert theirs is None or _excused(ours, data), f"refused with {ours!r}, but it is {theirs!r}"
    else:
        assert ours == theirs, f"read as {ours!r}, but it is {theirs!r}"


def _excused(error: AsyncexportError, data: bytes) -> bool:
    if isinstance(error, BombLimit | RowTooLarge) or any(words in str(error) for words in _STRICTER):
        return True
    return isinstance(error, TrailingGarbage) and data.endswith(b"\0")


def _strict(text: str) -> Any:
    value = json.loads(text, parse_constant=_refuse)
    json.dumps(value, ensure_ascii=False).encode()
    return value


def _refuse(word: str) -> NoReturn:
    raise ValueError(word)
