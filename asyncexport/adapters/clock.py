"""Real time: the running event loop's monotonic clock."""

from __future__ import annotations

import time

import anyio


class SystemClock:
    """A :class:`asyncexport.ports.Clock` that waits for real."""

    def now(self) -> float:
        """Return monotonic seconds."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait; at least lets other tasks run."""
        await anyio.sleep(max(0.0, seconds))
