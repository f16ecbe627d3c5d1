"""Real time: the running event loop's monotonic clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import anyio


class SystemClock:
    """A :class:`asyncexport.ports.Clock` that waits for real."""

    def now(self) -> float:
        """Return monotonic seconds."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait; at least lets other tasks run."""
        await anyio.sleep(max(0.0, seconds))

    def call_later(self, seconds: float, call: Callable[[], None]) -> Callable[[], object]:
        """Call ``call`` from the event loop in so many seconds; return what takes that back."""
        return asyncio.get_running_loop().call_later(seconds, call).cancel
