"""Parquet files: every row in typed columns, whole or not there, found again, and read by readers that are not ours."""

from __future__ import annotations

import errno
import gc
import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from asyncexport.batch import Batch
from asyncexport.errors import ConfigError, DiskFull, SinkError, SinkRejected
from asyncexport.models import Entity, Evidence
from asyncexport.ports import KeepsManifests, KeepsParts, Travels
from asyncexport.sansio.tabular.columns import words_of
from asyncexport.sinks import JsonLines, Parquet, parquet
from asyncexport.sinks.arrow import blocks
from asyncexport.sinks.arrow.schema import schema_of
from asyncexport.sinks.files.codecs import Compression
from tests.sinks.support import FOLDER, PARTS, FaultyFiles, order, part_of, store, tree
from tests.sinks.tabular import batches_of, in_columns, lines_of, order_of

FILE = f"{FOLDER}/part-0.parquet"


def without_source(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [dict(list(row.items())[7:]) for row in rows]


@pytest.mark.parametrize("entity", Entity)
async def test_every_row_is_there_in_its_columns(entity: Entity, tmp_path: Path) -> None:
    """Arrow reads what was written: the same rows in the same order, with the schema of the entity."""
    lines = lines_of(entity)
    receipt = await store(Parquet(tmp_path), order_of(entity), batches_of(lines))
    file = pq.ParquetFile(receipt.location)

    assert file.schema_arrow.equals(schema_of(entity))
    assert file.schema_arrow.metadata == schema_of(entity).metadata
    assert receipt.rows == file.metadata.num_rows == len(lines)
    assert without_source(file.read().to_pylist()) == in_columns(lines, entity)


async def test_it_is_found_again(tmp_path: Path) -> None:
    """By the bytes of the file, as every file of the tree."""
    receipt = await store(Parquet(tmp_path))
    assert await Parquet(tmp_path).find(order()) == receipt
    file = tmp_path / FILE
    assert (receipt.location, receipt.bytes) == (str(file), file.stat().st_size)
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    assert await Parquet(tmp_path).find(order()) is None


async def test_an_export_without_rows(tmp_path: Path) -> None:
    """The file has the columns all the same."""
    receipt = await store(Parquet(tmp_path), batches=())
    assert pq.read_table(receipt.location).schema.equals(schema_of(Entity.CAMPAIGNS))
    assert receipt.rows == 0


async def test_row_groups_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the bytes of their text and by their rows."""
    batches = [Batch(b'{"name":"a"}\n' * 10, 10, at) for at in range(0, 100, 10)]
    for bounds, groups in {(130, 99): 10, (260, 99): 5, (9999, 30): 4, (9999, 7): 20}.items():
        monkeypatch.setattr(blocks, "BLOCK", 100)
        monkeypatch.setattr(parquet, "GROUP", bounds[0])
        monkeypatch.setattr(blocks, "ROWS", bounds[1])
        receipt = await store(Parquet(tmp_path), batches=tuple(batches))
        found = pq.ParquetFile(receipt.location).metadata
        assert (found.num_row_groups, found.num_rows) == (groups, 100)


@pytest.mark.parametrize(("compression", "word"), [("zstd", "ZSTD"), ("gzip", "GZIP"), ("none", "UNCOMPRESSED")])
async def test_compressions(compression: Compression, word: str, tmp_path: Path) -> None:
    """The words are those of every sink of files; the name of the file does not tell them apart."""
    receipt = await store(Parquet(tmp_path, compression=compression))
    assert pq.ParquetFile(receipt.location).metadata.row_group(0).column(7).compression == word
    assert Path(receipt.location).name == "part-0.parquet"


async def test_columns_of_few_words_have_a_dictionary(tmp_path: Path) -> None:
    """And no other one, at any depth."""
    receipt = await store(Parquet(tmp_path), order_of(Entity.CAMPAIGNS), batches_of(lines_of(Entity.CAMPAIGNS)))
    group = pq.ParquetFile(receipt.location).metadata.row_group(0)
    columns = [group.column(at) for at in range(group.num_columns)]
    with_one = {column.path_in_schema for column in columns if "RLE_DICTIONARY" in column.encodings}
    assert with_one == {".".join(path) for path in words_of(Entity.CAMPAIGNS)}


async def test_another_format_takes_the_place_of_the_first(tmp_path: Path) -> None:
    """One part never has two files, so nobody counts a row twice."""
    await store(JsonLines(tmp_path))
    await store(Parquet(tmp_path))
    assert sorted(path.rpartition("/")[2] for path in tree(tmp_path)) == ["_part-0.receipt.json", "part-0.parquet"]
    await store(JsonLines(tmp_path))
    assert sorted(path.rpartition("/")[2] for path in tree(tmp_path)) == ["_part-0.receipt.json", "part-0.jsonl.zst"]


async def test_parts_of_a_job(tmp_path: Path) -> None:
    """Each is a file, and what an earlier, longer split left goes when the job is whole."""
    sink = Parquet(tmp_path)
    receipts = [await store(sink, part_of(number)) for number in range(len(PARTS))]
    found = await sink.find(order())
    assert found is not None
    assert found.parts == tuple(receipts)
    await store(sink)
    assert [path for path in tree(tmp_path) if path.endswith(".parquet")] == [FILE]


async def test_what_is_not_ours_is_in_the_way(tmp_path: Path) -> None:
    """Somebody else's file is not replaced."""
    (tmp_path / FOLDER).mkdir(parents=True)
    (tmp_path / FILE).write_text("mine")
    with pytest.raises(SinkRejected, match="in the way"):
        await store(Parquet(tmp_path))
    assert (tmp_path / FILE).read_text() == "mine"


async def test_rows_that_were_never_sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transfer that ends early leaves nothing, although Arrow would like to end its file."""
    monkeypatch.setattr(blocks, "BLOCK", 1)
    with pytest.raises(SinkError, match="never sealed"):
        async with Parquet(tmp_path).open(order()) as writer:
            await writer.write(Batch(b"{}\n", 1))
    gc.collect()
    assert tree(tmp_path) == {}


@pytest.mark.parametrize(("code", "kind"), [(errno.EIO, SinkError), (errno.ENOSPC, DiskFull)])
async def test_failing_at_any_write_is_a_typed_error(
    code: int, kind: type[SinkError], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For every N: write N fails, below Arrow's own code; no ``.part`` and no descriptor stays."""
    monkeypatch.setattr(parquet, "_TOGETHER", 4096)
    undisturbed = FaultyFiles()
    await store(Parquet(tmp_path / "count", files=undisturbed))
    undisturbed.end()
    writes = [at for at, (name, _) in enumerate(undisturbed.log) if name == "write"]
    assert len(writes) > 2
    for at in writes:
        root, files = tmp_path / f"{at}", FaultyFiles(at=at, failure=code)
        with pytest.raises(kind) as caught:
            await store(Parquet(root, files=files))
        assert type(caught.value) is kind
        assert not files.opened
        files.end()
        assert tree(root) == {}


async def test_a_writer_that_was_never_opened_commits_nothing(tmp_path: Path) -> None:
    """Steps out of order are a typed error."""
    writer = Parquet(tmp_path)._writer(order())
    writer.seal(Evidence(0, "gzip"))
    with pytest.raises(SinkError, match="not open"):
        await writer.finish()


async def test_duckdb_reads_the_tree(tmp_path: Path) -> None:
    """Columns say where rows are from, so the folders' names are not needed; nested columns are dotted."""
    lines = lines_of(Entity.CAMPAIGNS)
    await store(Parquet(tmp_path), order_of(Entity.CAMPAIGNS), batches_of(lines))
    expected = Counter(
        row["budgetCaps"]["budgetValue"]["monetaryBudget"]["amount"] for row in in_columns(lines, Entity.CAMPAIGNS)
    )
    with duckdb.connect() as connection:
        found = connection.execute(
            "select profile_id, budgetCaps.budgetValue.monetaryBudget.amount "
            "from read_parquet($1, hive_partitioning = false)",
            [f"{tmp_path}/entity=campaigns/**/*.parquet"],
        ).fetchall()
    assert Counter(amount for _, amount in found) == expected
    assert {profile for profile, _ in found} == {"123"}


@pytest.mark.parametrize("library", ["pyarrow", "arro3.io"])
def test_a_library_that_is_missing(library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found when the sink is described, before anything is asked for."""
    monkeypatch.setitem(__import__("sys").modules, library, None)
    with pytest.raises(ConfigError, match=rf"needs {library}, .*asyncexport\[parquet\]"):
        Parquet(tmp_path)


def test_what_cannot_work_is_a_mistake(tmp_path: Path) -> None:
    """Found when the sink is described, not when it is used."""
    with pytest.raises(ConfigError, match="brotli"):
        Parquet(tmp_path, compression="brotli")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="path of a folder"):
        Parquet("")


def test_it_is_a_small_picklable_description(tmp_path: Path) -> None:
    """It travels to workers, compares by value, keeps manifests and parts."""
    sink = Parquet(tmp_path, level=9)
    assert pickle.loads(pickle.dumps(sink)) == sink  # noqa: S301 - our own bytes
    assert isinstance(sink, Travels)
    assert isinstance(sink, KeepsParts)
    assert isinstance(sink, KeepsManifests)
    assert repr(sink) == f"Parquet(path='{tmp_path}', overwrite=False, compression='zstd', level=9)"
