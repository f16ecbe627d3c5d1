"""The emulator without sockets."""

from __future__ import annotations

import pytest

from asyncexport import Entity, Exported, Exporter, Failed, plan
from asyncexport.emulator.direct import API_URL, DirectTransport
from asyncexport.emulator.laws import Constant
from asyncexport.emulator.regions import host_of
from asyncexport.emulator.state import AdsState
from asyncexport.emulator.weather import Weather
from asyncexport.emulator.world import World
from asyncexport.models import Account, Region, SignedUrl
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


@pytest.mark.parametrize(("region", "count"), [(Region.NA, 3), (Region.EU, 0), (Region.FE, 0)])
async def test_an_account_of_the_wrong_region_has_no_profiles(region: Region, count: int) -> None:
    """The same credentials list their profiles at their own region's host only."""
    clock = FakeClock()
    state = AdsState(World.generate(profiles=3, accounts=1, rows=0))
    transport = DirectTransport(state, clock)
    (grant,) = state.world.grants
    account = Account(
        "acme",
        region=region,
        client_id=grant.client_id,
        client_secret=grant.client_secret,
        refresh_token=grant.refresh_token,
        api_url=host_of(API_URL, region),
    )
    async with Exporter([account], transport=transport, clock=clock) as exporter:
        assert len(await exporter.profiles()) == count


def test_a_part_of_a_simulated_export_is_refused() -> None:
    """There is nothing to resume in 22 bytes."""
    transport = DirectTransport(AdsState(World.generate(profiles=1, accounts=1)), FakeClock())
    with pytest.raises(ValueError, match="whole"):
        transport.download(SignedUrl("https://x"), offset=1, etag=None)
