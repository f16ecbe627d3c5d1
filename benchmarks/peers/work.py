"""What a peer is told, and how it says what it saw. The standard library alone: it runs in anybody's environment."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

ENTITIES = ("campaigns", "adGroups", "targets", "ads")
BODY = {
    "stateFilter": ["ENABLED", "PAUSED", "ARCHIVED"],
    "adProductFilter": ["SPONSORED_PRODUCTS", "SPONSORED_BRANDS", "SPONSORED_DISPLAY"],
}
"""What everybody asks for: the API's own default would leave archived rows out."""

LOOK_SECONDS = 2.0
_TICK = 0.002


def told() -> dict[str, Any]:
    """Return the work: ``url`` of an export, or ``account`` and ``profiles``; ``out`` is the folder for the rows."""
    work: dict[str, Any] = json.loads(sys.stdin.read())
    return work


def target(work: dict[str, Any], name: str = "rows") -> Path:
    """Return the file of JSON Lines that rows go to."""
    return Path(work["out"]) / f"{name}.jsonl"


def say(**figures: float) -> None:
    """Say what was seen, for :class:`benchmarks.harness.measure.Usage`."""
    print(json.dumps(figures), flush=True)


class Ticker:
    """Wakes every 2 ms in the loop that it is entered in, and takes down how late it is: how long the loop was held."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Ticker:
        self._task = asyncio.create_task(self._tick())
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _tick(self) -> None:
        while True:
            due = time.perf_counter() + _TICK
            await asyncio.sleep(_TICK)
            self.late.append(max(0.0, time.perf_counter() - due))

    def figures(self) -> dict[str, float]:
        """Return median, p99, p99.9 and the longest, in milliseconds."""
        late = sorted(self.late) or [0.0]
        return {
            name: 1000 * late[min(len(late) - 1, int(share * len(late)))]
            for name, share in (("stall p50", 0.5), ("stall p99", 0.99), ("stall p99.9", 0.999), ("stall max", 1.0))
        }
