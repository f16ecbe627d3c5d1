r"""Rows out of the text of one JSON array of objects, pushed in at any chunking.

Contract: every row comes out as it was spelt, one a line, in the order of the array; only raw line breaks between its
tokens (a pretty-printed export) are dropped. ``close()`` raises unless the array was closed and nothing but blanks
follows. What is no array of objects ends in a typed error with byte offset and row number, and nothing of the text.
An element that is a string holding an object is unwrapped: a public client of this API reads such files. Who says that
objects are wanted gets batches whose rows are built already, as a rule.

Plan: a state machine over what may stand between rows, and two ways over the rows. The fast one cuts some 64 KiB where
what stood between earlier rows stands again (:mod:`~asyncexport.sansio.decoding.separators`), and proves all rows of
the piece by parsing it (:mod:`~asyncexport.sansio.decoding.pieces`). Whatever is not proved goes the slow way, row by
row: the end is looked for (:mod:`~asyncexport.sansio.decoding.row_ends`), the row is parsed alone
(:mod:`~asyncexport.sansio.decoding.row_proof`), and faults are named there and only there. A batch ends with the first
row that ends 64 KiB or more behind where the batch begins, whichever way its rows went, so that batches depend on the
text alone and not on how it arrived. Batches of objects are pieces of about 32 KiB as they were cut, so that what is
built stays young for the garbage collector and in the cache.

Worst case: memory is one row of at most ``RowLimits.row`` bytes, one chunk and one batch. Time is linear: a row whose
end has not come is looked at again only when twice as much of it is there, and a piece that was not proved goes the
slow way to its end.

Source: RFC 8259.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

import orjson

from asyncexport.batch import Batch
from asyncexport.errors import BombLimit, DecodeError, JsonSyntax, JsonTruncated, RowTooLarge, UnexpectedShape
from asyncexport.sansio.decoding.pieces import line_of, lines_of, rows_of
from asyncexport.sansio.decoding.row_depth import too_deep
from asyncexport.sansio.decoding.row_ends import NOT_FOUND, object_end, string_end
from asyncexport.sansio.decoding.row_proof import first_fault, is_json
from asyncexport.sansio.decoding.separators import Separator

BATCH: Final = 65_536
OBJECTS: Final = 32_768
_LARGEST_PIECE = 4 * BATCH
_PATIENCE = 4_096
_DIAGNOSED = 65_536

_BLANKS = re.compile(rb"[ \t\r\n]*+")
_OTHER_VALUES = frozenset(b"[-0123456789tfn")


class _Expected(Enum):
    ARRAY = "an array"
    ROW_OR_END = "a row or the end of the array"
    ROW = "a row"
    COMMA = "a comma or the end of the array"
    END = "nothing more"


_ARRAY, _ROW_OR_END, _ROW, _COMMA, _END = _Expected


@dataclass(frozen=True, slots=True)
class RowLimits:
    """``row``: bytes of one row; ``depth``: levels of one row, itself included, at most 1,024; ``rows``: count."""

    row: int = 16 * 1024 * 1024
    depth: int = 64
    rows: int = 10**8


class Rows:
    """The push parser. Iterators it gave are read to their end before more is fed; bytes are never lost meanwhile."""

    def __init__(self, limits: RowLimits | None = None, *, objects: bool = False) -> None:
        self._limits = limits or RowLimits()
        self._objects = objects
        self._wanted = OBJECTS if objects else BATCH
        self._enough = OBJECTS // 2 if objects else 2 * BATCH
        self._buffer = bytearray()
        self._at = 0
        self._before = 0
        self._expected = _ARRAY
        self._separator = Separator()
        self._patience = _PATIENCE
        self._held: list[bytes] = []
        self._held_rows = 0
        self._held_from = 0
        self._ready: deque[Batch] = deque()
        self._count = 0

    @property
    def count(self) -> int:
        """Whole rows so far."""
        return self._count

    def __repr__(self) -> str:
        return f"<Rows {self._count} so far, expects {self._expected.value}>"

    def feed(self, data: bytes) -> Iterator[Batch]:
        """Take the next bytes of the text; return an iterator of the batches that became full.

        Iterating raises :class:`JsonSyntax`, :class:`JsonEncoding`, :class:`UnexpectedShape`, :class:`RowTooLarge` or
        :class:`BombLimit`, with the byte offset in the text and the number of whole rows before it.
        """
        self._buffer += data
        return self._batches(last=False)

    def close(self) -> list[Batch]:
        """State that the text ends here; return the batches that are left.

        Raises :class:`JsonTruncated` when the array is not closed, and what :meth:`feed` does.
        """
        batches = list(self._batches(last=True))
        if self._expected is not _END:
            raise self._fault(JsonTruncated, f"the text ends where {self._expected.value} was expected")
        self._end_batch()
        return [*batches, *self._ready]

    def _batches(self, *, last: bool) -> Iterator[Batch]:
        while self._step(last=last):
            while self._ready:
                yield self._ready.popleft()
        del self._buffer[: self._at]
        self._separator.dropped(self._at)
        self._before += self._at
        self._at = 0

    def _step(self, *, last: bool) -> bool:
        """Go over one element or many, or one mark between elements; return whether there was one."""
        expected = self._expected
        if expected is _ROW and not last and len(self._buffer) - self._at < self._patience:
            return False
        self._skip_blanks()
        if self._at == len(self._buffer):
            return False
        if expected is _ROW or expected is _ROW_OR_END:
            return self._element(last=last)
        if expected is _COMMA:
            self._separate()
        elif expected is _ARRAY:
            self._open_array()
        else:
            raise self._fault(JsonSyntax, "something follows the end of the array")
        return True

    def _skip_blanks(self) -> None:
        blanks = _BLANKS.match(self._buffer, self._at)
        self._at = blanks.end() if blanks else self._at

    def _open_array(self) -> None:
        byte = self._buffer[self._at]
        if byte == ord("["):
            self._at += 1
            self._expected = _ROW_OR_END
        elif byte == 0xEF:
            raise self._fault(JsonSyntax, "it begins with a byte order mark")
        elif byte == 0x1F:
            raise self._fault(JsonSyntax, "it is binary, like gzip inside gzip")
        elif byte in _OTHER_VALUES or byte in b'{"':
            raise self._fault(UnexpectedShape, "the top level is not an array")
        else:
            raise self._fault(JsonSyntax, "it does not begin like JSON")

    def _separate(self) -> None:
        byte = self._buffer[self._at]
        if byte not in b",]":
            raise self._fault(JsonSyntax, "neither a comma nor the end of the array follows the row")
        self._at += 1
        self._expected = _ROW if byte == ord(",") else _END

    def _element(self, *, last: bool) -> bool:
        byte = self._buffer[self._at]
        if byte == ord("{"):
            return self._object(last=last)
        if byte == ord('"'):
            return self._string(last=last)
        if byte == ord("]") and self._expected is _ROW_OR_END:
            self._at += 1
            self._expected = _END
            return True
        if byte in _OTHER_VALUES:
            raise self._fault(UnexpectedShape, "an element of the array is not an object")
        raise self._fault(JsonSyntax, "no row begins here")

    def _object(self, *, last: bool) -> bool:
        if self._expected is _ROW and self._separator.trusted(self._at):
            full = self._full_at(self._at)
            end = self._separator.first(self._buffer, full)
            if end == NOT_FOUND:
                if not last and len(self._buffer) - self._at < self._enough:
                    return False
                end = self._separator.last(self._buffer, self._at)
            if end != NOT_FOUND and self._piece(end, full):
                return True
        return self._single(last=last)

    def _piece(self, end: int, full: int) -> bool:
        """Take all rows up to ``end`` at once, if they are proved to be rows within the limits; return whether.

        ``end`` is where the separator was found, so a comma and the next row follow; ``full`` is where a batch ends.
        """
        size = end - self._at
        if size > min(_LARGEST_PIECE, self._limits.row):
            self._separator.skip(end)
            return False
        array = b"".join((b"[", memoryview(self._buffer)[self._at : end], b"]"))
        if (self._objects and self._take_objects(array)) or self._take_lines(array, end, full):
            self._at = end + self._separator.gap
            self._patience = min(self._wanted, self._enough)
            return True
        self._separator.wrong(end)
        return False

    def _take_objects(self, array: bytes) -> bool:
        rows = rows_of(array, self._limits.depth)
        if rows is None or self._count + len(rows) > self._limits.rows:
            return False
        self._end_batch()
        self._ready.append(Batch.built(array, rows, self._count))
        self._count += len(rows)
        return True

    def _take_lines(self, array: bytes, end: int, full: int) -> bool:
        lines = lines_of(array, self._limits.depth)
        if lines is None or self._count + len(lines.rows) > self._limits.rows:
            return False
        if end - len(lines.rows[-1]) <= full:
            self._hold(lines.text, self._at, end, count=len(lines.rows))
        else:
            before = self._at - 1
            for line, start, stop in lines.placed(array):
                self._hold(line, before + start, before + stop)
        return True

    def _full_at(self, start: int) -> int:
        """Return where the batch is full that a row which starts at ``start`` joins; as all offsets, in the buffer."""
        return self._wanted + (self._held_from - self._before if self._held else start)

    def _hold(self, lines: bytes, start: int, end: int, *, count: int = 1) -> None:
        """Add whole rows that stand from ``start`` to ``end``; only the last may fill the batch."""
        full_at = self._full_at(start)
        if not self._held:
            self._held_from = self._before + start
        self._held.append(lines)
        self._held_rows += count
        self._count += count
        if end >= full_at:
            self._end_batch()

    def _end_batch(self) -> None:
        if self._held:
            self._ready.append(Batch(b"".join(self._held), self._held_rows, self._count - self._held_rows))
            self._held, self._held_rows = [], 0

    def _single(self, *, last: bool) -> bool:
        if not self._worth_looking(last=last):
            return False
        end = object_end(self._buffer, self._at)
        if end == NOT_FOUND:
            return self._unfinished(last=last)
        row = self._cut(end)
        self._prove(row)
        self._accept(row, end)
        self._separator.learn(self._buffer, self._at, end)
        self._go_behind(end)
        return True

    def _string(self, *, last: bool) -> bool:
        if not self._worth_looking(last=last):
            return False
        end = string_end(self._buffer, self._at)
        if end == NOT_FOUND:
            return self._unfinished(last=last)
        quoted = self._cut(end)
        self._prove(quoted)
        row = orjson.loads(quoted).encode().strip(b" \t\r\n")
        if not row.startswith(b"{"):
            raise self._fault(UnexpectedShape, "an element of the array is a string that holds no object")
        self._prove(row)
        self._accept(row, end)
        self._go_behind(end)
        return True

    def _worth_looking(self, *, last: bool) -> bool:
        return last or len(self._buffer) - self._at >= self._patience

    def _cut(self, end: int) -> bytes:
        if end - self._at > self._limits.row:
            raise self._fault(RowTooLarge, f"the row is larger than {self._limits.row} bytes")
        return bytes(memoryview(self._buffer)[self._at : end])

    def _go_behind(self, end: int) -> None:
        self._at = end
        self._expected = _COMMA

    def _prove(self, text: bytes) -> None:
        if is_json(text):
            return
        fault = first_fault(text, depth=self._limits.depth, whole=True)
        if fault is not None:
            raise self._fault(fault.error, fault.reason, ahead=fault.offset)

    def _accept(self, row: bytes, end: int) -> None:
        if too_deep(row, self._limits.depth):
            raise self._fault(JsonSyntax, f"nested deeper than {self._limits.depth} levels")
        if self._count == self._limits.rows:
            raise self._fault(BombLimit, f"there are more than {self._limits.rows} rows")
        self._hold(line_of(row), self._at, end)
        self._patience = _PATIENCE

    def _unfinished(self, *, last: bool) -> bool:
        """Judge an element whose end has not come: hopeless, too large, or worth waiting for (return False).

        Only its beginning is judged, and not again when all of that was there before.
        """
        available = len(self._buffer) - self._at
        if self._patience <= 2 * _DIAGNOSED:
            beginning = bytes(memoryview(self._buffer)[self._at : self._at + _DIAGNOSED])
            fault = first_fault(beginning, depth=self._limits.depth, whole=False)
            if fault is not None:
                raise self._fault(fault.error, fault.reason, ahead=fault.offset)
        if available > self._limits.row:
            raise self._fault(RowTooLarge, f"the row is larger than {self._limits.row} bytes")
        if last:
            raise self._fault(JsonTruncated, "the text ends inside a row")
        self._patience = min(2 * available, self._limits.row + 1)
        return False

    def _fault(self, error: type[DecodeError], reason: str, *, ahead: int = 0) -> DecodeError:
        offset = self._before + self._at + ahead
        return error(f"byte {offset}, row {self._count}: {reason}", offset=offset, row=self._count)
