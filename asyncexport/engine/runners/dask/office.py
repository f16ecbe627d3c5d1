"""An exporter's office in a Dask worker: it runs the transfers for which the exporter's tasks have found a seat there.

Contract: a task (:func:`sit`) takes one of the worker's threads for as long as its transfer lasts, so that Dask knows
what the worker is busy with. It brings no errand: the office tells the exporter who sits where, and the exporter sends
the errand (:func:`hear`). So the exporter alone decides what is begun, and once: a task that Dask runs again after a
worker died waits for an errand that does not come, and no signed URL is kept by the scheduler. For each errand exactly
one end is told. A task that Dask gives up, because its exporter called it back or is gone, has its transfer rolled
back, and so has every one when the worker closes.

Plan: the transfers of one worker share one loop, in a thread of its own beside Dask's, with one pool of connections; it
is started by the first task and ends with the office. What they log is logged there, where Dask's worker logs.

Worst case: a worker that is closed waits :data:`LAST_SECONDS` for transfers that do not end.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Final, TypeAlias

from distributed import Worker, WorkerPlugin, get_worker

from asyncexport.adapters.http import AiohttpTransport
from asyncexport.engine.runners.bench import Bench, collect_seldom
from asyncexport.engine.runners.dask.words import TOPIC, FromOffice, Packed, Seated, Terms
from asyncexport.engine.runners.messages import AboutErrand, Begin, Cancel, End, Renewed
from asyncexport.errors import ConfigError
from asyncexport.ports import Transport

LAST_SECONDS: Final = 5.0
"""So long transfers may take to clean up when the worker closes."""

ToSeat: TypeAlias = Begin | Cancel | Renewed

_GIVEN_UP = frozenset({"cancelled", "released", "forgotten"})


def sit(name: str, number: int) -> None:
    """Take a seat in the office called ``name`` until a transfer has ended. The task that Dask runs."""
    worker = get_worker()
    office = worker.plugins.get(name)
    if not isinstance(office, Office):
        raise ConfigError(f"the Dask worker {worker.address} could not be prepared; its log says why")
    office.sit(number, worker.get_current_task())


def hear(name: str, packed: Packed, *, dask_worker: Worker) -> bool:
    """Hand a message to the office called ``name``; return whether it was for somebody. Dask runs it in its loop."""
    office = dask_worker.plugins.get(name)
    return isinstance(office, Office) and office.hear(packed.unpacked())


class Office(WorkerPlugin):
    """The office of the exporter ``name`` in one worker; the exporter has one opened in each of them."""

    def __init__(self, name: str, terms: Terms) -> None:
        self.name = name
        self._terms = terms

    def setup(self, worker: Worker) -> None:
        """Open the office."""
        if self._terms.is_ours:
            collect_seldom()
        self._worker = worker
        self._lock = threading.Lock()
        self._opening = threading.Lock()
        self._seats: dict[int, _Seat] = {}
        self._room: _Room | None = None
        self._is_closed = False
        self._unwanted: set[object] = set()

    async def teardown(self, worker: Worker) -> None:
        """Close the office: roll back what is under way."""
        del worker
        with self._lock:
            self._is_closed = True
            seats = list(self._seats.values())
            self._seats.clear()
        await asyncio.to_thread(self._close_room)
        for seat in seats:
            seat.over.set()

    def transition(self, key: object, start: str, finish: str, **_: object) -> None:
        """Hear that Dask has given up a task, which may be one of ours."""
        if start == "executing" and finish in _GIVEN_UP:
            with self._lock:
                found = [number for number, seat in self._seats.items() if seat.key == key]
                if not found and str(key).startswith(f"{self.name}-"):
                    self._unwanted.add(key)  # before it sat down
            for number in found:
                if not self.hear(Cancel(number)):
                    self._leave(number)
        elif finish == "forgotten":
            self._unwanted.discard(key)

    def sit(self, number: int, key: object) -> None:
        """Say that a task sits here, and stay until its transfer has ended."""
        seat = _Seat(key)
        with self._lock:
            if self._is_closed or key in self._unwanted:
                self._unwanted.discard(key)
                return
            self._seats[number] = seat
        try:
            self._open_room()
        except BaseException:
            self._leave(number)
            raise
        self._say(Seated(number, self._worker.address, socket.gethostname()))
        seat.over.wait()

    def hear(self, message: ToSeat) -> bool:
        """Pass a message on, an errand once however often it comes; return whether it was for somebody."""
        with self._lock:
            room, seat = self._room, self._seats.get(message.number)
            begins = isinstance(message, Begin)
            if room is None or seat is None or not (begins or seat.has_begun):
                return False
            if not (begins and seat.has_begun):
                seat.has_begun = True
                room.take(message)
        return True

    def _open_room(self) -> None:
        """Open it, unless it is open or the office has closed meanwhile. Dask's loop never waits for it."""
        with self._opening:
            if self._room is None and not self._is_closed:
                self._room = _Room(self._terms, self._tell)

    def _close_room(self) -> None:
        with self._opening:
            room = self._room
        if room is not None:
            room.close()

    def _tell(self, message: AboutErrand) -> None:
        self._say(message)
        if isinstance(message, End):
            self._leave(message.number)

    def _leave(self, number: int) -> None:
        with self._lock:
            seat = self._seats.pop(number, None)
        if seat is not None:
            seat.over.set()

    def _say(self, message: FromOffice) -> None:
        packed = Packed.of(message)
        with suppress(RuntimeError):  # the worker has closed, and nobody hears it any more
            self._worker.log_event(TOPIC, (self.name, packed.data))


class _Seat:
    """What a task of Dask's waits on."""

    def __init__(self, key: object) -> None:
        self.key = key
        self.has_begun = False
        self.over = threading.Event()


class _Room:
    """The loop of an office, in a thread of its own. Raises what is in the way of one."""

    def __init__(self, terms: Terms, tell: Callable[[AboutErrand], None]) -> None:
        self._terms = terms
        self._tell = tell
        self._is_open = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="asyncexport", daemon=True)
        self._thread.start()
        self._is_open.wait()
        if self._failure is not None:
            raise self._failure

    def take(self, message: ToSeat) -> None:
        """Have the bench take a message."""
        with suppress(RuntimeError):  # closed meanwhile
            self._loop.call_soon_threadsafe(self._bench.take, message)

    def close(self) -> None:
        """Roll back what is under way and come back, in :data:`LAST_SECONDS` at the latest."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(LAST_SECONDS)

    def _work(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # noqa: BLE001  whoever waits for the room is told
            self._failure = error
        finally:
            self._is_open.set()

    async def _serve(self) -> None:
        self._loop, self._closing = asyncio.get_running_loop(), asyncio.Event()
        async with opened(self._terms) as transport:
            terms = self._terms
            self._bench = Bench(transport, self._tell, backoff=terms.backoff, sink_timeout=terms.sink_timeout)
            self._is_open.set()
            await self._closing.wait()
            await self._bench.clear()


def opened(terms: Terms) -> AbstractAsyncContextManager[Transport]:
    """Open what the transfers of one office share."""
    return AiohttpTransport(ca_file=terms.ca_file)
