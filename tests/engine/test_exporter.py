"""The exporter: entering, leaving, discovery, single streams, and every way to hold it wrong."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from asyncexport import Entity, Exporter, Job, Limits, Profile, Region, Schedule, Summary, plan
from asyncexport.emulator.server import EmulatorServer
from asyncexport.errors import (
    ConfigError,
    LockHeld,
    StateError,
)
from asyncexport.testing import FakeClock, FakeTransport
from tests.engine.pulling import BRISK, QUICK, exporter, planned, pulled, with_secrets
from tests.engine.support import (
    ACCOUNT,
    JOB,
    PROFILE,
    URL,
    Events,
    Library,
    Notebook,
    export_response,
    token_response,
    whole,
)


async def test_a_second_exporter_on_the_same_state_is_refused_until_the_first_is_left(
    emulator: EmulatorServer, tmp_path: Path
) -> None:
    """One run at a time; leaving gives the lock back, also after an error on entering."""
    state = tmp_path / "state"
    async with Exporter(emulator.accounts(), state_dir=state):
        with pytest.raises(LockHeld, match="another run"):
            await Exporter(emulator.accounts(), state_dir=state).__aenter__()
    with pytest.raises(ConfigError):
        await Exporter([with_secrets(ACCOUNT, client_secret="")], state_dir=state).__aenter__()
    async with Exporter(emulator.accounts(), state_dir=state):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="choose another state_dir"):
        await Exporter(emulator.accounts(), state_dir=tmp_path / "file").__aenter__()


def test_two_journals_are_refused(tmp_path: Path) -> None:
    """A journal of one's own stands in the place of the state folder's, never beside it."""
    with pytest.raises(ConfigError, match="give one of the two"):
        Exporter([ACCOUNT], state_dir=tmp_path, journal=Notebook())


async def test_a_callers_session_is_used_and_left_open(emulator: EmulatorServer) -> None:
    """API calls go through the session that was given."""
    called: list[str] = []

    async def seen(_: aiohttp.ClientSession, __: object, params: aiohttp.TraceRequestStartParams) -> None:
        called.append(params.url.path)

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(seen)
    async with aiohttp.ClientSession(trace_configs=[trace]) as session:
        async with Exporter(emulator.accounts(), session=session) as pulling:
            await pulling.profiles()
        assert not session.closed
    assert {"/na/v2/profiles", "/eu/v2/profiles"} <= set(called)


async def test_the_summary_counts_a_run(emulator: EmulatorServer) -> None:
    """Numbers come from what was sent and committed."""
    async with exporter(emulator) as pulling:
        pulling.drain()
        assert pulling.summary == Summary()
        jobs = await planned(pulling)
        await pulled(pulling, jobs, Library())
        summary = pulling.summary
    served = emulator.state.counters.requests
    assert summary.exported == 16
    assert summary.requests == sum(served.values()) - served["store"]
    assert summary.seconds > 0
    assert list(summary.as_dict()) == list(Summary.fields)
    assert "2 accounts" in repr(pulling)


async def test_holding_it_wrong_is_told() -> None:
    """Every misuse is a clear ConfigError instead of a hang."""
    account = ACCOUNT
    with pytest.raises(ConfigError, match="at least one account"):
        Exporter([])
    with pytest.raises(ConfigError, match="two accounts are called 'acme' in EU"):
        Exporter([account, account])
    for workers in (-1, True, 1.5, "2"):
        with pytest.raises(ConfigError, match="how many processes"):
            Exporter([account], workers=workers)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="rate must be more than 0"):
        Limits(rate=0)
    pulling = Exporter([account], transport=FakeTransport())
    with pytest.raises(ConfigError, match="outside its 'async with' block"):
        await pulling.discover()
    async with pulling:
        with pytest.raises(ConfigError, match="no account 'other' in EU"):
            pulling.run([Job(Profile("other", Region.EU, "1"), Entity.ADS)], sink=Library())
        with pytest.raises(ConfigError, match="entered once"):
            await pulling.__aenter__()
    with pytest.raises(ConfigError, match="outside its 'async with' block"):
        pulling.run([], sink=Library())


async def test_another_event_loop_is_refused() -> None:
    """Sockets and locks belong to the loop they were made in."""
    async with Exporter([ACCOUNT], transport=FakeTransport()) as pulling:
        with pytest.raises(ConfigError, match="another event loop"):
            await asyncio.to_thread(asyncio.run, pulling.discover())


async def test_an_oddity_is_told_once_however_often_it_is_met() -> None:
    """A thousand exports with a new status word are one warning."""
    events = Events()
    odd = export_response("WARMING_UP")
    transport = FakeTransport(
        token_response(), odd, odd, odd, export_response("COMPLETED", url=URL), downloads=[whole()]
    )
    async with Exporter([ACCOUNT], transport=transport, clock=FakeClock(), listener=events) as pulling:
        await pulled(pulling, [JOB], Library())
    assert len(events.of("oddity.noticed")) == 1


def test_the_policies_have_good_defaults() -> None:
    """What a user gets without choosing."""
    assert Limits() == Limits(in_progress=5, rate=5.0, burst=5, downloads=16, looks=10.0)
    assert next(Schedule().delays(lambda: 0.5)) == 0.5
    assert plan([PROFILE], snapshot="s")[0].snapshot == "s"
    assert (QUICK.first, BRISK.first) < (1, 1)


@pytest.mark.parametrize("given", ["session", "transport", "clock", "random"])
def test_a_world_of_the_callers_own_keeps_transfers_in_the_loop(given: str) -> None:
    """A session, a transport, a clock or a randomness of theirs cannot be taken to another process."""
    world: dict[str, Any] = {given: object()}
    assert Exporter([ACCOUNT], workers=2)._places is not None
    assert Exporter([ACCOUNT], workers=2, **world)._places is None
    assert Exporter([ACCOUNT])._places is None
