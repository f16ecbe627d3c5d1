"""Ours: thousands of exports of one row each, with everything a run does for each of them.

Request, look, download, proof, commit (fsync and rename of the file and its receipt), three notes in the journal. What
is told as ``ms an export`` is the processor time of the run alone, start-up and discovery aside.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from asyncexport import Account, Exported, Exporter, Limits, plan
from asyncexport.sinks import Null
from benchmarks.cases.one_export import SINKS
from benchmarks.peers.work import Ticker, say, told

_AT_ONCE = 64
LIMITS = Limits(in_progress=_AT_ONCE, rate=1000.0, burst=1000, downloads=_AT_ONCE, looks=1000.0)
"""As if nothing held the client back: what is left is what the client itself takes."""


async def pull(work: dict[str, Any]) -> dict[str, float]:
    """Pull every export of every profile; return what it took."""
    out = Path(work["out"])
    sink = SINKS[work["sink"]](out / "rows")
    state = None if isinstance(sink, Null) else out / "state"
    async with Exporter([Account(**work["account"])], state_dir=state, limits=LIMITS) as exporter:
        jobs = plan(await exporter.profiles(), snapshot="bench")
        busy = time.process_time()
        async with Ticker() as ticker, exporter.run(jobs, sink=sink) as running:
            outcomes = [outcome async for outcome in running]
        busy = time.process_time() - busy
    done = [outcome for outcome in outcomes if isinstance(outcome, Exported)]
    if len(done) != len(jobs):
        raise RuntimeError(f"{len(jobs) - len(done)} exports failed: {outcomes}"[:1000])
    rows = sum(each.receipt.rows for each in done)
    return {"rows": rows, "ms an export": 1000 * busy / len(jobs), **ticker.figures()}


if __name__ == "__main__":
    say(**asyncio.run(pull(told())))
