"""The exporter: entering, leaving, discovery, single streams, and every way to hold it wrong."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path

import aiohttp
import orjson
import pytest

from asyncexport import Account, Entity, Exporter, Job, Limits, Profile, Region, Schedule, Summary, plan
from asyncexport.emulator.server import EmulatorServer
from asyncexport.errors import (
    AuthError,
    ConfigError,
    ConnectionLost,
    ExportFailed,
    LockHeld,
    ProfileAccessDenied,
    SinkError,
    StateError,
)
from asyncexport.models import Secret, SecretSource
from asyncexport.sansio.backoff import Backoff
from asyncexport.testing import FakeClock, FakeTransport, json_response
from tests.engine.support import (
    ACCOUNT,
    JOB,
    PROFILE,
    ROWS,
    URL,
    Events,
    Library,
    cut,
    export_response,
    token_response,
    true_text,
    whole,
)
from tests.engine.test_run import BRISK, QUICK, exporter, planned, pulled


def with_secrets(account: Account, **secrets: SecretSource) -> Account:
    """Return the account with other credentials."""
    given = {name: getattr(account, name) for name in ("client_id", "client_secret", "refresh_token")}
    return Account(
        account.name,
        region=account.region,
        api_url=account.api_url,
        token_url=account.token_url,
        download_hosts=account.download_hosts,
        **{**given, **secrets},
    )


async def test_profiles_are_those_of_all_accounts(emulator: EmulatorServer) -> None:
    """Discovery asks every account and keeps ids exact."""
    async with exporter(emulator) as pulling:
        profiles = await pulling.profiles()
    assert {profile.profile_id for profile in profiles} == set(emulator.state.world.profiles)
    assert {profile.region for profile in profiles} == {Region.NA, Region.EU}


@pytest.mark.emulator(agency=True)
async def test_agency_profiles_are_set_aside_by_name(emulator: EmulatorServer) -> None:
    """They have no sponsored-ads exports, and a person can see that they were left out."""
    events = Events()
    async with exporter(emulator, events) as pulling:
        found = await pulling.discover()
    assert [profile.is_agency for profile in found.skipped] == [True]
    assert len(found.profiles) == 4
    assert len(events.of("profiles.discovered")) == 1


async def test_a_revoked_grant_refuses_its_account_and_no_other(emulator: EmulatorServer) -> None:
    """The other account goes on; asking for plain profiles raises what is in the way."""
    first, second = emulator.accounts()
    async with Exporter([with_secrets(first, refresh_token="Atzr|revoked"), second]) as pulling:
        found = await pulling.discover()
        assert [(refused.account, type(refused.error)) for refused in found.refused] == [(first.name, AuthError)]
        assert {profile.account for profile in found.profiles} == {second.name}
        with pytest.raises(AuthError, match="invalid_grant"):
            await pulling.profiles()
        with pytest.raises(AuthError):
            await pulling.check(with_secrets(first))
        await pulling.check(second)
    assert emulator.state.counters.requests["token"] == 2


async def test_a_restricted_account_gets_its_profiles_and_a_refusal_for_each_unlisted_one(
    emulator: EmulatorServer,
) -> None:
    """A profile that the region does not list is told, with what to check."""
    account = emulator.accounts()[0]
    async with exporter(emulator) as pulling:
        mine = [profile.profile_id for profile in await pulling.profiles() if profile.account == account.name]
    some = Account(
        "some",
        region=account.region,
        client_id=account.client_id,
        client_secret=account.client_secret,
        refresh_token=account.refresh_token,
        api_url=account.api_url,
        token_url=account.token_url,
        profiles=[mine[0], 4711],
    )
    async with Exporter([some]) as pulling:
        found = await pulling.discover()
    assert [profile.profile_id for profile in found.profiles] == mine[:1]
    (refused,) = found.refused
    assert refused.profile_id == "4711"
    assert isinstance(refused.error, ProfileAccessDenied)


async def test_credentials_may_come_from_functions_and_coroutines(emulator: EmulatorServer) -> None:
    """A vault is asked once, when the exporter is entered."""
    account = emulator.accounts()[0]
    asked: list[str] = []

    async def vault() -> str:
        asked.append("refresh_token")
        assert isinstance(account.refresh_token, Secret)
        return account.refresh_token.reveal() + "\n"

    def secret() -> Secret:
        assert isinstance(account.client_secret, Secret)
        return account.client_secret

    async def directly() -> str:
        assert isinstance(account.client_id, str)
        return account.client_id

    async with Exporter(
        [with_secrets(account, refresh_token=vault, client_secret=secret, client_id=directly())]
    ) as pulling:
        assert await pulling.profiles()
    assert asked == ["refresh_token"]


@pytest.mark.parametrize("source", ["", "  ", "a\nb", lambda: 7])
async def test_a_credential_that_cannot_be_one_is_refused_by_name(source: SecretSource) -> None:
    """The message names account and key, not the value."""
    with pytest.raises(ConfigError, match="account 'acme': client_secret"):
        await Exporter([with_secrets(ACCOUNT, client_secret=source)], transport=FakeTransport()).__aenter__()


async def test_a_vault_that_fails_is_told_with_its_cause() -> None:
    """Whatever the caller's function raises stays visible."""

    def vault() -> str:
        raise OSError("sealed")

    with pytest.raises(ConfigError, match="could not be fetched: OSError") as caught:
        await Exporter([with_secrets(ACCOUNT, client_secret=vault)], transport=FakeTransport()).__aenter__()
    assert isinstance(caught.value.__cause__, OSError)

    def ours() -> str:
        raise ConfigError("ours")

    with pytest.raises(ConfigError, match="ours"):
        await Exporter([with_secrets(ACCOUNT, client_secret=ours)], transport=FakeTransport()).__aenter__()


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
    assert called.count("/v2/profiles") == 2


