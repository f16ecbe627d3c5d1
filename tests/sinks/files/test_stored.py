"""Reading a tree again: the same rows whatever format they were stored in."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from asyncexport.errors import SinkError
from asyncexport.models import Entity, Filters
from asyncexport.sinks import JsonLines, Parquet
from asyncexport.sinks.files.codecs import Compression
from asyncexport.sinks.files.stored import InFolder, batches, snapshots
from asyncexport.sinks.files.tree import Tree
from tests.sinks.support import FOLDER, order, part_of, store
from tests.sinks.tabular import batches_of, in_columns, lines_of, order_of

SINKS: list[Callable[[Path], Tree]] = [
    JsonLines,
    partial(JsonLines, compression="gzip"),
    partial(JsonLines, compression="none"),
    Parquet,
]


def found(root: Path, label: str = "night", entity: Entity = Entity.CAMPAIGNS) -> list[InFolder]:
    return list(snapshots(root, label, entity))


@pytest.mark.parametrize("sink", SINKS)
async def test_rows_of_every_format(sink: Callable[[Path], Tree], tmp_path: Path) -> None:
    """They are what went in, by columns and extra fields."""
    for entity in (Entity.CAMPAIGNS, Entity.TARGETS):
        lines = lines_of(entity)
        await store(sink(tmp_path), order_of(entity), batches_of(lines))
        (snapshot,) = found(tmp_path, entity=entity)
        known = [{name: value for name, value in row.items() if name != "extra"} for row in in_columns(lines, entity)]
        read = [{name: row.get(name) for name in known[0]} for row in snapshot.rows()]
        assert snapshot.subject == (entity.value, "acme", "EU", "123")
        assert [row["state"] for row in read] == [row["state"] for row in known]
        extra = [row for row, kept in zip(snapshot.rows(), in_columns(lines, entity), strict=True) if kept["extra"]]
        assert all("isMultiAdGroupsEnabled" in row for row in extra)


async def test_formats_agree(tmp_path: Path) -> None:
    """So snapshots of two formats can be compared."""
    lines = [b'{"campaignId":"1","optimization":[{"bidStrategy":"X"}],"new":{"a":1},"startDate":"2024-01-02"}']
    for name, sink in (("a", JsonLines), ("b", Parquet)):
        await store(sink(tmp_path / name), order(), batches_of(lines))
    one, other = (
        [{name: value for name, value in row.items() if value is not None} for row in found(tmp_path / each)[0].rows()]
        for each in "ab"
    )
    assert one == other
    assert one[0]["new"] == {"a": 1}


@pytest.mark.parametrize("sink", [JsonLines, Parquet])
async def test_numbers_that_no_reader_holds(sink: Callable[[Path], Tree], tmp_path: Path) -> None:
    """Beyond a double they are their spelling, and whole ones of any length are exact."""
    long = "9" * 5_000
    line = f'{{"new":[1e400,-1e400,0.5,12345678901234567890123,{long}],"budgetCaps":{{"more":1e400}}}}'
    await store(sink(tmp_path), order(), batches_of([line.encode()]))
    (row,) = found(tmp_path)[0].rows()
    assert row["new"] == ["1e400", "-1e400", 0.5, 12345678901234567890123, long]
    assert row["budgetCaps"] == {"more": "1e400"}


async def test_parts(tmp_path: Path) -> None:
    """They are one snapshot, which asked for what they asked for together; one that is missing ends it."""
    for number in range(3):
        await store(JsonLines(tmp_path), part_of(number))
    (snapshot,) = found(tmp_path)
    assert (len(snapshot.records), len(snapshot.digests), len(list(snapshot.rows()))) == (3, 3, 9)
    assert snapshot.filters is not None
    assert snapshot.filters.fingerprint == Filters().fingerprint
    (tmp_path / FOLDER / "part-1.jsonl.zst").write_bytes(b"another size")
    (snapshot,) = found(tmp_path)
    assert (len(snapshot.records), snapshot.filters) == (1, part_of(0).job.filters)


async def test_a_part_that_a_kill_left_over(tmp_path: Path) -> None:
    """It stands beside the whole that took its job's place until the next run; its rows do not count."""
    for number in range(2):
        await store(JsonLines(tmp_path), part_of(number))
    left = {path: path.read_bytes() for path in (tmp_path / FOLDER).glob("*part-1.*")}
    await store(JsonLines(tmp_path))
    for path, content in left.items():
        path.write_bytes(content)
    (snapshot,) = found(tmp_path)
    assert (len(left), [record.part for record in snapshot.records]) == (2, [0])


@pytest.mark.parametrize("content", [None, b"{}"])
async def test_what_has_no_record_is_no_snapshot(content: bytes | None, tmp_path: Path) -> None:
    """Somebody else's files are not read."""
    await store(JsonLines(tmp_path))
    record = tmp_path / FOLDER / "_part-0.receipt.json"
    record.unlink() if content is None else record.write_bytes(content)
    assert found(tmp_path) == []
    assert found(tmp_path / "nowhere") == []


@pytest.mark.parametrize(("sink", "name"), [(JsonLines, "part-0.jsonl.zst"), (Parquet, "part-0.parquet")])
async def test_a_damaged_file(sink: Callable[[Path], Tree], name: str, tmp_path: Path) -> None:
    """It is named, with what to do."""
    receipt = await store(sink(tmp_path))
    (tmp_path / FOLDER / name).write_bytes(b"?" * receipt.bytes)
    (snapshot,) = found(tmp_path)
    with pytest.raises(SinkError, match=f"{name} cannot be read"):
        list(snapshot.rows())


@pytest.mark.parametrize("compression", ["zstd", "gzip", "none"])
async def test_batches_of_a_file(compression: Compression, tmp_path: Path) -> None:
    """The text of a file comes back as it is spelt, in batches that know how many rows came before."""
    lines = [b'{"campaignId": "%d", "n": 1.50}' % number for number in range(1_200)]
    receipt = await store(JsonLines(tmp_path, compression=compression), order(), batches_of(lines))

    found = list(batches(Path(receipt.location)))

    assert b"".join(batch.text for batch in found) == b"".join(line + b"\n" for line in lines)
    assert [(batch.first, batch.count) for batch in found] == [(0, 500), (500, 500), (1000, 200)]


@pytest.mark.parametrize("compression", ["zstd", "gzip", "none"])
async def test_batches_of_a_file_that_cannot_be_read(compression: Compression, tmp_path: Path) -> None:
    """A file that is damaged or gone is told as such."""
    receipt = await store(JsonLines(tmp_path, compression=compression), order())
    damage(Path(receipt.location))

    with pytest.raises(SinkError, match="pull it again"):
        list(batches(Path(receipt.location)))


def damage(file: Path) -> None:
    """Cut the file off where that can be seen, take it away where not."""
    if file.suffix == ".jsonl":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-6])
