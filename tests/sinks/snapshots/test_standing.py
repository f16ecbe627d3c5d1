"""A look at a place: what it is decides how it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import obstore
import pytest

from asyncexport.errors import SinkError
from asyncexport.models import Entity
from asyncexport.sinks import DuckDB, JsonLines, ObjectStore, Parquet
from asyncexport.sinks.snapshots.standing import standing
from tests.sinks.moto_server import Bucket
from tests.sinks.support import PARTS, order, part_of, store


def rows_in(place: str, files: ObjectStore | None = None) -> list[dict[str, Any]]:
    """Return the rows of all snapshots of a place."""
    with standing(place, files) as look:
        return [row for snapshot in look("night", Entity.CAMPAIGNS) for row in snapshot.rows()]


async def test_a_folder_a_file_and_a_store_hold_the_same(tmp_path: Path, bucket: Bucket) -> None:
    """Of a store also what is no S3, and parts."""
    await store(JsonLines(tmp_path / "folder"), order())
    await store(DuckDB(tmp_path / "ads.duckdb"), order())
    await store(Parquet(bucket.url, files=bucket.files()), order())
    url = f"file://{tmp_path}/store"
    for number in range(len(PARTS)):
        await store(JsonLines(url), part_of(number))
    counts = [
        len(rows_in(str(tmp_path / "folder"))),
        len(rows_in(str(tmp_path / "ads.duckdb"))),
        len(rows_in(bucket.url, bucket.files())),
    ]
    assert counts == [counts[0]] * 3
    assert len(rows_in(url)) == len(PARTS) * counts[0]
    assert rows_in(str(tmp_path / "nowhere")) == []


def copies_in(folder: Path) -> list[Path]:
    return list(folder.rglob("*.zst"))


async def test_objects_are_copied_once_and_the_copies_go(
    tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often rows are read, and not before they are."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    await store(JsonLines(bucket.url, files=bucket.files()), order())
    with standing(bucket.url, bucket.files()) as look:
        (snapshot,) = look("night", Entity.CAMPAIGNS)
        assert copies_in(tmp_path) == []
        first = list(snapshot.rows())
        (copy,) = copies_in(tmp_path)
        copied_at = copy.stat().st_mtime_ns
        assert list(snapshot.rows()) == first
        assert copy.stat().st_mtime_ns == copied_at
    assert copies_in(tmp_path) == []


async def test_an_object_of_another_size_than_its_record(bucket: Bucket) -> None:
    """It is no snapshot."""
    import obstore

    receipt = await store(JsonLines(bucket.url, files=bucket.files()), order())
    obstore.put(bucket.store(), receipt.location.removeprefix(f"s3://{bucket.name}/"), b"another size")
    with standing(bucket.url, bucket.files()) as look:
        assert list(look("night", Entity.CAMPAIGNS)) == []


async def test_an_object_that_goes_before_it_is_read(bucket: Bucket) -> None:
    """It is told; no part of a copy is taken for the whole."""
    receipt = await store(JsonLines(bucket.url, files=bucket.files()), order())
    with standing(bucket.url, bucket.files()) as look:
        (snapshot,) = look("night", Entity.CAMPAIGNS)
        obstore.delete(bucket.store(), receipt.location.removeprefix(f"s3://{bucket.name}/"))
        for _ in range(2):
            with pytest.raises(SinkError, match="copying an object"):
                list(snapshot.rows())
