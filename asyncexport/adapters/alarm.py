"""Ends of patience: a block that is cancelled after so many seconds, on whatever clock there is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio

from asyncexport.ports import Clock

_A_MOMENT = 1e-3


@asynccontextmanager
async def alarm(
    clock: Clock, seconds: float, scope: anyio.CancelScope, more: Callable[[], float] = lambda: 0.0
) -> AsyncIterator[None]:
    """Cancel ``scope`` in so many seconds, unless the block has been left by then.

    When they are over, ``more`` says how many seconds are left after all; 0 or less: none.
    """

    async def ring() -> None:
        await clock.sleep(seconds)
        while (left := more()) > _A_MOMENT:
            await clock.sleep(left)
        scope.cancel()

    ringing = asyncio.create_task(ring())
    try:
        yield
    finally:
        ringing.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.wait([ringing])
