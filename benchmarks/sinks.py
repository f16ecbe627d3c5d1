"""``python -m benchmarks.sinks``: what each sink costs beside decoding alone, and beside DuckDB reading the same file.

One process, no network: a gzip export in memory is decoded and written, case by case in turns, several times; medians
of processor time of all threads, so that a shared machine disturbs little. DuckDB's own reader has one thread. Rows are
counted after each case. Two shapes: ``targets`` as the emulator makes them, numbers that came as text among them, and
``campaigns`` of benchmarks/shapes.py, of which every row has a field that no column is for. PostgreSQL, which does its
work in processes of its own, is measured by ``python -m benchmarks.postgres``.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import chain, islice, repeat
from pathlib import Path

import duckdb

from asyncexport import Entity, Filters, Job, Profile
from asyncexport.accounts import Region
from asyncexport.emulator.records.data import rows
from asyncexport.emulator.world import World
from asyncexport.models import Evidence, SignedUrl, TransferOrder
from asyncexport.ports import Sink
from asyncexport.sansio.decoding.decode import Decoder
from asyncexport.sansio.tabular.columns import MODELS, PROVENANCE, Column, Many, Scalar
from asyncexport.sinks import DuckDB, JsonLines, Null, Parquet
from benchmarks.shapes import SHAPES

_CHUNK = 65_536
_KINDS = {
    Scalar.TEXT: "varchar",
    Scalar.NUMBER: "double",
    Scalar.INTEGER: "bigint",
    Scalar.BOOLEAN: "boolean",
    Scalar.MOMENT: "timestamptz",
    Scalar.DATE: "date",
}
Case = Callable[[Path], int]
"""Does the work below a folder and returns the number of rows."""


def emulated_targets(size: int) -> bytes:
    """Return the text of an export of emulated targets, repeated until it has about ``size`` bytes."""
    world = World.generate(seed=1, accounts=1, profiles=1, rows=20_000)
    profile = next(iter(world.profiles.values()))
    some = list(islice(rows(profile, Entity.TARGETS, Filters(), world.seed), 20_000))
    times = 1 + size // sum(map(len, some))
    return b"[" + b",".join(chain.from_iterable(repeat(some, times))) + b"]"


def exports(size: int) -> dict[Entity, bytes]:
    """Return the gzip files that are measured with."""
    shape = "".join(SHAPES["campaigns"](size)).encode()
    texts = {Entity.TARGETS: emulated_targets(size), Entity.CAMPAIGNS: shape}
    return {entity: gzip.compress(text, 6) for entity, text in texts.items()}


def into(make: Callable[[Path], Sink], entity: Entity, data: bytes, *, objects: bool = False) -> Case:
    """Return the case of one sink."""

    async def move(folder: Path) -> int:
        job = Job(Profile("bench", Region.NA, "1"), entity, snapshot="bench")
        order = replace(TransferOrder(job, "export-1", SignedUrl("")), generated_at="2026-11-23T02:00:00Z")
        decoder = Decoder(objects=objects)
        async with make(folder).open(order) as writer:
            for at in range(0, len(data), _CHUNK):
                for batch in decoder.feed(data[at : at + _CHUNK]):
                    await writer.write(batch)
            for batch in decoder.close():
                await writer.write(batch)
            writer.seal(Evidence(len(data), "gzip"))
        return writer.receipt.rows

    return lambda folder: asyncio.run(move(folder))


def decoded(data: bytes, *, objects: bool) -> Case:
    """Return the case of decoding for nobody."""

    def run(_folder: Path) -> int:
        decoder, count = Decoder(objects=objects), 0
        batches = chain.from_iterable(decoder.feed(data[at : at + _CHUNK]) for at in range(0, len(data), _CHUNK))
        for batch in chain(batches, (each for closing in (decoder.close,) for each in closing())):
            count += len(batch.rows()) if objects else batch.text.count(b"\n")
        return count

    return run


def by_duckdb(data: bytes, entity: Entity | None = None) -> Case:
    """Return the case of DuckDB's own reader of the gzip file into Parquet, one thread.

    Types are inferred; given an entity they are ours, with our columns of where a row is from. Then what we keep in
    ``extra`` is lost, for DuckDB passes over fields that it is not asked for.
    """
    how = "sample_size = 1000, union_by_name = true"
    more = ""
    if entity is not None:
        ours = ", ".join(f"{name}: '{kind_of(kind)}'" for name, kind in MODELS[entity].items())
        how = f"columns = {{{ours}}}"
        more = "".join(f", '{name} of it' as {name}" for name in PROVENANCE)

    def run(folder: Path) -> int:
        source, goal = folder / "export.json.gz", folder / "export.parquet"
        source.write_bytes(data)
        with duckdb.connect(config={"threads": 1}) as connection:
            read = f"select *{more} from read_json('{source}', format = 'array', {how})"  # noqa: S608
            connection.execute(f"copy ({read}) to '{goal}' (format parquet, compression zstd)")
            (found,) = connection.execute("select count(*) from read_parquet($1)", [str(goal)]).fetchone() or (0,)
        return int(found)

    return run


def kind_of(column: Column) -> str:
    """Return DuckDB's word for the type of a column."""
    if isinstance(column, Scalar):
        return _KINDS[column]
    if isinstance(column, Many):
        return f"{kind_of(column.of)}[]"
    fields = ", ".join(f'"{name}" {kind_of(each)}' for name, each in column.items())
    return f"struct({fields})"


def cases(entity: Entity, data: bytes) -> dict[str, Case]:
    """Return what is compared; the first is what the others are ratios of."""
    return {
        "decoded to text, no sink": decoded(data, objects=False),
        "decoded to objects, no sink": decoded(data, objects=True),
        "Null": into(lambda _: Null(), entity, data),
        "JSON Lines": into(lambda folder: JsonLines(folder, compression="none"), entity, data),
        "JSON Lines, zstd": into(JsonLines, entity, data),
        "Parquet": into(Parquet, entity, data),
        "DuckDB": into(lambda folder: DuckDB(folder / "ads.duckdb"), entity, data),
        "duckdb read_json to Parquet": by_duckdb(data),
        "the same, told our columns": by_duckdb(data, entity),
    }


def seconds(case: Case, expected: int) -> float:
    """Run a case once; return processor seconds. Raises ``ValueError`` if a row is lost."""
    folder = Path(tempfile.mkdtemp(prefix="sinks-"))
    try:
        begun = time.process_time()
        found = case(folder)
        spent = time.process_time() - begun
    finally:
        shutil.rmtree(folder)
    if found != expected:
        raise ValueError(f"{found} rows instead of {expected}")
    return spent


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=float, default=50.0, help="MB of text of each export")
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()
    for entity, data in exports(int(options.size * 1e6)).items():
        compared = cases(entity, data)
        text = len(gzip.decompress(data))
        expected = next(iter(compared.values()))(Path())
        spent: dict[str, list[float]] = {name: [] for name in compared}
        for _ in range(options.times):
            for name, case in compared.items():
                spent[name].append(seconds(case, expected))
        medians = {name: statistics.median(each) for name, each in spent.items()}
        base = next(iter(medians.values()))
        print(f"{entity.value}: {text / 1e6:.0f} MB of text, {expected:,} rows")
        for name, median in medians.items():
            print(f"  {name:32} {text / 1e6 / median:7.0f} MB/s of processor time  {base / median:5.2f}")
        for other in list(medians)[-2:]:
            print(f"  Parquet / {other}: {medians[other] / medians['Parquet']:.2f}")


if __name__ == "__main__":
    main()
