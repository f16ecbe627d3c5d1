"""Ours: large exports through a whole exporter, moved in its loop, in worker processes, or on a Dask cluster.

What is told as ``MB/s`` is text by the wall time from the first request to the last outcome: the start of processes is
in it, that of a cluster is not.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from asyncexport import Account, Entity, Exported, Exporter, Limits, plan
from benchmarks.cases.one_export import SINKS
from benchmarks.peers.work import Ticker, say, told

LIMITS = Limits(in_progress=64, rate=1000.0, burst=1000, downloads=16, looks=1000.0)
"""As if nothing but 16 downloads at once held the client back."""


async def pull(work: dict[str, Any]) -> dict[str, float]:
    """Pull one export of each profile; return the rows and what it took."""
    sink = SINKS[work["sink"]](Path(work["out"]) / "rows")
    async with Exporter([Account(**work["account"])], limits=LIMITS, **work["place"]) as exporter:
        jobs = plan(await exporter.profiles(), entities=[Entity.CAMPAIGNS], snapshot="bench")
        began = time.perf_counter()
        async with Ticker() as ticker, exporter.run(jobs, sink=sink) as running:
            outcomes = [outcome async for outcome in running]
        seconds = time.perf_counter() - began
    done = [outcome for outcome in outcomes if isinstance(outcome, Exported)]
    if len(done) != len(jobs):
        raise RuntimeError(f"{len(jobs) - len(done)} exports failed: {outcomes}"[:1000])
    pace = work["text_bytes"] * len(jobs) / seconds / 1e6
    return {"rows": sum(each.receipt.rows for each in done), "MB/s": pace, **ticker.figures()}


if __name__ == "__main__":
    say(**asyncio.run(pull(told())))
