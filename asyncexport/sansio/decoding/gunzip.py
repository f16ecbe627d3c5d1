"""gzip, pushed in at any chunking, out in bounded pieces; a file that is not whole is never taken for one.

Contract: ``feed()`` gives an iterator of pieces of at most 64 KiB; ``close()`` raises unless at least one member ended
and none is open. Every member's CRC-32 and length are verified, behind a member stands another one or nothing.

Plan: the member loop is our own, over a raw inflater (:mod:`~asyncexport.sansio.decoding.inflating`): the libraries'
ready-made ones take half a file for a whole one, or loop for ever on zero padding. The inflater sees at most 16 KiB of
input and makes at most 64 KiB of output at a time, so the limits are checked before a bomb can grow by more than one
piece.

Worst case: memory is one piece, one slice and what was fed last, whatever the file; work is linear in what goes in and
comes out.

Source: RFC 1952.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from asyncexport.errors import BombLimit, GzipCorrupt, GzipTruncated
from asyncexport.sansio.decoding.gzip_header import HeaderReader
from asyncexport.sansio.decoding.inflating import FASTEST, Backend

PIECE: Final = 65_536
_SLICE = 16_384
_TRAILER = 8


class _Stage(Enum):
    HEADER = "in a header"
    BODY = "in a body"
    TRAILER = "in a trailer"


_IN_HEADER, _IN_BODY, _IN_TRAILER = _Stage


@dataclass(frozen=True, slots=True)
class GunzipLimits:
    """How far a file may grow: beyond it is taken for a bomb.

    ``ratio`` of output to input, once ``ratio_after`` bytes are out; ``members``; ``output`` in bytes; ``header`` in
    bytes for all fields of one member's header.
    """

    ratio: int = 200
    ratio_after: int = 16 * 1024 * 1024
    members: int = 4096
    output: int = 64 * 1024**3
    header: int = 64 * 1024


class Gunzip:
    """The push parser. Iterators it gave are read to their end before more is fed; bytes are never lost meanwhile."""

    def __init__(self, limits: GunzipLimits | None = None, *, backend: Backend | None = None) -> None:
        self._limits = limits or GunzipLimits()
        self._backend = backend or FASTEST
        self._pending = b""
        self._at = 0
        self._before = 0
        self._stage = _IN_HEADER
        self._members = 0
        self._header = self._next_header()
        self._inflater = self._backend.inflater()
        self._crc = 0
        self._length = 0
        self._trailer = b""
        self._bytes_out = 0

    @property
    def bytes_in(self) -> int:
        """Bytes of the file that were consumed."""
        return self._before + self._at

    @property
    def bytes_out(self) -> int:
        """Bytes that came out."""
        return self._bytes_out

    def __repr__(self) -> str:
        return f"<Gunzip {self._stage.value}, {self.bytes_in} bytes in, {self.bytes_out} out, {self._members} members>"

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next bytes of the file; return an iterator of what they inflate to.

        Iterating raises :class:`GzipCorrupt`, :class:`TrailingGarbage` or :class:`BombLimit`, with the byte offset in
        the file.
        """
        self._before += self._at
        self._pending = self._pending[self._at :] + data
        self._at = 0
        return self._pieces()

    def close(self) -> None:
        """State that the file ends here. Raises :class:`GzipTruncated` unless it may."""
        if self._members == 0 or self._stage is not _IN_HEADER or self._header.size:
            where = "inside a member" if self.bytes_in else "before its first byte"
            raise GzipTruncated(f"the gzip file ends {where}, after {self.bytes_in} bytes", offset=self.bytes_in)

    def _pieces(self) -> Iterator[bytes]:
        while self._at < len(self._pending):
            stage = self._stage
            if stage is _IN_BODY:
                if piece := self._inflate():
                    yield piece
            elif stage is _IN_HEADER:
                self._read_header()
            else:
                self._read_trailer()

    def _next_header(self) -> HeaderReader:
        return HeaderReader(start=self.bytes_in, later=self._members > 0, limit=self._limits.header)

    def _read_header(self) -> None:
        self._at = self._header.feed(self._pending, self._at)
        if not self._header.done:
            return
        if self._members == self._limits.members:
            raise self._bomb(f"it has more than {self._limits.members} members")
        self._inflater, self._crc, self._length = self._backend.inflater(), 0, 0
        self._stage = _IN_BODY

    def _inflate(self) -> bytes:
        fed = self._pending[self._at : self._at + _SLICE]
        try:
            piece = self._inflater.decompress(fed, PIECE)
        except self._backend.error:
            raise GzipCorrupt(
                f"the compressed data is damaged near byte {self.bytes_in}", offset=self.bytes_in
            ) from None
        # Output that the library still holds comes with the next input: at least the trailer has to follow.
        rest = self._inflater.unused_data if self._inflater.eof else self._inflater.unconsumed_tail
        self._at += len(fed) - len(rest)
        if self._inflater.eof:
            self._stage = _IN_TRAILER
        self._account(piece)
        return piece

    def _account(self, piece: bytes) -> None:
        self._crc = self._backend.crc32(piece, self._crc)
        self._length += len(piece)
        self._bytes_out += len(piece)
        limits = self._limits
        if self._bytes_out > limits.output:
            raise self._bomb(f"it inflates to more than {limits.output} bytes")
        if self._bytes_out > max(limits.ratio_after, limits.ratio * self.bytes_in):
            raise self._bomb(f"it inflates to more than {limits.ratio} times its size")

    def _read_trailer(self) -> None:
        taken = self._pending[self._at : self._at + _TRAILER - len(self._trailer)]
        self._at += len(taken)
        self._trailer += taken
        if len(self._trailer) < _TRAILER:
            return
        if int.from_bytes(self._trailer[:4], "little") != self._crc:
            raise self._mismatch("checksum")
        if int.from_bytes(self._trailer[4:], "little") != self._length & 0xFFFF_FFFF:
            raise self._mismatch("length")
        self._trailer = b""
        self._members += 1
        self._stage, self._header = _IN_HEADER, self._next_header()

    def _mismatch(self, what: str) -> GzipCorrupt:
        start = self.bytes_in - _TRAILER
        return GzipCorrupt(f"the {what} at byte {start} does not match the data before it", offset=start)

    def _bomb(self, reason: str) -> BombLimit:
        return BombLimit(
            f"the gzip file was given up at byte {self.bytes_in}: {reason}; raise the limit if it is meant to",
            offset=self.bytes_in,
        )
