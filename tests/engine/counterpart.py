"""A desk whose server plays a script: what the tests of calls and exports share."""

from __future__ import annotations

import pytest

from asyncexport.engine.desk import Desk, Desks, Surroundings
from asyncexport.engine.export import Ready
from asyncexport.engine.tally import Tally
from asyncexport.errors import (
    AsyncexportError,
)
from asyncexport.models import Limits
from asyncexport.notes import Known
from asyncexport.ports import Response
from asyncexport.sansio.backoff import Backoff
from asyncexport.sansio.polling import Schedule
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
        )

    async def desk(self) -> Desk:
        """Open the account."""
        return await Desks(self.world).open(ACCOUNT)

    async def make(self, known: Known | None = None) -> Ready:
        """Make JOB's export, or take up the one that is known."""
        return await (await self.desk()).exports.make(JOB, self.notebook, known)

    @property
    def sent(self) -> list[str]:
        """Methods and paths of what was sent."""
        return [f"{request.method} {request.url.removeprefix('https://')}" for request in self.transport.requests]


async def fails(counter: Counterpart) -> AsyncexportError:
    """Make it in vain."""
    with pytest.raises(AsyncexportError) as caught:
        await counter.make()
    return caught.value
