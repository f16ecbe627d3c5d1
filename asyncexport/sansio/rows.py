r"""Rows out of the text of one JSON array of objects, pushed in at any chunking.

Contract: every row comes out as it was spelt, one a line, in the order of the array; only raw line breaks between its
tokens (a pretty-printed export) are dropped. ``close()`` raises unless the array was closed and nothing but blanks
follows. What is no array of objects ends in a typed error with byte offset and row number, and nothing of the text.
An element that is a string holding an object is unwrapped: a public client of this API reads such files. Who says that
objects are wanted gets batches whose rows are built already, as a rule.

Plan: a state machine over what may stand between rows, and two ways over the rows. The fast one cuts some 32 KiB where
what stood between earlier rows stands again (:mod:`~asyncexport.sansio.separators`), and proves all rows of the piece
by parsing it (:mod:`~asyncexport.sansio.pieces`). Whatever is not proved goes the slow way, row by row: the end is
counted out (:mod:`~asyncexport.sansio.row_ends`), the row is parsed alone (:mod:`~asyncexport.sansio.row_proof`), and
faults are named there and only there. Batches hold about 32 KiB, so that what is built of them stays young for the
garbage collector and in the cache; where a batch of text ends depends on the text alone, not on how it arrived.

Worst case: memory is one row of at most ``RowLimits.row`` bytes, one chunk and one batch. Time is linear: a row whose
end has not come is looked at again only when twice as much of it is there, and a piece that was not proved goes the
slow way to its end.

Source: RFC 8259.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate
from typing import Final

import orjson

from asyncexport.batch import Batch
from asyncexport.errors import BombLimit, DecodeError, JsonSyntax, JsonTruncated, RowTooLarge, UnexpectedShape
from asyncexport.sansio.pieces import joined, lines_of, rows_of
from asyncexport.sansio.row_ends import NOT_FOUND, object_end, string_end, too_deep
from asyncexport.sansio.row_proof import first_fault, is_json
from asyncexport.sansio.separators import Separator

BATCH: Final = 32_768
_LARGEST_PIECE = 4 * BATCH
_PATIENCE = 4_096
_DIAGNOSED = 65_536

_BLANKS = re.compile(rb"[ \t\r\n]*+")
_OTHER_VALUES = frozenset(b"[-0123456789tfn")


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
        self._buffer = bytearray()
        self._at = 0
        self._before = 0
        self._expected = _Expected.ARRAY
        self._separator = Separator()
        self._patience = _PATIENCE
        self._held: list[bytes] = []
        self._held_size = 0
        self._between = 0
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
        if self._expected is not _Expected.END:
            raise self._fault(JsonTruncated, f"the text ends where {self._expected.value} was expected")
        if self._held:
            batches.append(self._take_batch([], 0))
        return batches

    def _batches(self, *, last: bool) -> Iterator[Batch]:
        while self._step(last=last):
            while self._ready:
                yield self._ready.popleft()
            while self._held_size >= BATCH:
                yield self._cut_batch()
        del self._buffer[: self._at]
        self._separator.dropped(self._at)
        self._before += self._at
        self._at = 0

    def _step(self, *, last: bool) -> bool:
        """Go over one element, or one mark between elements; return whether there was one."""
        self._skip_blanks()
        if self._at == len(self._buffer):
            return False
        match self._expected:
            case _Expected.ARRAY:
                self._open_array()
            case _Expected.COMMA:
                self._separate()
            case _Expected.END:
                raise self._fault(JsonSyntax, "something follows the end of the array")
            case _:
                return self._element(last=last)
        return True

    def _skip_blanks(self) -> None:
        blanks = _BLANKS.match(self._buffer, self._at)
        self._at = blanks.end() if blanks else self._at

    def _open_array(self) -> None:
        byte = self._buffer[self._at]
        if byte == ord("["):
            self._at += 1
            self._expected = _Expected.ROW_OR_END
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
        self._expected = _Expected.ROW if byte == ord(",") else _Expected.END

    def _element(self, *, last: bool) -> bool:
        byte = self._buffer[self._at]
        if byte == ord("{"):
            return self._object(last=last)
        if byte == ord('"'):
            return self._string(last=last)
        if byte == ord("]") and self._expected is _Expected.ROW_OR_END:
            self._at += 1
            self._expected = _Expected.END
            return True
        if byte in _OTHER_VALUES:
            raise self._fault(UnexpectedShape, "an element of the array is not an object")
        raise self._fault(JsonSyntax, "no row begins here")

    def _object(self, *, last: bool) -> bool:
        if self._expected is _Expected.ROW and self._separator.trusted(self._at):
            wanted = self._at + BATCH - self._held_size + self._between
            end = self._separator.first(self._buffer, wanted)
            if end == NOT_FOUND:
                if not last and len(self._buffer) - self._at < _LARGEST_PIECE // 2:
                    return False
                end = self._separator.last(self._buffer, self._at)
            if end != NOT_FOUND and self._piece(end):
                return True
        return self._single(last=last)

    def _piece(self, end: int) -> bool:
        """Take all rows up to ``end`` at once, if they are proved to be rows within the limits; return whether."""
        size = end - self._at
        if size > min(_LARGEST_PIECE, self._limits.row):
            self._separator.skip(end)
            return False
        array = b"".join((b"[", memoryview(self._buffer)[self._at : end], b"]"))
        taken = (self._objects and self._take_objects(array)) or self._take_lines(array)
        if taken:
            self._go_behind(end)
        else:
            self._separator.wrong(end)
        return taken

    def _take_objects(self, array: bytes) -> bool:
        rows = rows_of(array, self._limits.depth)
        if rows is None or self._count + len(rows) > self._limits.rows:
            return False
        if self._held:
            self._ready.append(self._take_batch([], 0))
        self._ready.append(Batch.built(array, rows, self._count))
        self._count += len(rows)
        return True

    def _take_lines(self, array: bytes) -> bool:
        lines = lines_of(array, self._limits.depth)
        if lines is None or self._count + lines.count > self._limits.rows:
            return False
        self._count += lines.count
        size = len(lines.text) - lines.count + 1
        self._between = len(array) - size
        if BATCH <= self._held_size + size < BATCH + lines.last:
            self._ready.append(self._take_batch([lines.text], lines.count))
        else:
            self._held += lines.text.split(b"\n")
            self._held_size += size
        return True

    def _single(self, *, last: bool) -> bool:
        if not self._worth_looking(last=last):
            return False
        end = object_end(self._buffer, self._at)
        if end == NOT_FOUND:
            return self._unfinished(last=last)
        row = self._cut(end)
        self._prove(row)
        self._accept(row)
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
        self._accept(row)
        self._go_behind(end)
        return True

    def _worth_looking(self, *, last: bool) -> bool:
        return last or len(self._buffer) - self._at >= self._patience

    def _cut(self, end: int) -> bytes:
        if end - self._at > self._limits.row:
            raise self._fault(RowTooLarge, f"the row is larger than {self._limits.row} bytes")
        return bytes(self._buffer[self._at : end])

    def _go_behind(self, end: int) -> None:
        self._at = end
        self._expected = _Expected.COMMA

    def _prove(self, text: bytes) -> None:
        if is_json(text):
            return
        fault = first_fault(text, depth=self._limits.depth, whole=True)
        if fault is not None:
            raise self._fault(fault.error, fault.reason, ahead=fault.offset)

    def _accept(self, row: bytes) -> None:
        if too_deep(row, self._limits.depth):
            raise self._fault(JsonSyntax, f"nested deeper than {self._limits.depth} levels")
        if self._count == self._limits.rows:
            raise self._fault(BombLimit, f"there are more than {self._limits.rows} rows")
        line = joined([row])
        self._held.append(line)
        self._held_size += len(line)
        self._count += 1
        self._patience = _PATIENCE

    def _unfinished(self, *, last: bool) -> bool:
        """Judge an element whose end has not come: hopeless, too large, or worth waiting for (return False)."""
        available = len(self._buffer) - self._at
        beginning = bytes(self._buffer[self._at : self._at + _DIAGNOSED])
        fault = first_fault(beginning, depth=self._limits.depth, whole=False)
        if fault is not None:
            raise self._fault(fault.error, fault.reason, ahead=fault.offset)
        if available > self._limits.row:
            raise self._fault(RowTooLarge, f"the row is larger than {self._limits.row} bytes")
        if last:
            raise self._fault(JsonTruncated, "the text ends inside a row")
        self._patience = min(2 * available, self._limits.row + 1)
        return False

    def _cut_batch(self) -> Batch:
        """Return a batch of as many of the held rows as fill it, and keep the others."""
        full = bisect_left(list(accumulate(map(len, self._held))), BATCH) + 1
        rest = self._held[full:]
        del self._held[full:]
        batch = self._take_batch([], 0, behind=len(rest))
        self._held, self._held_size = rest, sum(map(len, rest))
        return batch

    def _take_batch(self, texts: list[bytes], count: int, *, behind: int = 0) -> Batch:
        """Return a batch of all rows that are held and ``count`` more; ``behind`` it come rows that were counted."""
        count += len(self._held)
        batch = Batch(b"\n".join([*self._held, *texts, b""]), count, self._count - count - behind)
        self._held, self._held_size = [], 0
        return batch

    def _fault(self, error: type[DecodeError], reason: str, *, ahead: int = 0) -> DecodeError:
        offset = self._before + self._at + ahead
        return error(f"byte {offset}, row {self._count}: {reason}", offset=offset, row=self._count)


class _Expected(Enum):
    ARRAY = "an array"
    ROW_OR_END = "a row or the end of the array"
    ROW = "a row"
    COMMA = "a comma or the end of the array"
    END = "nothing more"
