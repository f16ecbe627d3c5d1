"""How many fields a text holds at any depth, told without parsing it, so that it can be proved that none was left out.

Contract: :func:`keys` is never fewer than there are, and no more but for texts that begin with a colon. So whoever has
that many of them in hand has all of them: there is none that nobody knows. :func:`nulls` tells how many of them are
null, and takes no more for one than :func:`keys` has taken for a field.

That is because a key ends with a quote that a colon follows, and outside of texts nothing else does. Within a text a
quote has a backslash before it. But so has the quote behind a key that ends with a backslash: where there are two
before a quote all are counted. A text that begins with a colon is counted once too much.

Plan: bytes are compared by Arrow, many at a time and without the interpreter's lock; nulls, which are seldom asked for,
are searched.

Worst case: some 2 ms for each MB.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from asyncexport.sansio.spelling import Spelt

Marks: TypeAlias = Any
"""A ``pyarrow.BooleanArray``: for each byte of a text whether it is one of that kind."""

_NULL: Final = b'":null'
_BLANKS: Final = b" \t\r"


def keys(text: bytes) -> int:
    """Return the number of fields, those that are null included."""
    codes = _codes(text)
    colons = _marks(codes, ":")
    if any(_before(_marks(codes, blank), colons).true_count for blank in _blanks_in(text)):
        codes = _codes(text.translate(None, _BLANKS))
        colons = _marks(codes, ":")
    ends = _before(_marks(codes, '"'), colons)
    if b"\\" not in text:
        return int(ends.true_count)
    escapes = _marks(codes, "\\")
    escaped = _before(escapes, ends)
    is_certain = not _before(escapes, escaped).true_count
    return int(ends.true_count - (escaped.true_count if is_certain else 0))


def nulls(text: bytes) -> int:
    """Return the number of fields that are null."""
    text = _closed_up(text)
    escaped = b"\\" + _NULL
    is_certain = b"\\" + escaped not in text
    return text.count(_NULL) - (text.count(escaped) if is_certain else 0)


def null_names(text: bytes) -> Counter[bytes]:
    """Return how often fields of which names, as they are spelt, are null; what is no name may be among them."""
    return Counter(map(_last_name, _closed_up(text).split(_NULL)[:-1]))


def keys_within(column: Spelt) -> int:
    """Return what :func:`keys` counts of the rows' field: itself, and all within it."""
    there = [spelt for spelt in column if spelt is not None]
    return len(there) + keys(b"".join(there))


def nulls_within(column: Spelt) -> int:
    """Return what :func:`nulls` counts of the rows' field: itself, and all within it."""
    text = b"".join(filter(None, column))
    if b"null" not in text:
        return 0
    return nulls(text) + sum(bytes(spelt) == b"null" for spelt in filter(None, column))


def nulls_inside(column: Spelt) -> Counter[bytes]:
    """Return what :func:`null_names` tells of what is within the rows' field, itself left out."""
    return null_names(b"".join(filter(None, column)))


def _codes(text: bytes) -> Any:  # noqa: ANN401 - a pyarrow.UInt8Array
    return pa.Array.from_buffers(pa.uint8(), len(text), [None, pa.py_buffer(text)])


def _marks(codes: Any, character: str) -> Marks:  # noqa: ANN401 - a pyarrow.UInt8Array
    return pc.equal(codes, pa.scalar(ord(character), pa.uint8()))


def _before(marks: Marks, others: Marks) -> Marks:
    """Return those marks that one of the others follows."""
    return pc.and_(marks.slice(0, max(len(others) - 1, 0)), others.slice(min(1, len(others))))


def _blanks_in(text: bytes) -> str:
    return "".join(blank for blank in _BLANKS.decode() if blank.encode() in text)


def _closed_up(text: bytes) -> bytes:
    """Return the text without blanks, but for one that has none."""
    return text.translate(None, _BLANKS) if _blanks_in(text) else text


def _last_name(text: bytes) -> bytes:
    before, quote, name = text.rpartition(b'"')
    return quote + name if before.endswith(b"\\") else name
