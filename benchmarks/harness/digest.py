"""Rows, counted and hashed in whatever order they come: the proof that two cases did the same work.

A row is hashed as its value, not as its spelling: keys sorted, no blanks, 5.0 as 5 (jq writes it so). The sum of the
hashes does not depend on the order of rows, and unlike an exclusive or it notices a row that is there twice.

    python -m benchmarks.harness.digest FILE ...

reads JSON Lines (plain, gzip or zstd by the name's end), arrays (``.json``), Parquet and DuckDB files (by their ids,
see :func:`ids`), and prints count and sum.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import orjson

from benchmarks.harness.rounds import MODULUS

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_WHOLE = re.compile(rb"\d\.0[],}]")
ID = "campaignId"
_IDS = {".parquet": "select campaignId from read_parquet('{path}')", ".duckdb": "select campaignId from campaigns"}
"""By the end of a file's name: what gives its ids. New typed sinks are told here."""


@dataclass
class RowsDigest:
    """A count of rows and the sum of their hashes; ``ids`` is the sum of the hashes of their ids alone."""

    count: int = 0
    total: int = 0
    ids: int = 0

    def add(self, row: object) -> None:
        """Take one more row."""
        self.count += 1
        self.total = (self.total + _hash(_canonical(row))) % MODULUS
        if isinstance(row, dict):
            self.add_id(str(row.get(ID, "")))

    def add_id(self, text: str) -> None:
        """Take one more id."""
        self.ids = (self.ids + _hash(text.encode())) % MODULUS

    def told(self) -> dict[str, object]:
        """Return it as JSON can hold it."""
        return {"rows": self.count, "digest": f"{self.total:032x}", "ids": f"{self.ids:032x}"}


def of_files(paths: Iterable[Path]) -> RowsDigest:
    """Digest the rows of all files together."""
    digest = RowsDigest()
    for path in paths:
        if path.suffix in _IDS:
            ids(path, digest)
            continue
        for row in orjson.loads(path.read_bytes()) if path.suffix == ".json" else map(orjson.loads, lines(path)):
            digest.add(row)
    return digest


def ids(path: Path, digest: RowsDigest) -> None:
    """Count the rows of a file of typed columns and hash their ids: such columns do not tell how a value was spelt."""
    import duckdb  # noqa: PLC0415  only where there is such a file

    connection = duckdb.connect(str(path), read_only=True) if path.suffix == ".duckdb" else duckdb.connect()
    found = connection.execute(_IDS[path.suffix].format(path=path))
    while rows := found.fetchmany(10_000):
        digest.count += len(rows)
        for (value,) in rows:
            digest.add_id(str(value))


def lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file that are not empty."""
    with _opened(path) as file:
        for line in file:
            if line.strip():
                yield line


def _opened(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        return cast("BinaryIO", gzip.open(path, "rb"))
    if path.suffix == ".zst":
        return cast("BinaryIO", zstd.open(path, "rb"))
    return path.open("rb")


def _canonical(row: object) -> bytes:
    text = orjson.dumps(row, option=orjson.OPT_SORT_KEYS)
    return orjson.dumps(_plain(row), option=orjson.OPT_SORT_KEYS) if _WHOLE.search(text) else text


def _plain(value: object) -> object:
    """Return the value with whole floats as integers."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _hash(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=16).digest(), "big")


if __name__ == "__main__":
    print(json.dumps(of_files(map(Path, sys.argv[1:])).told()))
