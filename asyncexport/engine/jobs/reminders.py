"""Something to be done at a set moment, whoever is there then to do it.

Entries stand in a heap; whoever rings sleeps until the first of them and calls what is due. Several may ring at once,
one for each run: each entry is called once, by the first that wakes. Nobody rings between runs, so what falls due then
is called when the next run begins. While there is no entry nobody sleeps.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

import anyio

from asyncexport.ports import Clock


class Reminders:
    """Calls what it was given, at its moment in the clock's seconds. What it calls must return at once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = count()
        self._sooner = anyio.Event()

    def set(self, moment: float, call: Callable[[], object]) -> None:
        """Call ``call`` at ``moment``, or as soon as somebody rings."""
        first = self._entries[0][0] if self._entries else float("inf")
        heapq.heappush(self._entries, (moment, next(self._numbers), call))
        if moment < first:
            self._sooner.set()
            self._sooner = anyio.Event()

    async def ring(self) -> None:
        """Call what is due, until cancelled."""
        while True:
            self._call_due()
            sooner = self._sooner
            if self._entries:
                await self._nap(self._entries[0][0] - self._clock.now(), sooner)
            else:
                await sooner.wait()

    def _call_due(self) -> None:
        now = self._clock.now()
        while self._entries and self._entries[0][0] <= now:
            heapq.heappop(self._entries)[2]()

    async def _nap(self, seconds: float, sooner: anyio.Event) -> None:
        async with anyio.create_task_group() as tasks:

            async def sleep() -> None:
                await self._clock.sleep(seconds)
                tasks.cancel_scope.cancel()

            tasks.start_soon(sleep)
            await sooner.wait()
            tasks.cancel_scope.cancel()

    def __repr__(self) -> str:
        return f"<Reminders of {len(self._entries)} moments>"
