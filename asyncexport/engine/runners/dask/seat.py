"""A seat for one transfer on a Dask worker, as the exporter sees it.

Contract: it is a :class:`Carrier` of one errand. The scheduler chooses the worker and may let the task wait for as long
as others keep all of them busy. The errand goes to the first office that says that the task sits there. If a second one
says so, the first worker has died and Dask runs the task again: the errand then has ended, as it has when Dask gives
the task up; whoever wants it to run again takes another seat. A seat that is cancelled before it was taken is given up
at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from distributed import CancelledError, KilledWorker

from asyncexport.engine.runners.carrying import Carrier, Partner, WorkerEnded
from asyncexport.engine.runners.dask.cluster import Cluster
from asyncexport.engine.runners.dask.office import ToSeat
from asyncexport.engine.runners.dask.words import FromOffice, Seated
from asyncexport.engine.runners.messages import AboutErrand, Begin, Errand, Setup, ToWorker
from asyncexport.errors import AsyncexportError, ClusterLost, ConfigError
from asyncexport.models import Receipt
from asyncexport.sansio.redact import EXCERPT, printable, scrub

TELLINGS = 3
"""So often an errand is told, while no answer comes back. Taken for lost though under way, it would run twice."""


class Seat(Carrier):
    """The seat with this number. ``check`` raises what keeps an office from being used. Close it at last."""

    def __init__(self, cluster: Cluster, number: int, check: Callable[[Seated], Awaitable[None]]) -> None:
        super().__init__(iter((number,)))
        self._number = number
        self._cluster = cluster
        self._check = check
        self._refusal: AsyncexportError | None = None
        self._seated: asyncio.Future[Seated] = asyncio.get_running_loop().create_future()
        self._outbox: asyncio.Queue[ToSeat] = asyncio.Queue()
        self._task = cluster.seat(number)
        self._working = [asyncio.create_task(self._post()), asyncio.create_task(self._watch())]

    def __repr__(self) -> str:
        where = f"at {self._seated.result().address}" if self._seated.done() else "waiting"
        return f"<Seat {self._number} {where}>"

    def hear(self, message: FromOffice) -> None:
        """Hear what an office says of it."""
        if not isinstance(message, Seated):
            self._hear_of(message)
        elif self._seated.done():
            self._lose("its Dask worker died")
        else:
            self.is_ready = True
            self._seated.set_result(message)

    async def carry(self, errand: Errand, partner: Partner) -> Receipt:
        """Take an order and its sink to their end. Raises what refused the seat as well."""
        try:
            return await super().carry(errand, partner)
        except WorkerEnded:
            if self._refusal is not None:
                raise self._refusal from None
            raise

    def refuse(self, error: AsyncexportError) -> None:
        """End it with an error of ours."""
        self._refusal = error
        self._end_errands()

    def kill(self) -> None:
        """Wait no more for an answer."""
        self._lose("its Dask worker did not answer")

    async def close(self) -> None:
        """Let go of it."""
        for each in self._working:
            each.cancel()
        await asyncio.wait(self._working)
        self._task.release()

    async def _cancelled(self, number: int, inbox: asyncio.Queue[AboutErrand | None], partner: Partner) -> None:
        if self.is_ready:
            await super()._cancelled(number, inbox, partner)

    def _send(self, message: ToWorker) -> None:
        if not isinstance(message, Setup):
            self._outbox.put_nowait(message)

    def _lose(self, reason: str) -> None:
        self._failure = reason
        if not self.is_ready and self._refusal is None:
            self._refusal = ClusterLost(f"a transfer got no seat on the Dask cluster: {reason}")
        self._end_errands()

    async def _post(self) -> None:
        """Send to where the task sits, in order, what there is to send."""
        where = await self._seated
        try:
            await self._check(where)
            while True:
                message = await self._outbox.get()
                if not isinstance(message, Begin):
                    await self._cluster.tell(where.address, message)
                elif not await self._begin(where.address, message):
                    self._lose("its Dask worker was gone before it began")
        except AsyncexportError as error:
            self.refuse(error)

    async def _begin(self, address: str, message: Begin) -> bool:
        """Return whether the errand is under way. It is told again where nobody knows whether it has arrived."""
        for _ in range(TELLINGS):
            told = await self._cluster.tell(address, message)
            if told is not None:
                return told
        return False

    async def _watch(self) -> None:
        """Wait until Dask is done with the task: its office has had its last word then, if ever."""
        try:
            await self._task
        except KilledWorker:
            self.is_ready = True
            self._lose("Dask gave its task up, whose workers died")
        except AsyncexportError as error:
            self.refuse(error)
        except CancelledError:
            self._cluster.look()
            self._lose("Dask has forgotten its task")
        except Exception as error:  # noqa: BLE001  whatever Dask raises
            said = printable(scrub(str(error), EXCERPT))
            self.refuse(ConfigError(f"the Dask cluster cannot run our tasks: {type(error).__name__}: {said}"))
        else:
            self._lose("its task ended without a word")
