"""The API as one account sees it: tokens, limits and retries around each call."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise

import anyio
import pytest

from asyncexport.engine.accounts.api import AskLater
from asyncexport.errors import (
    ConnectError,
    ConnectionLost,
    ProfileAccessDenied,
    ProtocolError,
    RequestRejected,
    ServerError,
    Throttled,
)
from asyncexport.ports import Request, Response
from asyncexport.testing import json_response
from tests.engine.counterpart import DONE, RUNNING, Counterpart, fails
from tests.engine.support import (
    JOB,
    OTHER_JOB,
    export_response,
    token_response,
)


async def test_a_429_is_obeyed_and_slows_the_profile() -> None:
    """Retry-After is waited for in full, before any other call of that profile."""
    counter = Counterpart(json_response("{}", 429, retry_after="42"), RUNNING, DONE)
    await counter.make()
    assert counter.clock.now() >= 42
    assert counter.tally.throttled == 1


async def test_a_retry_after_beyond_the_deadline_fails_now() -> None:
    """Sleeping longer than the job may last helps nobody."""
    counter = Counterpart(json_response("{}", 429, retry_after="1000000000"))
    assert isinstance(await fails(counter), Throttled)
    assert counter.clock.now() < 1


async def test_a_server_that_stays_down_ends_the_call_after_ten_attempts() -> None:
    """Retries are bounded, and the waits between them are jittered and growing."""
    counter = Counterpart(*[json_response("<html>", 503)] * 10)
    assert isinstance(await fails(counter), ServerError)
    assert counter.clock.now() == pytest.approx(0.5 * (1 + 2 + 4 + 8 + 16 + 32 + 60 + 60 + 60))
    retries = counter.events.of("call.retried")
    assert len(retries) == 9


async def test_a_lost_answer_is_asked_again_and_counted_as_possibly_orphaned() -> None:
    """A POST is not idempotent; what may run unseen is at least counted."""
    counter = Counterpart(ConnectionLost("gone"), RUNNING, DONE)
    await counter.make()
    assert counter.tally.possibly_orphaned == 1
    assert len(counter.events.of("export.orphaned")) == 1


async def test_an_answer_without_an_id_is_asked_once_more_and_then_is_the_error() -> None:
    """A garbled 202 comes again, so it is not tried ten times."""
    counter = Counterpart(json_response('{"status":"PROCESSING"}', 202), json_response('{"exportId":""}', 202))
    assert isinstance(await fails(counter), ProtocolError)
    assert counter.tally.possibly_orphaned == 2


async def test_a_request_that_fails_in_passing_for_itself_alone() -> None:
    """Its slot is of use to others: a 429, a lost answer and a garbled one come out at once."""
    for answer in (json_response("{}", 429), ConnectionLost("gone"), json_response("", 202)):
        counter = Counterpart(answer)
        api = (await counter.desk()).api
        with pytest.raises(AskLater) as caught:
            await api.request_export(JOB, deadline=1800.0)
        assert (caught.value.was_sent, caught.value.may_run) == (True, not isinstance(caught.value.error, Throttled))
        assert (counter.clock.now(), len(counter.sent)) == (0.0, 2)


async def test_a_request_whose_answer_is_lost_in_an_outage() -> None:
    """It is no attempt of the job: nobody could have asked."""
    counter = Counterpart(*[ConnectionLost("gone")] * 3)
    api = (await counter.desk()).api
    counted = []
    for job in (JOB, OTHER_JOB, JOB):
        with pytest.raises(AskLater) as caught:
            await api.request_export(job, deadline=1800.0)
        counted.append(caught.value.counts)
        counter.clock.advance(6.0)
    assert counted == [True, True, False]
    assert api.down_seconds(0.0) >= 12.0


async def test_a_token_host_that_is_down_for_several() -> None:
    """All who wait for its one caller wait for its end; one alone has ten attempts."""
    counter = Counterpart(
        *[json_response("", 503)] * 30, token_response(), *[RUNNING] * 20, token=json_response("", 503)
    )
    api = (await counter.desk()).api
    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(api.look, JOB, f"export-{number}")
    assert counter.tally.requests == 31 + 1 + 20
    assert 300.0 < api.down_seconds(0.0) == pytest.approx(counter.clock.now(), abs=60.0)


async def test_a_token_host_that_throttles_a_request() -> None:
    """The token source has tried twenty times: that is final for the request, and no passing failure of it."""
    counter = Counterpart(*[json_response("{}", 429)] * 19, token=json_response("{}", 429))
    api = (await counter.desk()).api
    with pytest.raises(Throttled):
        await api.request_export(JOB, deadline=1800.0)


async def test_a_request_that_fails_as_all_would() -> None:
    """Where nobody could go ahead it keeps its slot and is tried again."""
    counter = Counterpart(json_response("", 503), ConnectError("refused"), RUNNING)
    api = (await counter.desk()).api
    assert (await api.request_export(JOB, deadline=1800.0)).export_id == "export-1"
    assert counter.clock.now() == 1.5


async def test_a_request_whose_profile_has_no_permit_soon() -> None:
    """It says at once in how many seconds, and sends nothing; a look waits, and one second is no long time."""
    counter = Counterpart(*[RUNNING] * 5)
    api = (await counter.desk()).api
    await api.check()
    limiter = api._limiter_of(JOB.profile.profile_id)
    limiter.throttled(1.0)

    with pytest.raises(AskLater) as held_back:
        await api.request_export(JOB, deadline=1800.0)
    assert isinstance(held_back.value.error, Throttled)
    assert held_back.value.error.retry_after == pytest.approx(1.4)
    assert (held_back.value.was_sent, counter.tally.requests, counter.clock.now()) == (False, 1, 0.0)

    await api.look(JOB, "export-1")
    assert counter.clock.now() == pytest.approx(1.4)
    await api.request_export(JOB, deadline=1800.0)
    assert counter.clock.now() == pytest.approx(1.8, abs=0.1)


async def test_a_429_that_a_request_met() -> None:
    """Without a Retry-After it slows the profile when somebody says that it spoke of the rate, and not before."""
    counter = Counterpart(json_response("{}", 429))
    api = (await counter.desk()).api
    limiter = api._limiter_of(JOB.profile.profile_id)
    with pytest.raises(AskLater):
        await api.request_export(JOB, deadline=1800.0)
    assert "5.00 of 5.00 a second" in repr(limiter)

    api.slow_down(JOB)

    assert "2.50 of 5.00 a second" in repr(limiter)


@pytest.mark.parametrize("status", [400, 406, 415, 422])
async def test_a_rejected_request_is_final(status: int) -> None:
    """The same request would be refused again."""
    counter = Counterpart(json_response('{"code":"BAD","details":"filter"}', status, x_amz_rid="RID1"))
    error = await fails(counter)
    assert isinstance(error, RequestRejected)
    assert (error.code, error.request_id, error.status) == ("BAD", "RID1", status)


async def test_a_401_about_the_token_fetches_one_and_replays_the_call() -> None:
    """A token may die early; the call then goes through with the next."""
    counter = Counterpart(json_response('{"code":"UNAUTHORIZED"}', 401), token_response("Atza|two"), RUNNING, DONE)
    await counter.make()
    used = [request.headers.get("Authorization") for request in counter.transport.requests]
    assert used == [None, "Bearer Atza|one", None, "Bearer Atza|two", "Bearer Atza|two"]


async def test_a_401_with_a_fresh_token_is_the_profiles_fault() -> None:
    """It does not loop through tokens."""
    refused = json_response('{"code":"UNAUTHORIZED"}', 401)
    counter = Counterpart(refused, token_response("Atza|two"), refused)
    assert isinstance(await fails(counter), ProfileAccessDenied)


@pytest.mark.parametrize("good", ["Atza|3", "none"])
async def test_a_fresh_token_that_others_have_retired(good: str) -> None:
    """That it was refused says nothing about the profile: one more is tried, and only one."""
    counter = Counterpart()
    used: list[str] = []
    given = 0

    async def send(request: Request) -> Response:
        nonlocal given
        if "token" in request.url:
            given += 1
            return token_response(f"Atza|{given}")
        used.append(request.headers["Authorization"].removeprefix("Bearer "))
        if used[-1] == good:
            return RUNNING
        if len(used) > 1:
            api._tokens.reject(await api._tokens.token())  # another profile's call has met the same
        return json_response('{"code":"UNAUTHORIZED"}', 401)

    counter.transport.send = send  # type: ignore[method-assign]
    api = (await counter.desk()).api
    with suppress(ProfileAccessDenied):
        await api.look(JOB, "export-1")
        assert good == "Atza|3"
    assert used == ["Atza|1", "Atza|2", "Atza|3"]


async def test_a_401_about_the_profile_touches_no_token() -> None:
    """Texts that name scope or advertiser are about the profile."""
    counter = Counterpart(json_response('{"code":"401","details":"Not authorized to access scope 1234567890"}', 401))
    assert isinstance(await fails(counter), ProfileAccessDenied)
    assert len(counter.sent) == 2


async def test_a_token_host_that_is_down_is_not_multiplied_by_the_call() -> None:
    """The token source has tried ten times; the call that needed the token does not try ten times that."""
    down = json_response("", 503)
    counter = Counterpart(*[down] * 9, token=down)
    assert isinstance(await fails(counter), ServerError)
    assert counter.tally.requests == 10


async def test_a_wait_for_the_limiter_that_outlasts_the_token() -> None:
    """The token is taken after the wait, so it is not too old when it is sent."""
    counter = Counterpart(json_response("{}", 429, retry_after="50"), token_response("Atza|two"), RUNNING)
    counter.transport._answers.insert(0, token_response("Atza|one", 60))
    del counter.transport._answers[1]
    api = (await counter.desk()).api
    await api.check()
    counter.clock.advance(5)
    with pytest.raises(Throttled):
        await api.look(JOB, "export-1", deadline=20.0)

    await api.look(JOB, "export-1", deadline=1800.0)

    used = [request.headers.get("Authorization") for request in counter.transport.requests]
    assert used == [None, "Bearer Atza|one", None, "Bearer Atza|two"]


async def test_a_429_that_comes_while_a_call_waits_for_its_token() -> None:
    """The call had its permit already, but the profile has been told to wait since: it waits too."""
    counter = Counterpart()
    sent_at: list[float] = []

    async def send(request: Request) -> Response:
        if "token" in request.url:
            await counter.clock.sleep(5.0)
            return token_response()
        sent_at.append(counter.clock.now())
        return export_response("PROCESSING")

    counter.transport.send = send  # type: ignore[method-assign]
    api = (await counter.desk()).api
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(api.look, JOB, "export-1")
        await counter.clock.sleep(1.0)
        api._limiter_of(JOB.profile.profile_id).throttled(30.0)

    assert [at >= 31.0 for at in sent_at] == [True]


async def test_an_outage_that_begins_while_calls_wait_for_their_permits() -> None:
    """They had passed the gate before it was closed: now they pass it again, one as a probe, then each at its time."""
    counter = Counterpart()
    sent_at: list[float] = []

    async def send(request: Request) -> Response:
        if "token" in request.url:
            return token_response()
        sent_at.append(counter.clock.now())
        return export_response("PROCESSING")

    counter.transport.send = send  # type: ignore[method-assign]
    api = (await counter.desk()).api
    profiles = [replace(JOB.profile, profile_id=str(number)) for number in range(10)]
    for profile in profiles:
        api._limiter_of(profile.profile_id).throttled(30.0)
    async with anyio.create_task_group() as tasks:
        for profile in profiles:
            tasks.start_soon(api.look, replace(JOB, profile=profile), "export-1")
        for caller in range(4):
            await counter.clock.sleep(6.0)
            with suppress(ConnectError), api._retrying.host.exchange(caller):
                raise ConnectError("refused")
        assert api._retrying.host.is_down

    assert len(sent_at) == 10
    assert all(later - earlier > 0.5 for earlier, later in pairwise(sent_at[1:]))


async def test_a_request_that_is_cut_off_by_its_deadline() -> None:
    """It may have been heard, so it counts as possibly orphaned, once; one that waits for a token does not."""
    counter = Counterpart(deadline=10.0)
    hung = "export"

    async def send(request: Request) -> Response:
        if hung in request.url:
            await counter.clock.sleep(110.0)
        return token_response() if "token" in request.url else export_response("PROCESSING")

    counter.transport.send = send  # type: ignore[method-assign]
    api = (await counter.desk()).api

    for hung, error, deadline in (("token", ConnectionLost, 10.0), ("export", AskLater, 20.0)):
        with pytest.raises((ConnectionLost, AskLater)) as caught:
            await api.request_export(JOB, deadline=deadline)
        assert type(caught.value) is error
        assert counter.clock.now() == deadline
        assert counter.tally.possibly_orphaned == ["token", "export"].index(hung)


@pytest.mark.parametrize("hung", ["token", "export"])
async def test_a_request_that_is_cancelled(hung: str) -> None:
    """Whoever asked hears of it if the server may have got the request, and only then."""
    counter = Counterpart()
    api = (await counter.desk()).api
    cut: list[str] = []

    async def send(request: Request) -> Response:
        if hung in request.url:
            await anyio.sleep_forever()
        return token_response()

    counter.transport.send = send  # type: ignore[method-assign]
    task = asyncio.create_task(api.request_export(JOB, deadline=1800.0, on_cut=lambda: cut.append(hung)))
    for _ in range(20):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert cut == (["export"] if hung == "export" else [])
    assert counter.tally.possibly_orphaned == len(cut)
