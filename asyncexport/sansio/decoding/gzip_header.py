"""The header of one gzip member, read by ourselves because zlib neither limits nor verifies all of it.

Contract: bytes go in at any chunking; the reader stops exactly behind the header. Plan: a generator asks for one field
after the other (so many bytes, or text up to a NUL) and checks it; what it asks for is collected across chunks. Worst
case: ``limit`` bytes are held and each is looked at once, so an endless file name costs 64 KiB and no more.

Source: RFC 1952, 2.3.
"""

from __future__ import annotations

import zlib
from collections.abc import Generator
from typing import Final

from asyncexport.errors import GzipCorrupt, TrailingGarbage

MAGIC: Final = b"\x1f\x8b"
_DEFLATE = 8
_FHCRC, _FEXTRA, _FNAME, _FCOMMENT, _RESERVED = 0x02, 0x04, 0x08, 0x10, 0xE0
_TEXT = 0


class HeaderReader:
    """Reads one member's header that begins at byte ``start`` of the file.

    A ``later`` member is one that follows another: what is no gzip there is garbage behind the end, not a bad header.
    """

    def __init__(self, *, start: int, later: bool, limit: int) -> None:
        self.size = 0
        self.done = False
        self._start = start
        self._later = later
        self._limit = limit
        self._crc = 0
        self._held = bytearray()
        self._fields = self._read()
        self._wanted = next(self._fields)

    def feed(self, data: bytes, at: int) -> int:
        """Take the header's bytes from ``data[at:]``; return where they end.

        Raises :class:`GzipCorrupt` or :class:`TrailingGarbage`.
        """
        while at < len(data) and not self.done:
            taken = data[at : self._field_end(data, at)]
            at += len(taken)
            self._take(taken)
        return at

    def _field_end(self, data: bytes, at: int) -> int:
        if self._wanted == _TEXT:
            return data.find(0, at, at + self._limit) + 1 or at + self._limit
        return at + self._wanted - len(self._held)

    def _take(self, taken: bytes) -> None:
        self.size += len(taken)
        if self.size > self._limit:
            raise self._corrupt(f"its header is larger than {self._limit} bytes")
        self._crc = zlib.crc32(taken, self._crc)
        self._held += taken
        if taken.endswith(b"\0") if self._wanted == _TEXT else len(self._held) == self._wanted:
            self._next_field()

    def _next_field(self) -> None:
        field = bytes(self._held)
        self._held.clear()
        try:
            self._wanted = self._fields.send(field)
        except StopIteration:
            self.done = True

    def _read(self) -> Generator[int, bytes, None]:
        for byte in MAGIC:
            if (yield 1)[0] != byte:
                raise self._not_gzip()
        method, flags = yield 2
        if method != _DEFLATE or flags & _RESERVED:
            raise self._corrupt("its header names a method or flags that do not exist")
        yield 6
        if flags & _FEXTRA and (length := int.from_bytes((yield 2), "little")):
            yield length
        for text in (_FNAME, _FCOMMENT):
            if flags & text:
                yield _TEXT
        if flags & _FHCRC:
            expected = self._crc & 0xFFFF
            if int.from_bytes((yield 2), "little") != expected:
                raise self._corrupt("its header does not match the header's checksum")

    def _corrupt(self, reason: str) -> GzipCorrupt:
        return GzipCorrupt(f"the gzip member at byte {self._start}: {reason}", offset=self._start)

    def _not_gzip(self) -> GzipCorrupt:
        if self._later:
            return TrailingGarbage(f"bytes that are no gzip follow the end, at byte {self._start}", offset=self._start)
        return self._corrupt("it does not begin like gzip")
