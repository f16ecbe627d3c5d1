"""A Dask cluster without Dask: the exporter's side and the offices are real, and what is between them is calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from asyncexport.engine.runners.dask import office as offices
from asyncexport.engine.runners.dask import seats as places
from asyncexport.engine.runners.dask.office import Office, ToSeat
from asyncexport.engine.runners.dask.seats import Seats
from asyncexport.engine.runners.dask.words import TOPIC, Packed, Terms
from asyncexport.sansio.pacing.backoff import Backoff
from asyncexport.testing import FakeTransport, Opening
from tests.engine.support import Events

TERMS = Terms(None, Backoff(first=0.0), 600.0)


class NearWorker:
    """What an office has of its Dask worker, and what becomes of its events. One that is dead is not heard."""

    def __init__(self, address: str, desk: Seats) -> None:
        self.address = address
        self.is_dead = False
        self._desk = desk
        self._loop = asyncio.get_running_loop()

    def log_event(self, topic: str, event: tuple[str, bytes]) -> None:
        """Send an event, from any thread."""
        assert topic == TOPIC
        self._loop.call_soon_threadsafe(self._hear, Packed(event[1]).unpacked())

    def _hear(self, message: Any) -> None:
        if not self.is_dead:
            self._desk.hear(message)


class NearTask:
    """A task that Dask runs, and runs again where its worker died."""

    def __init__(self, cluster: NearCluster, number: int) -> None:
        self._cluster = cluster
        self._number = number
        self._done = asyncio.get_running_loop().create_future()
        self.run()

    def run(self) -> None:
        """Sit in the newest office, if there is room."""
        if self._cluster.is_full:
            return
        office = self._cluster.office
        self._sitting = asyncio.ensure_future(asyncio.to_thread(office.sit, self._number, self))
        self._sitting.add_done_callback(lambda _: self.end(office))

    def end(self, office: Office) -> None:
        """Have it done, unless it runs again elsewhere."""
        if office is self._cluster.office and not self._done.done():
            self._done.set_result(None)

    def succeed(self) -> None:
        """Have it done without anybody having sat there."""
        self._done.set_result(None)

    def fail(self, error: BaseException) -> None:
        """Have Dask give it up."""
        self._done.set_exception(error)

    def release(self) -> None:
        """Hear that nobody wants it any more."""
        self._cluster.tasks.remove(self)
        self._cluster.office.transition(self, "executing", "released")

    def __await__(self) -> Generator[Any, None, None]:
        return self._done.__await__()


class NearCluster:
    """One worker with one office, and another one each time the one before has died.

    So many messages to come are ``unheard``, or heard and ``unanswered``; when it ``is_full``, tasks wait.
    """

    def __init__(self, desk: Seats) -> None:
        self.told: list[ToSeat] = []
        self.tasks: list[NearTask] = []
        self.asked_for: list[list[str] | None] = []
        self.unheard = 0
        self.unanswered = 0
        self.is_full = False
        self._desk = desk
        self._workers: list[NearWorker] = []
        self._offices: list[Office] = []
        self._open_office()

    @property
    def office(self) -> Office:
        """The newest office."""
        return self._offices[-1]

    def kill(self) -> None:
        """Have the worker die: its transfers end, nobody hears it any more, and Dask runs its tasks elsewhere."""
        self._workers[-1].is_dead = True
        dying = self.office
        self._open_office()
        self._ending = asyncio.ensure_future(dying.teardown(cast("Any", None)))
        for task in self.tasks:
            task.run()

    def seat(self, number: int) -> NearTask:
        """Run a task."""
        self.tasks.append(NearTask(self, number))
        return self.tasks[-1]

    def look(self) -> None:
        """Notice nothing."""

    async def tell(self, address: str, message: ToSeat) -> bool | None:
        """Tell the office there."""
        self.told.append(message)
        if self.unheard:
            self.unheard -= 1
            return False
        was_heard = self._offices[int(address)].hear(message)
        if self.unanswered:
            self.unanswered -= 1
            return None
        return was_heard

    async def asked(self, ask: Any, *args: Any, workers: list[str] | None = None) -> dict[str, Any]:
        """Ask the worker."""
        self.asked_for.append(workers)
        return {self._workers[-1].address: await ask(*args)}

    async def aclose(self) -> None:
        """Close all offices."""
        for office in self._offices:
            await office.teardown(cast("Any", None))

    def _open_office(self) -> None:
        worker, office = NearWorker(str(len(self._offices)), self._desk), Office("near", TERMS)
        office.setup(cast("Any", worker))
        self._workers.append(worker)
        self._offices.append(office)


@asynccontextmanager
async def seats(*downloads: Opening) -> AsyncIterator[tuple[Seats, NearCluster, FakeTransport]]:
    """Have seats near by, on scripted downloads, every transfer being worth one."""
    transport = FakeTransport(downloads=list(downloads))

    @asynccontextmanager
    async def opened(_: Terms) -> AsyncIterator[FakeTransport]:
        yield transport

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(offices, "opened", opened)
        patch.setattr(places, "WORTH_A_SEAT", 0)
        there = Seats("near", TERMS, Events())
        near = NearCluster(there)
        there.cluster = there._reach._cluster = cast("Any", near)
        try:
            yield there, near, transport
        finally:
            await near.aclose()
