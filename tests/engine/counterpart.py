"""A desk whose server plays a script: what the tests of calls and exports share."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from asyncexport.engine.accounts.desk import Desk, Desks, Surroundings
from asyncexport.engine.jobs.export import Ready
from asyncexport.engine.jobs.making import Making, Pursuit
from asyncexport.engine.jobs.tally import Tally
from asyncexport.engine.jobs.windows import Chances, Ticket, Windows
from asyncexport.errors import (
    AsyncexportError,
)
from asyncexport.models import Job, Limits
from asyncexport.notes import Known
from asyncexport.ports import Response
from asyncexport.sansio.looks.polling import Schedule
from asyncexport.sansio.pacing.backoff import Backoff
from asyncexport.sansio.pacing.chance import Chance
from asyncexport.testing import Answer, FakeClock, FakeTransport, json_response
from tests.engine.support import (
    ACCOUNT,
    JOB,
    URL,
    Events,
    Notebook,
    export_response,
    token_response,
)

RUNNING = export_response("PROCESSING")
DONE = export_response("COMPLETED", url=URL)
BUSY = json_response('{"message":"Too Many Requests"}', 429)


class Counterpart:
    """A desk whose server plays a script, after one token."""

    def __init__(self, *answers: Answer, deadline: float = 1800.0, token: Response | None = None) -> None:
        self.transport = FakeTransport(token or token_response(), *answers)
        self.clock = FakeClock()
        self.events = Events()
        self.tally = Tally()
        self.notebook = Notebook()
        self.world = Surroundings(
            transport=self.transport,
            clock=self.clock,
            spread=lambda: 0.5,
            listener=self.events,
            limits=Limits(),
            schedule=Schedule(),
            backoff=Backoff(),
            deadline=deadline,
            tally=self.tally,
            chances=Chances(Chance),
        )
        self.windows: Windows[Pursuit] = Windows(self.world.limits, self.clock, self.world.chances)
        self._desk: Desk | None = None

    async def desk(self) -> Desk:
        """Open the account, once."""
        if self._desk is None:
            self._desk = await Desks(self.world).open(ACCOUNT)
        return self._desk

    async def make(self, known: Known | None = None, *, job: Job = JOB) -> Ready:
        """Make the export of a job, or take up the one that is known, in a slot."""
        desk = await self.desk()
        making = Making(
            desk_of=lambda _: desk,
            windows=self.windows,
            journal=self.notebook,
            clock=self.clock,
            spread=self.world.spread,
            backoff=self.world.backoff,
            listener=self.events,
        )
        started, starts = anyio.create_memory_object_stream[Ticket[Pursuit]](1)
        making.enter(self, Pursuit(job, known), started.send_nowait)
        beside = asyncio.create_task(self.windows.keep_time())
        try:
            while (ready := await making.made(await starts.receive())) is None:
                pass
        finally:
            beside.cancel()
            await asyncio.wait([beside])
            started.close()
            starts.close()
        return ready

    @property
    def sent(self) -> list[str]:
        """Methods and paths of what was sent."""
        return [f"{request.method} {request.url.removeprefix('https://')}" for request in self.transport.requests]


async def fails(counter: Counterpart) -> AsyncexportError:
    """Make it in vain."""
    with pytest.raises(AsyncexportError) as caught:
        await counter.make()
    return caught.value
