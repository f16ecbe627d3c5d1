"""A run over many profiles in a process that may hardly open a file: ``python -m tests.faults.few_files FOLDER ROOM``.

The accounts come on standard input, one JSON object each. With ``ROOM`` 0 the limit is left as it is. Prints one JSON
object: how many outcomes of which kind there were, which descriptors the run left open, and how many times it was told
that there are none left.
"""

from __future__ import annotations

import asyncio
import json
import math
import resource
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from asyncexport import Account, Exported, Exporter, Limits, Schedule, plan
from asyncexport.adapters.connecting import Patience
from asyncexport.adapters.http import AiohttpTransport
from asyncexport.events import Event, OddityNoticed
from asyncexport.sansio.pacing.backoff import Backoff
from asyncexport.sinks import JsonLines
from tests.faults.stepping import descriptors


async def pulled(accounts: list[Account], folder: Path, told: list[str]) -> Mapping[str, int]:
    """Pull everything; count outcomes by what they are, and note the oddities that were ``told``."""

    def listen(event: Event) -> None:
        if isinstance(event, OddityNoticed):
            told.append(event.what)

    quick = Backoff(first=0.05, longest=1.0)
    transport = AiohttpTransport(patience=Patience(idle=0.1))
    async with (
        transport,
        Exporter(
            accounts,
            state_dir=folder / "state",
            limits=Limits(in_progress=10, rate=1000.0, burst=1000, downloads=60),
            schedule=Schedule(first=0.01, longest=0.1),
            backoff=quick,
            transport=transport,
            listener=listen,
        ) as exporter,
    ):
        jobs = plan(await exporter.profiles(), snapshot="s")
        async with exporter.run(jobs, sink=JsonLines(folder / "out")) as outcomes:
            found = [outcome async for outcome in outcomes]
    assert {outcome.job for outcome in found} == set(jobs)
    return Counter("Exported" if isinstance(each, Exported) else type(each.error).__name__ for each in found)


async def main(folder: Path, room: int) -> None:
    """Run with ``room`` more descriptors than are open now."""
    accounts = [Account(**json.loads(line)) for line in sys.stdin]
    asyncio.get_running_loop().slow_callback_duration = math.inf
    before = descriptors()
    if room:
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(before) + room, hard))
    told: list[str] = []
    outcomes = await pulled(accounts, folder, told)
    scarce = sum("no descriptors are left" in what for what in told)
    json.dump({"outcomes": outcomes, "left": sorted(descriptors() - before), "scarce": scarce}, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
