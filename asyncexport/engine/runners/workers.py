"""Transfers in worker processes, and in the loop what is not worth a journey.

Contract: at most so many processes, started when there is something for them
(:mod:`asyncexport.sansio.scheduling.placing`), each with a loop of its own in which it moves several exports at once;
how many run in all is not decided here. A process that dies costs its errands another try in another one and no row:
what it had not committed is gone, and its ``.part`` with the next writer; for what it had committed without a word of
it the sink is asked. A transfer that saw two processes die is tried a third time in one of its own, so that it takes no
other down with it, and then fails as :class:`WorkerDied`; so does one that saw a process die where no other can be
started, since it might end the exporter next. Everything that happens in a worker is told and asked here as if it had
happened in the loop.

In the loop runs: what is small; what goes into a sink that does not travel (:class:`asyncexport.ports.Travels`) or
cannot be pickled or unpickled; and, once three processes in a row have not got to work, everything while none is there.

Worst case: a transfer that fails as :class:`WorkerDied` may leave its last ``.part`` until the next writer of it, in a
later run. As many processes as there are workers may run beside them, each for a third try.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

import anyio

from asyncexport.adapters.threads import ended
from asyncexport.engine.runners.carrying import Carrier, NotThere, Partner, Places, WorkerEnded
from asyncexport.engine.runners.messages import Errand, Setup
from asyncexport.engine.runners.process import Worker, nobody
from asyncexport.engine.transfers.border import Guard
from asyncexport.engine.transfers.transfer import Renew
from asyncexport.errors import ConfigError, WorkerDied
from asyncexport.events import OddityNoticed, TransferRestarted
from asyncexport.models import Job, Receipt, TransferOrder
from asyncexport.ports import Listener, Runner, Sink, Travels
from asyncexport.sansio.pacing.backoff import Backoff
from asyncexport.sansio.redact import EXCERPT, printable, scrub
from asyncexport.sansio.scheduling.placing import Placing, size_of

DEATHS: Final = 3
"""So many processes may die under one transfer."""

_NAMED: Final = logging.root.manager.loggerDict

_STILLBORN = 3
"""After so many processes in a row that ended before they were at work no further one is started."""


def starting(
    *,
    ca_file: str | os.PathLike[str] | None,
    backoff: Backoff,
    sink_timeout: float,
    environment: Mapping[str, str] | None = None,
    listener: Listener = nobody,
) -> Callable[[], Worker]:
    """Return what starts a worker that does as the exporter's own loop; ``environment``: None for this process's.

    ``listener`` is told of workers that even a kill does not end.
    """
    trusted = None if ca_file is None else os.fspath(ca_file)

    def start() -> Worker:
        return Worker(Setup(trusted, backoff, sink_timeout, _levels(), os.getpid()), environment, listener)

    return start


def _levels() -> dict[str, int]:
    named = {name: each.level for name, each in list(_NAMED.items()) if isinstance(each, logging.Logger) and each.level}
    return {"": logging.root.level} | named


async def begins(start: Callable[[], Worker]) -> bool:
    """Return whether worker processes can be started here, by starting one and ending it."""
    worker = start()
    try:
        return await worker.begun()
    finally:
        await _ended([worker])


class Pool:
    """The worker processes of one exporter: none at first, at most ``workers``. Close it in the loop that uses it.

    ``start`` starts one (:func:`starting`).
    """

    def __init__(self, workers: int, start: Callable[[], Worker]) -> None:
        self._placing = Placing(workers)
        self._start = start
        self._workers: list[Worker] = []
        self._lone: set[Worker] = set()
        self._is_closed = False
        self._untried: set[Worker] = set()
        self._stillborn = 0
        self._alone = anyio.Semaphore(workers)

    def __repr__(self) -> str:
        return f"<Pool {self._workers}>"

    @property
    def pids(self) -> list[int]:
        """The ids of the processes that take transfers."""
        return [worker.pid for worker in self._workers if worker.is_open]

    async def open(self) -> None:
        """Start nothing: nothing is worth a process yet."""

    async def check(self, sink: Sink) -> None:
        """Ask nothing: what this process can reach its workers can."""

    @asynccontextmanager
    async def place(self, size: int) -> AsyncIterator[Worker | None]:
        """Choose a worker for a transfer of so many bytes, None for the loop, for as long as the block lasts."""
        worker = self._chosen(size)
        if worker is None:
            yield None
            return
        worker.load += size
        try:
            yield worker
        finally:
            worker.load -= size
            self._judge(worker)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[Worker | None]:
        """Start a worker for one transfer and end it after the block; None if none can be started.

        There are at most as many of them at once as may be in the pool.
        """
        async with self._alone:
            if not self._is_usable:
                yield None
                return
            worker = self._started()
            self._lone.add(worker)
            try:
                yield worker
            finally:
                self._judge(worker)
                self._lone.discard(worker)
                await _ended([worker])

    async def aclose(self) -> None:
        """End all processes, wait until they have ended, and start no more."""
        self._is_closed = True
        workers, self._workers = [*self._workers, *self._lone], []
        await _ended(workers)

    @property
    def _is_usable(self) -> bool:
        return self._stillborn < _STILLBORN

    def _judge(self, worker: Worker) -> None:
        """Learn from a start, once: one that failed says that perhaps none can succeed, until one does."""
        if worker in self._untried and (worker.is_ready or not worker.is_open):
            self._untried.discard(worker)
            self._stillborn = 0 if worker.is_ready else self._stillborn + 1

    def _chosen(self, size: int) -> Worker | None:
        self._workers = [worker for worker in self._workers if not worker.has_ended]
        at_work = [worker for worker in self._workers if worker.is_open and (worker.is_ready or self._is_usable)]
        at = self._placing.place(size, [worker.load for worker in at_work])
        if at is None:
            return None
        if at < len(at_work):
            return at_work[at]
        if not self._is_usable:
            return min(at_work, key=lambda worker: worker.load, default=None)
        self._workers.append(self._started())
        return self._workers[-1]

    def _started(self) -> Worker:
        """Start one. Raises :class:`ConfigError` if the pool is closed: nobody would end it."""
        if self._is_closed:
            raise ConfigError("the exporter is used outside its 'async with' block")
        worker = self._start()
        self._untried.add(worker)
        return worker


async def _ended(workers: list[Worker]) -> None:
    """Let workers end and wait until they have, whoever is cancelled meanwhile."""

    async def all_ended() -> None:
        for worker in workers:
            await worker.ended()

    for worker in workers:
        worker.close()
    await ended(asyncio.create_task(all_ended()))


class Workers:
    """Runs transfers in the processes of a pool, or in the loop. A :class:`asyncexport.ports.Runner`.

    ``here`` is the loop's own runner, ``guard`` the border to a sink that is asked what a dead worker has committed;
    the others are what a transfer tells and asks.
    """

    def __init__(
        self,
        pool: Places,
        here: Runner,
        *,
        guard: Guard,
        listener: Listener,
        renew: Renew,
        store_is_busy: Callable[[], None],
    ) -> None:
        self._pool = pool
        self._here = here
        self._guard = guard
        self._listener = listener
        self._renew = renew
        self._store_is_busy = store_is_busy

    async def run(self, order: TransferOrder, sink: Sink) -> Receipt:
        """Move one export into the sink. Raises :class:`WorkerDied` besides what a transfer raises."""
        errand = self._packed(order, sink)
        partner = Partner(self._listener, lambda: self._renew(order), self._store_is_busy)
        deaths = 0
        while errand is not None and deaths < DEATHS:
            alone = deaths == DEATHS - 1
            size = size_of(order.file_size, deaths=deaths)
            async with self._pool.alone() if alone else self._pool.place(size) as worker:
                if worker is None:
                    break
                try:
                    return await worker.carry(errand, partner)
                except NotThere as reason:
                    self._tell_of(sink, str(reason))
                    break
                except WorkerEnded as end:
                    if worker.is_ready and (receipt := await self._committed(order, sink)) is not None:
                        return receipt
                    deaths += worker.is_ready
                    self._tell_of_end(order.job, worker, end)
        if deaths:
            died = f"{deaths} worker {'process' if deaths == 1 else 'processes'} died under it"
            where = "" if deaths == DEATHS else "; none but this one is left for it, which it might end too"
            raise WorkerDied(f"{order.job}: its transfer was given up after {died}{where}")
        return await self._here.run(order, sink)

    async def _committed(self, order: TransferOrder, sink: Sink) -> Receipt | None:
        """Return the receipt if the worker died after the commit and before its word of it."""
        receipt = await self._guard(sink).find(order)
        return receipt if receipt is not None and receipt.export_id == order.export_id else None

    def _packed(self, order: TransferOrder, sink: Sink) -> Errand | None:
        """Return the errand as it travels, None where the sink does not."""
        if not isinstance(sink, Travels) or not sink.travels:
            return None
        try:
            return Errand.of(order, sink)
        except Exception as error:  # noqa: BLE001  whatever somebody's sink raises
            self._tell_of(sink, f"{type(error).__name__}: {printable(scrub(str(error), EXCERPT))}")
            return None

    def _tell_of(self, sink: Sink, reason: str) -> None:
        name = type(sink).__name__
        self._listener(
            OddityNoticed(f"{name} cannot be used in a worker process, so its transfers run in this one: {reason}")
        )

    def _tell_of_end(self, job: Job, worker: Carrier, end: WorkerEnded) -> None:
        if worker.is_ready:
            self._listener(TransferRestarted(job, WorkerDied.__name__))
        else:
            self._listener(
                OddityNoticed(
                    f"a worker process did not get to work; where none does, transfers run in this one: {end}"
                )
            )

    def __repr__(self) -> str:
        return f"<Workers {self._pool!r}>"
