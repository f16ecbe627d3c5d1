"""Exports that nobody waits for, and jobs that wait for their slots."""

from __future__ import annotations

from asyncexport import Exporter, Job
from asyncexport.engine.jobs.caretaker import Caretaker
from asyncexport.engine.jobs.windows import Chances, Windows
from asyncexport.events import ExportFinished
from asyncexport.models import Limits
from asyncexport.ports import Request, Response
from asyncexport.sansio.pacing.chance import Chance
from asyncexport.sinks import Null
from asyncexport.testing import FakeClock, json_response
from tests.engine.support import Events
from tests.engine.test_forsaken import Server, ads, errors, pulled


async def left(server: Server, exporter: Exporter) -> list[Job]:
    """Run five jobs and leave them after five seconds, while the server makes their exports; return five others."""
    jobs = await ads(exporter)
    async with exporter.run(jobs[:5], sink=Null()):
        await server.clock.sleep(5.0)
    return jobs[5:]


async def test_a_run_after_one_that_was_left() -> None:
    """Its jobs have the slots as soon as the exports of the other are seen to have ended."""
    server, events = Server(60.0, profiles=10), Events()
    async with server.exporter(listener=events) as exporter:
        outcomes = await pulled(exporter, await left(server, exporter))
    assert not errors(outcomes)
    assert len(outcomes) == 5
    assert server.cap_429s == 0
    assert server.clock.now() < 60.0 + 60.0 + 15.0
    first = [event for event in events if isinstance(event, ExportFinished)][:5]
    assert all(60.0 <= event.seconds < 66.0 for event in first)


async def test_a_run_that_is_left_while_it_waits() -> None:
    """The next one sees the exports out; nobody is one too many."""
    server = Server(60.0, profiles=10)
    async with server.exporter() as exporter:
        others = await left(server, exporter)
        async with exporter.run(others, sink=Null()):
            await server.clock.sleep(20.0)
        outcomes = await pulled(exporter, others)
    assert not errors(outcomes)
    assert server.cap_429s == 0
    assert server.clock.now() < 60.0 + 60.0 + 15.0


class Lost(Server):
    """A server that answers looks with ``says`` from the seventh second on."""

    says = json_response("{}", 404)

    async def send(self, request: Request) -> Response:
        """Answer."""
        is_look = request.method == "GET" and "/exports/" in request.url
        if is_look and 6.0 < self.clock.now() < 70.0:
            return self.says
        return await super().send(request)


async def test_an_export_that_has_vanished() -> None:
    """A minute after its request it is gone, so its slot is free: here the server knows better, and refuses.

    Before that the look came too early, and the export keeps its slot.
    """
    server = Lost(120.0, profiles=10)
    async with server.exporter() as exporter:
        others = await left(server, exporter)
        async with exporter.run(others, sink=Null()):
            await server.clock.sleep(50.0)
            assert server.cap_429s == 0
            await server.clock.sleep(12.0)
    assert server.cap_429s > 0


async def test_an_export_that_cannot_be_looked_at() -> None:
    """It keeps its slot until nearly every one like it has ended."""
    server = Lost(60.0, profiles=10)
    server.says = json_response("{}", 403)
    async with server.exporter() as exporter:
        outcomes = await pulled(exporter, await left(server, exporter))
    assert not errors(outcomes)
    assert server.cap_429s == 0
    assert server.clock.now() > 200.0


async def test_a_caretaker_tells_about_itself() -> None:
    """The repr is one true line."""
    windows: Windows[str] = Windows(Limits(), FakeClock(), Chances(Chance))
    assert "no slots yet" in repr(Caretaker(windows, lambda _: None))  # type: ignore[arg-type, return-value]
