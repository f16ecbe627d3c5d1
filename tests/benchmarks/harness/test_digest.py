"""Rows, counted and hashed."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from benchmarks.harness.digest import RowsDigest, of_files

ROWS = [{"campaignId": "1", "name": "a", "bid": 0.1}, {"campaignId": "2", "name": "},{", "bid": 3}]


def _of(rows: list[dict[str, object]]) -> RowsDigest:
    digest = RowsDigest()
    for row in rows:
        digest.add(row)
    return digest


def test_the_order_of_rows_and_of_keys_does_not_matter() -> None:
    """Cases that give the same rows in another order, or spelt otherwise, did the same work."""
    turned = [dict(reversed(row.items())) for row in reversed(ROWS)]
    assert _of(turned) == _of(ROWS)


def test_a_whole_number_is_the_same_with_and_without_its_fraction() -> None:
    """5.0 and 5 are one value, also deep inside a row: some writers leave the fraction out."""
    assert _of([{"a": [{"bid": 588.0}], "b": -2.0}]) == _of([{"a": [{"bid": 588}], "b": -2}])
    assert _of([{"bid": 588.5}]) != _of([{"bid": 588}])
    assert _of([{"name": "5.0"}]) != _of([{"name": "5"}])


@pytest.mark.parametrize(
    "other",
    [
        ROWS[:1],
        [*ROWS, ROWS[0]],
        [ROWS[0], ROWS[0]],
        [ROWS[0], {**ROWS[1], "bid": 3.5}],
        [ROWS[0], {**ROWS[1], "bid": "3"}],
    ],
    ids=["one is missing", "one is there twice", "one stands for another", "a value differs", "a number is a text"],
)
def test_other_rows_have_another_digest(other: list[dict[str, object]]) -> None:
    """A row that is missing, doubled, replaced or changed shows."""
    assert _of(other).told() != _of(ROWS).told()


def test_files_are_read_by_the_end_of_their_name(tmp_path: Path) -> None:
    """Plain and compressed lines are read alike, and all files together."""
    text = [json.dumps(row).encode() + b"\n" for row in ROWS]
    (tmp_path / "one.jsonl").write_bytes(text[0] + b"\n")
    (tmp_path / "two.jsonl.gz").write_bytes(gzip.compress(text[1]))
    assert of_files([tmp_path / "two.jsonl.gz", tmp_path / "one.jsonl"]) == _of(ROWS)