async def test_batches_stream_one_export_and_store_nothing(emulator: EmulatorServer) -> None:
    """Rows come as objects, equal to the server's."""
    async with exporter(emulator) as pulling:
        jobs = [job for job in await planned(pulling, [Entity.TARGETS]) if true_text(emulator, job)]
        async with pulling.batches(jobs[0]) as batches:
            text = b"".join([batch.text async for batch in batches])
    assert text == true_text(emulator, jobs[0])


@pytest.mark.emulator(weather="poll: fail-TIMED_OUT")
async def test_a_stream_that_fails_raises_in_the_loop(emulator: EmulatorServer) -> None:
    """There is no outcome to look at, so the error is raised where the rows are awaited."""
    async with exporter(emulator) as pulling:
        job = (await planned(pulling))[0]
        with pytest.raises(ExportFailed):
            async with pulling.batches(job) as batches:
                async for _ in batches:
                    pass


def scripted(*downloads: object) -> FakeTransport:
    """Return a transport for one export with these downloads."""
    return FakeTransport(
        token_response(),
        export_response("PROCESSING"),
        export_response("COMPLETED", url=URL),
        downloads=list(downloads),  # type: ignore[arg-type]
    )


async def test_a_stream_never_hands_out_a_row_twice() -> None:
    """A new beginning would repeat rows that the caller already has, so it is an error instead."""
    large = gzip.compress(orjson.dumps(ROWS * 200), mtime=0)
    transport = scripted(cut(len(large) - 9, ConnectionLost("gone"), large, etag=None), whole(large, etag=None))
    async with Exporter([ACCOUNT], transport=transport, clock=FakeClock()) as pulling:
        got = 0
        with pytest.raises(SinkError, match="rows had been handed out"):
            async with pulling.batches(JOB) as batches:
                async for batch in batches:
                    got += batch.count
    assert got > 0


async def test_a_stream_that_breaks_before_its_first_row_begins_again_unseen() -> None:
    """Nothing was handed out, so nothing can be repeated."""
    transport = scripted(cut(5, ConnectionLost("gone"), etag=None), whole(etag=None))
    async with Exporter([ACCOUNT], transport=transport, clock=FakeClock()) as pulling, pulling.batches(JOB) as batches:
        assert sum([batch.count async for batch in batches]) == 50


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
    with pytest.raises(ConfigError, match="workers"):
        Exporter([account], workers=2)
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


async def test_no_profiles_is_an_answer_but_a_cut_one_is_not() -> None:
    """An empty list is 'nothing to do'; half a list is an error, never zero profiles."""
    async with Exporter([ACCOUNT], transport=FakeTransport(token_response(), json_response("[]"))) as pulling:
        assert await pulling.profiles() == []
    broken = json_response('[{"profileId": 1')
    async with Exporter(
        [ACCOUNT], transport=FakeTransport(token_response(), broken, broken), clock=FakeClock(), backoff=Backoff()
    ) as pulling:
        found = await pulling.discover()
    assert found.profiles == ()
    assert len(found.refused) == 1


def test_the_policies_have_good_defaults() -> None:
    """What a user gets without choosing."""
    assert Limits() == Limits(in_progress=5, rate=5.0, burst=5, downloads=16)
    assert next(Schedule().delays(lambda: 0.5)) == 0.5
    assert plan([PROFILE], snapshot="s")[0].snapshot == "s"
    assert (QUICK.first, BRISK.first) < (1, 1)
