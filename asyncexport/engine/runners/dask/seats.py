"""The seats of one exporter on a Dask cluster: what a pool of worker processes is on one machine.

Contract: a transfer that is worth the journey takes a seat for as long as it lasts, however large the cluster is; how
many run in all is not decided here. A third try takes its seat when no other third try has one, so that what kills
workers takes each of the others down twice at most. The loss of the cluster ends every transfer on it, with
:class:`ClusterLost`, and so does a cluster without a worker for :data:`LONELY_SECONDS` those that wait for a seat.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import anyio

from asyncexport.engine.runners.dask.cluster import LOOK_SECONDS, Cluster
from asyncexport.engine.runners.dask.local import LocalCluster
from asyncexport.engine.runners.dask.reach import Reach
from asyncexport.engine.runners.dask.seat import Seat
from asyncexport.engine.runners.dask.words import FromOffice, Terms
from asyncexport.errors import ClusterLost
from asyncexport.events import OddityNoticed
from asyncexport.ports import Listener, Sink, Travels
from asyncexport.sansio.scheduling.placing import WORTH_A_SEAT

LONELY_SECONDS = 60.0


class Seats:
    """Seats on the cluster at ``where``, for transfers on these ``terms``; ``listener`` hears what stays here."""

    def __init__(self, where: str | LocalCluster, terms: Terms, listener: Listener) -> None:
        self.cluster = Cluster(where, terms, self)
        self._listener = listener
        self._reach = Reach(self.cluster)
        self._seats: dict[int, Seat] = {}
        self._numbers = count()
        self._alone = anyio.Lock()
        self._lonely = 0.0

    def __repr__(self) -> str:
        return f"<Seats {list(self._seats.values())} in {self.cluster!r}>"

    async def open(self) -> None:
        """Connect. Raises :class:`ClusterLost` and :class:`ConfigError`."""
        await self.cluster.open()

    async def aclose(self) -> None:
        """Close the offices, the connection, and the cluster if it is our own."""
        await self.cluster.aclose()

    async def check(self, sink: Sink) -> None:
        """Refuse a sink that means another place on a worker. Raises :class:`ConfigError` with worker and path."""
        if not isinstance(sink, Travels) or not sink.travels:
            name = type(sink).__name__
            self._listener(OddityNoticed(f"{name} is for this process alone: nothing into it runs on the Dask cluster"))
        await self._reach.check(sink)

    @asynccontextmanager
    async def place(self, size: int) -> AsyncIterator[Seat | None]:
        """Take a seat for a transfer of so many bytes, None for the loop, for as long as the block lasts."""
        if size < WORTH_A_SEAT:
            yield None
            return
        number = next(self._numbers)
        seat = self._seats[number] = Seat(self.cluster, number, self._reach.check_at)
        try:
            yield seat
        finally:
            del self._seats[number]
            await seat.close()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[Seat | None]:
        """Take a seat, for a third try, beside no other third try."""
        async with self._alone, self.place(WORTH_A_SEAT) as seat:
            yield seat

    def hear(self, message: FromOffice) -> None:
        """Hear what an office says about a seat; about one that was left, nobody does."""
        if (seat := self._seats.get(message.number)) is not None:
            seat.hear(message)

    def count(self, workers: int) -> None:
        """Let nobody wait too long for a seat where no worker is."""
        self._lonely = 0.0 if workers else self._lonely + LOOK_SECONDS
        if self._lonely >= LONELY_SECONDS:
            for seat in self._seats.values():
                seat.refuse(ClusterLost(f"the Dask cluster has had no worker for {LONELY_SECONDS:g} s"))

    def lose(self, error: ClusterLost) -> None:
        """End everything."""
        for seat in self._seats.values():
            seat.refuse(error)
