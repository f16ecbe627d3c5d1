"""The fields of rows as they are spelt, cut out of the text without a value being built.

Contract: text is rows of JSON objects, a line each. A field is told by its name, however that is spelt; where a name
stands twice the last one counts. :func:`split_row` takes any depth; the others raise ``RecursionError`` for rows that
nest deeper than about a thousand levels.

Worst case: one pass over the text at about 1 GB/s, and an object for each field that is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Final, TypeAlias

import msgspec
import orjson

from asyncexport.sansio.decoding.row_ends import NOT_FOUND, STRING, object_end

PIECE: Final = 512 * 1024
"""Bytes of text that one step takes at most where steps keep the interpreter to themselves: a few milliseconds."""

Spelt: TypeAlias = Sequence[msgspec.Raw | None]
"""One field of each row, as it is spelt; None where the row has none."""

_UNNAMED = re.compile(r'["\\\x00-\x1f]')

_FIELD: Final = re.compile(rb"[ \t\r]*[{,][ \t\r]*(" + STRING + rb")[ \t\r]*:[ \t\r]*", re.DOTALL)
_SINGLE: Final = re.compile(STRING + rb"|[^][{}, \t\r]+", re.DOTALL)

_split_row: Callable[[bytes], dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_split_rows: Callable[[bytes], list[dict[str, msgspec.Raw]]] = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode_lines


def pieces(text: bytes, size: int) -> Iterator[bytes]:
    """Cut lines into pieces of at least ``size`` bytes, but for the last; each ends with a line."""
    start = 0
    while start < len(text):
        end = text.find(b"\n", start + size) + 1 or len(text)
        yield text[start:end]
        start = end


def split_row(line: bytes) -> dict[str, msgspec.Raw]:
    """Return the fields of one row, as they are spelt. Raises ``msgspec.DecodeError`` for what is none."""
    try:
        return _split_row(line)
    except RecursionError:
        return _split_deep(line)


def _split_deep(line: bytes) -> dict[str, msgspec.Raw]:
    """Return the fields of a row that nests deeper than msgspec follows: a thousand levels, less in deep calls."""
    found, at = {}, 0
    while at != NOT_FOUND and (field := _FIELD.match(line, at)) is not None:
        start = field.end()
        single = _SINGLE.match(line, start)
        at = object_end(line, start) if single is None else single.end()
        found[msgspec.json.decode(field[1], type=str)] = msgspec.Raw(line[start:at])
    if at == NOT_FOUND or line[at:].strip() != b"}":
        raise msgspec.DecodeError("JSON is malformed")
    return found


def names_in(text: bytes) -> set[str]:
    """Return the names of all fields of all rows."""
    names: set[str] = set()
    for piece in pieces(text, PIECE):
        names.update(*_split_rows(piece))
    return names


def columns_of(text: bytes, names: Sequence[str]) -> dict[str, Spelt]:
    """Return the named fields of all rows."""
    found: dict[str, list[msgspec.Raw | None]] = {name: [] for name in names}
    for rows in _rows_with(text, names):
        for name, column in zip(names, rows, strict=True):
            found[name] += column
    return dict(found)


def _rows_with(text: bytes, names: Sequence[str]) -> Iterator[Iterable[Iterable[msgspec.Raw | None]]]:
    """Yield for each piece of the text its columns."""
    if any(map(_UNNAMED.search, names)):
        for piece in pieces(text, PIECE):
            rows = _split_rows(piece)
            yield [[row.get(name) for row in rows] for name in names]
        return
    fields = {f"f{at}": name for at, name in enumerate(names)}
    kind = msgspec.defstruct("Row", [(field, msgspec.Raw, None) for field in fields], rename=fields, gc=False)
    decode = msgspec.json.Decoder(kind).decode_lines
    for piece in pieces(text, PIECE):
        found = decode(piece)
        yield [map(attrgetter(field), found) for field in fields]


def extra_text(fields: Mapping[str, msgspec.Raw]) -> bytes | None:
    """Return the fields as one JSON object by name, each value as it was spelt; None if there is none.

    The order is the names' own, so that a row has one text whatever rows it came with.
    """
    if not fields:
        return None
    return b"{" + b",".join(orjson.dumps(name) + b":" + bytes(spelt) for name, spelt in sorted(fields.items())) + b"}"


def extra_texts(columns: Mapping[str, Spelt]) -> Iterator[bytes | None]:
    """Yield for each row what :func:`extra_text` gives of its fields."""
    names = sorted(columns)
    heads = [orjson.dumps(name) + b":" for name in names]
    for row in zip(*(columns[name] for name in names), strict=True):
        fields = [head + bytes(spelt) for head, spelt in zip(heads, row, strict=True) if spelt is not None]
        yield b"{" + b",".join(fields) + b"}" if fields else None
