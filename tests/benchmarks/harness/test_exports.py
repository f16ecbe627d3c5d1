"""Exports made on the spot."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from benchmarks.harness.digest import RowsDigest
from benchmarks.harness.exports import make, records, repeated


def test_an_export_is_told_with_the_digest_of_its_rows(tmp_path: Path) -> None:
    """The digest, which is of the records as they were made, is that of the file as others read it."""
    told = make("pretty", 30_000, tmp_path / "export.json.gz")
    digest = RowsDigest()
    text = gzip.decompress((tmp_path / "export.json.gz").read_bytes())
    for row in json.loads(text):
        digest.add(row)
    assert told == {
        **digest.told(),
        "text_bytes": len(text),
        "gzip_bytes": (tmp_path / "export.json.gz").stat().st_size,
    }
    assert digest.count > 20


def test_a_repeated_export_is_one_whole_gzip_file() -> None:
    """A stretch that is repeated makes an array of so many times its rows, with check sum and length."""
    once = records("campaigns", 20_000)
    for times in (1, 2, 5):
        assert json.loads(gzip.decompress(b"".join(repeated(once, times)))) == [json.loads(row) for row in once] * times
