"""Ours: every export of every profile through the slots there are, as a program that embeds the library does it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from asyncexport import Account, Exported, Exporter, plan
from benchmarks.cases.one_export import SINKS
from benchmarks.peers.work import Ticker, say, told


async def pull(work: dict[str, Any]) -> dict[str, float]:
    """Pull it all, with journal and receipts; nothing has been learned on earlier nights."""
    out = Path(work["out"])
    async with Ticker() as ticker, Exporter([Account(**work["account"])], state_dir=out / "state") as exporter:
        jobs = plan(await exporter.profiles(), snapshot="bench")
        async with exporter.run(jobs, sink=SINKS[work["sink"]](out)) as running:
            outcomes = [outcome async for outcome in running]
    if failed := [outcome for outcome in outcomes if not isinstance(outcome, Exported)]:
        raise RuntimeError(f"{len(failed)} exports failed, the first: {failed[0]}")
    return ticker.figures()


if __name__ == "__main__":
    say(**asyncio.run(pull(told())))
