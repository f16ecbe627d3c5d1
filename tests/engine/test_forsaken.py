"""Exports that nobody watches any more while the server makes them: each keeps its slot, so none is one too many."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from asyncexport import Entity, Exported, Exporter, Failed, Job, Outcome, Schedule, plan
from asyncexport.emulator.direct import DirectTransport
from asyncexport.emulator.laws import Constant
from asyncexport.emulator.state import AdsState
from asyncexport.emulator.world import World
from asyncexport.errors import ExportDeadline, ProfileAccessDenied, StateError
from asyncexport.events import Event, ExportAbandoned, ExportAdopted, ExportRequested
from asyncexport.notes import Intended, Note, Requested
from asyncexport.ports import Listener, Request, Response
from asyncexport.sinks import Null
from asyncexport.testing import FakeClock, MemoryJournal, json_response
from tests.engine.support import Events


class Server(DirectTransport):
    """A server with a cap of five; the looks at the exports of ``shut`` profiles are refused."""

    def __init__(self, seconds: float, profiles: int) -> None:
        self.clock = FakeClock()
        self.world = World.generate(profiles=profiles, accounts=1, rows=0, seed=1)
        self.state = AdsState(self.world, generation=Constant(seconds), cap=5, rate=10.0)
        self.shut: Sequence[str] = ()
        self.gone: Sequence[str] = ()
        super().__init__(self.state, self.clock)

    async def send(self, request: Request) -> Response:
        """Answer, unless it is a look that is refused, or one at an export that is gone."""
        is_look = request.method == "GET" and "/exports/" in request.url
        if is_look and request.headers["Amazon-Advertising-API-Scope"] in self.shut:
            return json_response('{"message": "no access"}', 403)
        if is_look and request.url.rpartition("/")[2] in self.gone:
            return json_response('{"message": "not found"}', 404)
        return await super().send(request)

    def exporter(
        self, deadline: float = 1800.0, journal: MemoryJournal | None = None, listener: Listener | None = None
    ) -> Exporter:
        """Return an exporter that looks every five seconds."""
        schedule = Schedule(first=5.0, growth=1.0)
        return Exporter(
            self.accounts(),
            transport=self,
            clock=self.clock,
            random=lambda: 0.5,
            schedule=schedule,
            deadline=deadline,
            journal=journal,
            listener=listener,
        )

    @property
    def cap_429s(self) -> int:
        """How often one export too many was asked for."""
        return self.state.counters.throttled["cap"]


async def ads(exporter: Exporter) -> list[Job]:
    """Return the ads of every profile."""
    return plan(await exporter.profiles(), entities=[Entity.ADS], snapshot="night")


async def pulled(exporter: Exporter, jobs: list[Job]) -> list[Outcome]:
    """Run them."""
    async with exporter.run(jobs, sink=Null()) as outcomes:
        return [outcome async for outcome in outcomes]


def errors(outcomes: list[Outcome]) -> set[type[Exception]]:
    """Return what failed."""
    return {type(outcome.error) for outcome in outcomes if isinstance(outcome, Failed)}


async def test_exports_that_are_given_up_at_their_deadline() -> None:
    """They run on, for as long again as was waited; no request is refused for them and none is lost to a collapse."""
    server = Server(3000.0, profiles=12)
    async with server.exporter(deadline=1800.0) as exporter:
        outcomes = await pulled(exporter, await ads(exporter))
    assert len(outcomes) == 12
    assert errors(outcomes) == {ExportDeadline}
    assert server.cap_429s == 0


async def test_whoever_listens_is_told_of_exports_that_are_given_up() -> None:
    """Each is told with the time for which it keeps its slot: for as long again as it was waited for."""
    server, events = Server(3000.0, profiles=3), Events()
    async with server.exporter(deadline=1800.0, listener=events) as exporter:
        await pulled(exporter, await ads(exporter))
    requested = {event.export_id for event in events if isinstance(event, ExportRequested)}
    abandoned = {event.export_id: event.seconds for event in events if isinstance(event, ExportAbandoned)}
    assert len(requested) == 3
    assert abandoned == pytest.approx(dict.fromkeys(requested, 1800.0), abs=0.1)


async def test_an_export_that_vanished_is_told_of_before_its_successor() -> None:
    """Its slot is free; the job is asked for again."""
    server, events = Server(120.0, profiles=1), Events()

    def listen(event: Event) -> None:
        events(event)
        if isinstance(event, ExportRequested):
            server.gone = server.gone or [event.export_id]

    async with server.exporter(listener=listen) as exporter:
        (outcome,) = await pulled(exporter, await ads(exporter))
    assert isinstance(outcome, Exported)
    (lost,) = server.gone
    first, second, third = [event for event in events if isinstance(event, ExportRequested | ExportAbandoned)]
    assert first == ExportRequested(outcome.job, lost)
    assert second == ExportAbandoned(outcome.job, lost, 0.0)
    assert third.export_id == outcome.receipt.export_id != lost


async def test_an_export_of_an_earlier_run_that_vanished_is_told_of() -> None:
    """It was adopted, and is given up before the job is asked for anew."""
    server, events, journal = Server(60.0, profiles=1), Events(), MemoryJournal()
    async with server.exporter(journal=journal, listener=events) as exporter:
        (job,) = await ads(exporter)
        await journal.note(job, Intended())
        await journal.note(job, Requested("e-gone"))
        (outcome,) = await pulled(exporter, [job])
    assert isinstance(outcome, Exported)
    assert events.of("export.adopted") == [ExportAdopted(job, "e-gone")]
    assert events.of("export.abandoned") == [ExportAbandoned(job, "e-gone", 0.0)]


async def test_exports_whose_looks_are_refused() -> None:
    """The job has failed, its export is in progress all the same."""
    server = Server(120.0, profiles=20)
    server.shut = list(server.world.profiles)[:8]
    async with server.exporter() as exporter:
        outcomes = await pulled(exporter, await ads(exporter))
    assert sum(isinstance(outcome, Exported) for outcome in outcomes) == 12
    assert errors(outcomes) == {ProfileAccessDenied}
    assert server.cap_429s == 0


class Forgetful(MemoryJournal):
    """A journal that cannot note some exports."""

    def __init__(self, profiles: Sequence[str]) -> None:
        super().__init__()
        self._profiles = profiles

    async def note(self, job: Job, note: Note) -> None:
        """Fail for some."""
        if isinstance(note, Requested) and job.profile.profile_id in self._profiles:
            raise StateError("no")
        await super().note(job, note)


async def test_exports_that_cannot_be_noted() -> None:
    """The server had accepted the request before the journal failed."""
    server = Server(120.0, profiles=20)
    async with server.exporter(journal=Forgetful(list(server.world.profiles)[:8])) as exporter:
        outcomes = await pulled(exporter, await ads(exporter))
    assert errors(outcomes) == {StateError}
    assert server.cap_429s == 0


async def test_a_run_that_was_left_early_and_another_of_the_same_exporter() -> None:
    """What the first has asked for is in progress, whoever is gone."""
    server = Server(60.0, profiles=20)
    async with server.exporter() as exporter:
        jobs = await ads(exporter)
        async with exporter.run(jobs[:10], sink=Null()):
            await server.clock.sleep(5.0)
        outcomes = await pulled(exporter, jobs[10:])
    assert len(outcomes) == 10
    assert not errors(outcomes)
    assert server.cap_429s == 0


class Tardy(Server):
    """A server whose first answers to requests for exports, so many as are ``late``, come five seconds later."""

    late = 0

    async def send(self, request: Request) -> Response:
        """Take every request at once."""
        if request.url.endswith("/export") and self.late:
            self.late -= 1
            answer = self.answer(request, self.clock.now())
            await self.clock.sleep(5.0)
            return answer
        return await super().send(request)


@pytest.mark.parametrize("late", [1, 2, 4])
async def test_a_run_that_is_left_while_requests_are_under_way(late: int) -> None:
    """The server has taken them, whoever is gone: each keeps a slot and is counted as one that may run."""
    server, events = Tardy(60.0, profiles=10), Events()
    server.late = late
    async with server.exporter(listener=events) as exporter:
        jobs = await ads(exporter)
        async with exporter.run(jobs[:5], sink=Null()):
            await server.clock.sleep(2.0)
        assert len(server.state.journal) == 5
        assert exporter.summary.possibly_orphaned == late
        outcomes = await pulled(exporter, jobs[5:])
    assert len(outcomes) == 5
    assert not errors(outcomes)
    assert len(events.of("export.orphaned")) == late
    assert server.cap_429s == 0


async def test_what_may_run_and_is_found_in_the_journal_by_several_runs() -> None:
    """It is one export at most, so it keeps one slot."""
    server, journal = Server(60.0, profiles=6), MemoryJournal()
    async with server.exporter(journal=journal) as exporter:
        first, *others = await ads(exporter)
        await journal.note(first, Intended())
        for _ in range(3):
            async with exporter.run([first], sink=Null()) as outcomes:
                exporter.drain()
                assert [outcome async for outcome in outcomes] == []
        assert repr(exporter._windows) == "<Windows <Slots ads@NA 1/5 busy, 0 waiting>>"
        assert not errors(await pulled(exporter, others))
    assert server.cap_429s == 0


async def test_exports_that_have_outlived_nearly_all_when_their_run_is_left() -> None:
    """They were seen to run, and keep their slots until they are seen to have ended; the next run waits for them."""
    server = Server(900.0, profiles=10)
    async with server.exporter() as exporter:
        jobs = await ads(exporter)
        async with exporter.run(jobs[:5], sink=Null()):
            await server.clock.sleep(300.0)
        outcomes = await pulled(exporter, jobs[5:])
    assert len(outcomes) == 5
    assert not errors(outcomes)
    assert server.cap_429s == 0


async def test_a_run_that_goes_on_where_one_that_was_left_early_stopped() -> None:
    """It adopts the exports with the slots that they kept: at once, and each counts once."""
    server = Server(60.0, profiles=10)
    async with server.exporter(journal=MemoryJournal(wall=server.clock.now)) as exporter:
        jobs = await ads(exporter)
        async with exporter.run(jobs, sink=Null()):
            await server.clock.sleep(5.0)
        began = server.clock.now()
        outcomes = await pulled(exporter, jobs)
    assert len(outcomes) == 10
    assert not errors(outcomes)
    assert len(server.state.journal) == 10
    assert server.cap_429s == 0
    assert server.clock.now() - began < 135.0


async def test_a_run_that_is_drained_before_its_first_step() -> None:
    """Nothing of it starts."""
    server = Server(60.0, profiles=5)
    async with server.exporter() as exporter:
        jobs = await ads(exporter)
        async with exporter.run(jobs, sink=Null()) as outcomes:
            exporter.drain()
            assert [outcome async for outcome in outcomes] == []
    assert not server.state.journal
