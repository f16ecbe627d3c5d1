"""Seeded exports, made on the spot, with the digest of their rows.

The digest is of the records as they were made, so no decoder has a part in it. A very large export is one stretch of
compressed rows that is repeated (deflate with a full flush before and after it): it is streamed, costs no memory, and
its check sum is reckoned over every byte of its text.

    python -m benchmarks.harness.exports SHAPE BYTES FILE
"""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import orjson

from benchmarks.harness.digest import RowsDigest
from benchmarks.shapes import SHAPES

_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


def make(shape: str, size: int, path: Path) -> dict[str, object]:
    """Write an export of about ``size`` bytes of text, gzip, to ``path``; return its digest and its sizes."""
    digest, text_bytes = RowsDigest(), 0
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as file:
        for text in SHAPES[shape](size):
            text_bytes += file.write(text.encode())
            record = text.lstrip("[], \n")
            if record:
                digest.add(orjson.loads(record))
    return {**digest.told(), "text_bytes": text_bytes, "gzip_bytes": path.stat().st_size}


def repeated(records: list[bytes], times: int) -> Iterator[bytes]:
    """Yield a gzip file whose array holds ``records`` so many times over."""
    pack = zlib.compressobj(6, zlib.DEFLATED, -15)
    first, more = b"[" + b",".join(records), b"," + b",".join(records)
    yield _HEAD + pack.compress(first) + pack.flush(zlib.Z_FULL_FLUSH)
    stretch = pack.compress(more) + pack.flush(zlib.Z_FULL_FLUSH)
    crc, size = zlib.crc32(first), len(first) + 1
    for _ in range(times - 1):
        crc = zlib.crc32(more, crc)
        size += len(more)
        yield stretch
    crc = zlib.crc32(b"]", crc)
    yield pack.compress(b"]") + pack.flush() + crc.to_bytes(4, "little") + (size % 2**32).to_bytes(4, "little")


def records(shape: str, size: int) -> list[bytes]:
    """Return records of about ``size`` bytes together."""
    made: Iterable[bytes] = (text.lstrip("[], \n").encode() for text in SHAPES[shape](size))
    return [record for record in made if record]


if __name__ == "__main__":
    _, chosen, bytes_of_text, file_name = sys.argv
    print(json.dumps(make(chosen, int(bytes_of_text), Path(file_name))))
