"""The emulator without sockets."""

from __future__ import annotations

import pytest

from asyncexport import Entity, Exported, Exporter, Failed, plan
from asyncexport.accounts import Region
from asyncexport.emulator.direct import API_URL, DirectTransport
from asyncexport.emulator.laws import Constant
from asyncexport.emulator.regions import host_of
from asyncexport.emulator.state import AdsState
from asyncexport.emulator.store.s3 import StoreAnswer
from asyncexport.emulator.weather import Weather
from asyncexport.emulator.world import World
from asyncexport.models import SignedUrl
from asyncexport.ports import Request, Response
from asyncexport.sinks import Null
from asyncexport.testing import FakeClock


async def test_a_night_passes_on_the_clock_that_is_given() -> None:
    """Generation takes simulated time, exports are empty, and the real engine gets them all."""
    clock = FakeClock()
    state = AdsState(World.generate(profiles=10, accounts=2, rows=0), generation=Constant(60.0))
    transport = DirectTransport(state, clock)
    async with Exporter(transport.accounts(), transport=transport, clock=clock) as exporter:
        jobs = plan(await exporter.profiles(), entities=[Entity.ADS], snapshot="s")
        async with exporter.run(jobs, sink=Null()) as outcomes:
            done = [outcome async for outcome in outcomes]
    assert len(done) == 10
    assert {outcome.receipt.rows for outcome in done if isinstance(outcome, Exported)} == {0}
    assert 60 < clock.now() < 120


async def test_an_answer_of_the_store_that_is_no_object_is_passed_on() -> None:
    """A download that the weather refuses is refused here too."""
    clock = FakeClock()
    weather = Weather.parse("download times=99: not-found")
    state = AdsState(World.generate(profiles=1, accounts=1, rows=0), generation=Constant(0.0), weather=weather)
    transport = DirectTransport(state, clock)
    async with Exporter(transport.accounts(), transport=transport, clock=clock) as exporter:
        jobs = plan(await exporter.profiles(), entities=[Entity.ADS], snapshot="s")
        async with exporter.run(jobs, sink=Null()) as outcomes:
            (outcome,) = [outcome async for outcome in outcomes]
    assert isinstance(outcome, Failed)


def test_accounts_go_to_their_regions_hosts() -> None:
    """Each grant is sent to the host that lists its profiles, and may download from the real buckets' names."""
    world = World.generate(accounts=3, regions=list(Region))
    accounts = DirectTransport(AdsState(world), FakeClock()).accounts()
    assert [(each.name, each.api_url) for each in accounts] == [
        (grant.account, host_of(API_URL, grant.region)) for grant in world.grants
    ]
    assert {each.download_hosts for each in accounts} == {(".amazonaws.com",)}


def test_a_part_of_a_simulated_export_is_refused() -> None:
    """There is nothing to resume in 22 bytes."""
    transport = DirectTransport(AdsState(World.generate(profiles=1, accounts=1)), FakeClock())
    with pytest.raises(ValueError, match="whole"):
        transport.download(SignedUrl("https://x"), offset=1, etag=None)


class Rude(DirectTransport):
    """Answers every look with a 503 once, and counts what is fetched."""

    def __init__(self, state: AdsState, clock: FakeClock) -> None:
        super().__init__(state, clock)
        self.refused: set[str] = set()
        self.fetched = 0

    def answer(self, request: Request, now: float) -> Response:
        """Refuse a look for the first time."""
        if "/exports/" in request.url and request.url not in self.refused:
            self.refused.add(request.url)
            return Response(503, {})
        return super().answer(request, now)

    def fetch(self, target: str, now: float) -> StoreAnswer:
        """Count."""
        self.fetched += 1
        return super().fetch(target, now)


async def test_who_wants_trouble_overrides_the_answer() -> None:
    """A subclass may answer in the server's place, at the moment at which the call reaches it."""
    clock = FakeClock()
    state = AdsState(World.generate(profiles=2, accounts=1, rows=0), generation=Constant(1.0))
    transport = Rude(state, clock)
    async with Exporter(transport.accounts(), transport=transport, clock=clock) as exporter:
        jobs = plan(await exporter.profiles(), snapshot="s")
        async with exporter.run(jobs, sink=Null()) as outcomes:
            done = [outcome async for outcome in outcomes]
    assert all(isinstance(outcome, Exported) for outcome in done)
    assert len(transport.refused) == transport.fetched == 8
