"""``python -m benchmarks.postgres``: exports into PostgreSQL beside plain ``COPY`` of the same rows, ready made.

The server is one of our own, on loopback, that does not wait for its disk. Cases run in turns, several times: medians
of wall time, and of processor time of this process and of all of the server's. Plain ``COPY`` is measured three times:
the lines of JSON as they are, into one column of ``text``, where nothing looks at them, and into one of ``jsonb``; and
the columns that the sink has, from lines that were made before. The sink makes the columns itself, from text that was
decoded before, or from the gzip export. Rows are counted after each case.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

import asyncpg

from asyncexport import Entity, Job, Profile
from asyncexport.accounts import Region
from asyncexport.batch import Batch
from asyncexport.models import Evidence, SignedUrl, TransferOrder
from asyncexport.sansio.decoding.decode import Decoder
from asyncexport.sansio.tabular.copying import DELIMITER, NULL, Copying, columns_of
from asyncexport.sinks import Postgres
from asyncexport.sinks.databases import TABLES
from benchmarks.sinks import exports
from tests.sinks.postgres_server import PostgresServer, serving

_CHUNK = 65_536
_ORDER = TransferOrder(Job(Profile("bench", Region.NA, "1"), Entity.ADS, snapshot="bench"), "export-1", SignedUrl(""))
Case = Callable[[], Awaitable[int]]
"""Does the work and returns the number of rows."""


@dataclass(frozen=True)
class Spent:
    """Seconds: of the clock, and of the processors here and at the server."""

    wall: float
    here: float
    there: float


def decoded(data: bytes) -> list[Batch]:
    """Return the batches of a gzip export."""
    decoder = Decoder()
    fed = (decoder.feed(data[at : at + _CHUNK]) for at in range(0, len(data), _CHUNK))
    return [*chain.from_iterable(fed), *decoder.close()]


async def chunks(text: bytes) -> AsyncIterator[bytes]:
    """Yield some bytes after the other."""
    for at in range(0, len(text), _CHUNK):
        yield text[at : at + _CHUNK]


async def plainly(dsn: str, text: bytes, kind: str) -> int:
    """Copy lines of JSON into one column of a kind."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"create table plain (line {kind})")
    delimiter, quote = "\x02\x01"  # which stand nowhere in JSON
    await connection.copy_to_table("plain", source=chunks(text), format="csv", delimiter=delimiter, quote=quote)
    count = await connection.fetchval("select count(*) from plain")
    await connection.close()
    return int(count)


async def in_columns(dsn: str, lines: bytes, entity: Entity) -> int:
    """Copy lines that were made before into the columns that the sink has."""
    await Postgres(dsn, schema="bench").prepare()
    table = f"{TABLES[entity]}_rows"
    connection = await asyncpg.connect(dsn)
    await connection.copy_to_table(
        table,
        schema_name="bench",
        columns=[name.lower() for name in columns_of(entity)],
        source=chunks(lines),
        delimiter=DELIMITER,
        null=NULL,
    )
    count = await connection.fetchval(f"select count(*) from bench.{table}")  # noqa: S608
    await connection.close()
    return int(count)


async def by_the_sink(dsn: str, entity: Entity, batches: Callable[[], list[Batch]]) -> int:
    """Store an export."""
    order = replace(_ORDER, job=replace(_ORDER.job, entity=entity), generated_at="2026-11-23T02:00:00Z")
    async with Postgres(dsn, schema="bench") as sink:
        async with sink.open(order) as writer:
            for batch in batches():
                await writer.write(batch)
            writer.seal(Evidence(1, "gzip"))
        return writer.receipt.rows


def cases(dsn: str, entity: Entity, data: bytes) -> dict[str, Case]:
    """Return what is compared."""
    ready = decoded(data)
    text = b"".join(batch.text for batch in ready)
    lines = Copying(entity).of(text)
    return {
        "COPY, one column of text": partial(plainly, dsn, text, "text"),
        "COPY, one column of jsonb": partial(plainly, dsn, text, "jsonb"),
        "COPY, the sink's columns, made before": partial(in_columns, dsn, lines, entity),
        "Postgres, from text": partial(by_the_sink, dsn, entity, lambda: ready),
        "Postgres, from the gzip export": partial(by_the_sink, dsn, entity, lambda: decoded(data)),
    }


def spent(server: PostgresServer, case: Case, expected: int) -> Spent:
    """Run a case once, in an empty database. Raises ``ValueError`` if a row is lost."""
    server.say("drop schema if exists bench cascade; drop table if exists plain; checkpoint")
    begun = time.perf_counter(), time.process_time(), server.processor_seconds()
    found = asyncio.run(_one(case))
    ended = time.perf_counter(), time.process_time(), server.processor_seconds()
    if found != expected:
        raise ValueError(f"{found} rows instead of {expected}")
    return Spent(*(after - before for before, after in zip(begun, ended, strict=True)))


async def _one(case: Case) -> int:
    return await case()


def median(of: list[Spent]) -> Spent:
    """Return the medians of each."""
    return Spent(*(statistics.median(getattr(each, name) for each in of) for name in ("wall", "here", "there")))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=float, default=50.0, help="MB of text of each export")
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    with serving() as server:
        for entity, data in exports(int(options.size * 1e6)).items():
            compared = cases(server.dsn, entity, data)
            size, count = len(gzip.decompress(data)) / 1e6, sum(batch.count for batch in decoded(data))
            found: dict[str, list[Spent]] = {name: [] for name in compared}
            for _ in range(options.times):
                for name, case in compared.items():
                    found[name].append(spent(server, case, count))
            print(f"{entity.value}: {size:.0f} MB of text, {count:,} rows")
            for name, each in ((name, median(each)) for name, each in found.items()):
                print(
                    f"  {name:38} {size / each.wall:5.0f} MB/s, processor seconds {each.here:5.2f} here, "
                    f"{each.there:5.2f} at the server, together {size / (each.here + each.there):5.0f} MB/s"
                )


if __name__ == "__main__":
    main()
