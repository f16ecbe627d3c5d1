"""Ours: one finished export, from its signed URL into a committed sink, in the loop or in worker processes.

Everything that a run does with it: download, check sums, rows proven, a receipt, fsync before the rename.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from asyncexport import Entity, Job, Profile
from asyncexport.accounts import Region
from asyncexport.adapters.clock import SystemClock
from asyncexport.adapters.http import AiohttpTransport
from asyncexport.engine.runners import InProcess
from asyncexport.engine.transfers.border import GuardedSink
from asyncexport.engine.transfers.turns import Turns
from asyncexport.events import Event
from asyncexport.models import SignedUrl, TransferOrder
from asyncexport.ports import Sink
from asyncexport.sinks import DuckDB, JsonLines, Null, Parquet
from benchmarks.peers.work import Ticker, say, told

SINKS: dict[str, Callable[[Path], Sink]] = {
    "null": lambda _: Null(),
    "jsonl": lambda out: JsonLines(out, compression="none"),
    "jsonl-gzip": lambda out: JsonLines(out, compression="gzip"),
    "jsonl-zstd": lambda out: JsonLines(out, compression="zstd"),
    "parquet": Parquet,
    "duckdb": lambda out: DuckDB(out / "ads.duckdb"),
}
"""By name: a new sink is a new line here and one in :data:`benchmarks.programs.SINKS`."""


async def move(work: dict[str, Any]) -> int:
    """Move one export ``times`` times at once into the sink; return how many rows were committed."""
    sink, clock = SINKS[work["sink"]](Path(work["out"])), SystemClock()
    async with AiohttpTransport() as transport:
        runner = InProcess(
            transport=transport,
            clock=clock,
            spread=random.random,
            listener=_nobody,
            guard=partial(GuardedSink, clock=clock, seconds=600.0, listener=_nobody),
            renew=_no_other,
            store_is_busy=lambda: None,
            turns=Turns(clock),
        )
        orders = [_order(work["url"], number) for number in range(work.get("times", 1))]
        receipts = await asyncio.gather(*(runner.run(order, sink) for order in orders))
    return sum(receipt.rows for receipt in receipts)


def _order(url: str, number: int) -> TransferOrder:
    profile = Profile("bench", Region.NA, str(1000 + number))
    return TransferOrder(Job(profile, Entity.CAMPAIGNS, snapshot="bench"), f"export-{number}", SignedUrl(url))


async def _no_other(order: TransferOrder) -> SignedUrl:
    return order.url


def _nobody(event: Event) -> None:
    pass


async def _main() -> None:
    async with Ticker() as ticker:
        rows = await move(told())
    say(rows=rows, **ticker.figures())


if __name__ == "__main__":
    asyncio.run(_main())
