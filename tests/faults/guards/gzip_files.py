"""Guards of the gzip decoder: what makes a file whole."""

from __future__ import annotations

from tests.faults.guards.mutant import Mutant

_GUNZIP = (
    "tests/sansio/decoding/test_gunzip.py",
    "tests/sansio/decoding/test_gzip_header.py",
    "tests/sansio/decoding/test_decode.py",
)

GZIP_FILES = (
    Mutant(
        "the file may end inside a member",
        "sansio/decoding/gunzip.py",
        "if self._members == 0 or self._stage is not _IN_HEADER or self._header.size:",
        "if False:",
        _GUNZIP,
    ),
    Mutant(
        "an empty file is a whole one",
        "sansio/decoding/gunzip.py",
        "if self._members == 0 or self._stage",
        "if self._stage",
        _GUNZIP,
    ),
    Mutant(
        "a torn header at the end is no truncation",
        "sansio/decoding/gunzip.py",
        "is not _IN_HEADER or self._header.size:",
        "is not _IN_HEADER:",
        _GUNZIP,
    ),
    Mutant(
        "the CRC of a member is not compared",
        "sansio/decoding/gunzip.py",
        'if int.from_bytes(self._trailer[:4], "little") != self._crc:',
        "if False:",
        _GUNZIP,
    ),
    Mutant(
        "the length of a member is not compared",
        "sansio/decoding/gunzip.py",
        'if int.from_bytes(self._trailer[4:], "little") != self._length & 0xFFFF_FFFF:',
        "if False:",
        _GUNZIP,
    ),
    Mutant(
        "no limit to the ratio",
        "sansio/decoding/gunzip.py",
        "if self._bytes_out > max(limits.ratio_after, limits.ratio * self.bytes_in):",
        "if False:",
        _GUNZIP,
    ),
    Mutant(
        "no limit to the output",
        "sansio/decoding/gunzip.py",
        "if self._bytes_out > limits.output:",
        "if False:",
        _GUNZIP,
    ),
    Mutant(
        "no limit to the members",
        "sansio/decoding/gunzip.py",
        "if self._members == self._limits.members:",
        "if False:",
        _GUNZIP,
    ),
    Mutant(
        "output is not made in pieces",
        "sansio/decoding/gunzip.py",
        "piece = self._inflater.decompress(fed, PIECE)",
        "piece = self._inflater.decompress(fed, 0)",
        _GUNZIP,
    ),
    Mutant(
        "no limit to a header",
        "sansio/decoding/gzip_header.py",
        "if self.size > self._limit:",
        "if False:",
        _GUNZIP,
    ),
    Mutant(
        "a header's own checksum is not compared",
        "sansio/decoding/gzip_header.py",
        'if int.from_bytes((yield 2), "little") != expected:',
        'if int.from_bytes((yield 2), "little") == -1:',
        _GUNZIP,
    ),
    Mutant(
        "reserved flags are let through",
        "sansio/decoding/gzip_header.py",
        "if method != _DEFLATE or flags & _RESERVED:",
        "if method != _DEFLATE:",
        _GUNZIP,
    ),
    Mutant(
        "garbage behind the end is damage of a header",
        "sansio/decoding/gzip_header.py",
        "        if self._later:\n",
        "        if False:\n",
        _GUNZIP,
    ),
    Mutant(
        "bytes that are no gzip are passed over",
        "sansio/decoding/gzip_header.py",
        "            if (yield 1)[0] != byte:\n                raise self._not_gzip()",
        "            yield 1",
        _GUNZIP,
    ),
    Mutant(
        "an error page is taken for an export",
        "sansio/decoding/unpack.py",
        'if text and not text.startswith(b"["):',
        "if False:",
        ("tests/sansio/decoding/test_unpack.py",),
    ),
    Mutant(
        "an object of nothing is an empty export",
        "sansio/decoding/unpack.py",
        "        elif not self._integrity:\n            raise GzipTruncated",
        "        elif False:\n            raise GzipTruncated",
        ("tests/sansio/decoding/test_unpack.py",),
    ),
)
