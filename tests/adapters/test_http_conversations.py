"""Conversations by status code, from an account's calls down to aiohttp: tokens, throttling, refusals, lost answers."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from yarl import URL

from asyncexport.accounts import Account, Region, Secret
from asyncexport.adapters.http import AiohttpTransport
from asyncexport.adapters.limiter import Limiter
from asyncexport.adapters.retrying import Retrying
from asyncexport.adapters.tokens import TokenSource
from asyncexport.engine.accounts.api import AdsApi, AskLater
from asyncexport.engine.jobs.tally import Tally
from asyncexport.errors import (
    AuthError,
    ConnectError,
    ConnectionLost,
    ProfileAccessDenied,
    ProtocolError,
    RequestRejected,
    ServerError,
    Throttled,
    UrlRefused,
)
from asyncexport.events import CallRetried, Event
from asyncexport.models import Entity, ExportStatus, Job, Profile
from asyncexport.sansio.pacing.backoff import Backoff
from asyncexport.sansio.pacing.bucket import Bucket
from asyncexport.sansio.pacing.chance import Chance
from asyncexport.sansio.wire import Grant
from asyncexport.testing import FakeClock
from tests.aio import mocked_http

API = "https://api.test"
TOKENS = "https://token.test/auth/o2/token"
POST = f"{API}/campaigns/export"
LOOK = f"{API}/exports/e-1"
ACCOUNT = Account(
    "acme", region="EU", client_id="c", client_secret="s", refresh_token="r", api_url=API, token_url=TOKENS
)
JOB = Job(Profile("acme", Region.EU, "1234567890"), Entity.CAMPAIGNS)
TAKEN = {"exportId": "e-1", "status": "PROCESSING"}


class Conversation:
    """One account's calls over a real aiohttp session whose answers are scripted."""

    def __init__(self, mock: Any, transport: AiohttpTransport) -> None:
        self.mock = mock
        self.clock = FakeClock()
        self.events: list[Event] = []
        self.tally = Tally()
        self.lost = 0
        limiter = Limiter(Bucket(5.0, 5), self.clock)
        tokens = TokenSource(
            ACCOUNT,
            Grant("c", Secret("s"), Secret("Atzr|r")),
            transport=transport,
            clock=self.clock,
            retrying=self._retrying(),
            listener=self.events.append,
            count=self.tally.count_request,
        )
        self.api = AdsApi(
            ACCOUNT,
            tokens,
            transport=transport,
            clock=self.clock,
            retrying=self._retrying(),
            limiter_of=lambda _: limiter,
            tally=self.tally,
            chance=Chance(),
        )

    def _retrying(self) -> Retrying:
        return Retrying(Backoff(), clock=self.clock, spread=lambda: 0.5, listener=self.events.append)

    def token(self, *accesses: str) -> None:
        for access in accesses:
            self.mock.post(TOKENS, payload={"access_token": access, "expires_in": 3600})

    def answer(self, *statuses: int, payload: object = None, **more: Any) -> None:
        for status in statuses:
            self.mock.post(POST, status=status, payload={} if payload is None else payload, **more)

    async def request(self, deadline: float = 1800.0) -> str:
        try:
            export = await self.api.request_export(JOB, deadline=deadline)
        except AskLater as stop:
            self.lost += stop.may_run
            raise stop.error from None
        return export.export_id

    def bearers(self, url: str = POST) -> list[str]:
        calls = [call for (_, asked), made in self.mock.requests.items() if asked == URL(url) for call in made]
        return [call.kwargs["headers"]["Authorization"].removeprefix("Bearer ") for call in calls]

    @property
    def reasons(self) -> list[str]:
        return [event.reason for event in self.events if isinstance(event, CallRetried)]


@pytest.fixture
async def talk() -> AsyncIterator[Conversation]:
    """A conversation that has not begun."""
    with mocked_http() as mock:
        async with AiohttpTransport() as transport:
            yield Conversation(mock, transport)


async def test_a_request_that_is_taken(talk: Conversation) -> None:
    """Token 200, export 202: the export has an id, by one token call and one POST."""
    talk.token("one")
    talk.answer(202, payload=TAKEN)

    assert await talk.request() == "e-1"
    assert (talk.bearers(), talk.tally.requests, talk.clock.now()) == (["one"], 2, 0.0)


async def test_a_request_that_is_throttled_first(talk: Conversation) -> None:
    """Export 429 with a Retry-After comes out at once, and nothing is sent before the end of the wait it asked for."""
    talk.token("one")
    talk.answer(429, headers={"Retry-After": "7"})
    talk.answer(202, payload=TAKEN)

    with pytest.raises(Throttled) as caught:
        await talk.request()
    with pytest.raises(Throttled) as held_back:
        await talk.request()
    assert (caught.value.status, held_back.value.status) == (429, 0)
    assert (len(talk.bearers()), talk.tally.throttled, talk.clock.now()) == (1, 1, 0.0)

    talk.clock.advance(held_back.value.retry_after or 0.0)
    assert await talk.request() == "e-1"
    assert talk.clock.now() >= 7.0


async def test_a_request_that_is_throttled_without_a_word(talk: Conversation) -> None:
    """A 429 without Retry-After comes out at once, and the profile is not slowed until somebody says so."""
    talk.token("one")
    talk.answer(429, 429, headers={"x-amzn-ErrorType": "AccessDeniedException"})
    talk.answer(202, payload=TAKEN)

    for _ in range(2):
        with pytest.raises(Throttled):
            await talk.request()
    assert await talk.request() == "e-1"
    assert (talk.clock.now(), talk.tally.throttled, talk.reasons) == (0.0, 2, [])


async def test_a_request_that_is_throttled_for_ever(talk: Conversation) -> None:
    """A Retry-After beyond the deadline fails the job now, and the next job of the profile as well."""
    talk.token("one")
    talk.answer(429, headers={"Retry-After": "1000000000"})

    for _ in range(2):
        with pytest.raises(Throttled):
            await talk.request()

    assert talk.clock.now() == 0.0
    assert len(talk.bearers()) == 1


async def test_a_token_that_has_expired(talk: Conversation) -> None:
    """Export 401, token 200, export 202: the call is made once more with a fresh token, without a delay."""
    talk.token("one", "two")
    talk.answer(401, payload={"code": "UNAUTHORIZED", "details": "HTTP 401 Unauthorized"})
    talk.answer(202, payload=TAKEN)

    assert await talk.request() == "e-1"
    assert (talk.bearers(), talk.clock.now(), talk.reasons) == (["one", "two"], 0.0, [])


async def test_a_fresh_token_that_is_refused_too(talk: Conversation) -> None:
    """A second 401 with a fresh token is the profile's error, and no loop."""
    talk.token("one", "two")
    talk.answer(401, 401)

    with pytest.raises(ProfileAccessDenied, match="also with a fresh token"):
        await talk.request()
    assert talk.bearers() == ["one", "two"]


@pytest.mark.parametrize(
    ("status", "text"), [(401, "Not authorized to access scope"), (403, "Forbidden"), (401, "No matching advertiser")]
)
async def test_a_profile_without_access(talk: Conversation, status: int, text: str) -> None:
    """A refusal that names the profile costs no token."""
    talk.token("one")
    talk.answer(status, payload={"message": text})

    with pytest.raises(ProfileAccessDenied, match=text):
        await talk.request()
    assert talk.bearers() == ["one"]


@pytest.mark.parametrize("status", [400, 404, 406, 415, 422])
async def test_a_request_that_is_refused(talk: Conversation, status: int) -> None:
    """Other 4xx are final at once."""
    talk.token("one")
    talk.answer(status, payload={"message": "bad filter"}, headers={"x-amz-rid": "RID"})

    with pytest.raises(RequestRejected, match=rf"HTTP {status}: bad filter \(request id RID\)"):
        await talk.request()
    assert (len(talk.bearers()), talk.lost) == (1, 0)


async def test_an_api_in_trouble(talk: Conversation) -> None:
    """5xx of every kind pass, also with HTML or nothing in them."""
    talk.token("one")
    talk.answer(500, payload={"code": "INTERNAL_ERROR", "message": "Service Error"})
    for status, body in ((502, "<html>bad gateway</html>"), (503, ""), (504, "\x00")):
        talk.mock.post(POST, status=status, body=body)
    talk.answer(202, payload=TAKEN)

    assert await talk.request() == "e-1"
    assert talk.reasons == ["ServerError"] * 4


async def test_an_api_that_is_down(talk: Conversation) -> None:
    """What does not pass until the deadline comes out as it is, and no attempt is made after the deadline."""
    talk.token("one")
    talk.mock.post(POST, status=503, repeat=True)

    with pytest.raises(ServerError, match="HTTP 503"):
        await talk.request(deadline=5.0)
    assert talk.clock.now() <= 5.0


@pytest.mark.parametrize(
    ("error", "is_orphan"),
    [
        (aiohttp.ServerDisconnectedError(), True),
        (aiohttp.ClientPayloadError("cut"), True),
        (aiohttp.ClientOSError(104, "Connection reset by peer"), True),
        (aiohttp.SocketTimeoutError("late"), True),
        (aiohttp.ConnectionTimeoutError("nobody there"), False),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_an_answer_that_is_lost(talk: Conversation, error: Exception, is_orphan: bool) -> None:
    """A lost answer is a possible orphan, told and left to the caller; a connection that never stood is tried again."""
    talk.token("one")
    talk.mock.post(POST, exception=error)
    talk.answer(202, payload=TAKEN)

    if is_orphan:
        with pytest.raises(ConnectionLost):
            await talk.request()
    assert await talk.request() == "e-1"
    assert (talk.lost, talk.tally.possibly_orphaned) == (int(is_orphan), int(is_orphan))
    assert talk.reasons == ([] if is_orphan else ["ConnectError"])


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE])
async def test_a_call_without_a_descriptor(talk: Conversation, code: int) -> None:
    """It was never sent, so it is simply made again and is no orphan (C15)."""
    talk.token("one")
    refused = aiohttp.ClientConnectorError(connection_key=None, os_error=OSError(code, os.strerror(code)))  # type: ignore[arg-type]
    talk.mock.post(POST, exception=refused)
    talk.answer(202, payload=TAKEN)

    assert await talk.request() == "e-1"
    assert talk.reasons == ["TooManyOpenFiles"]
    assert (talk.lost, talk.tally.possibly_orphaned) == (0, 0)


@pytest.mark.parametrize("body", ["", "{}", "<html>", '{"exportId":"a/b","status":"PROCESSING"}'])
async def test_an_answer_that_says_nothing(talk: Conversation, body: str) -> None:
    """A success without a usable id is an error at once, and its export may run unseen."""
    talk.token("one")
    talk.mock.post(POST, status=202, body=body)

    with pytest.raises(ProtocolError, match=r"request of campaigns of acme/EU/1234567890: the answer"):
        await talk.request()
    assert (len(talk.bearers()), talk.lost) == (1, 1)


async def test_a_redirected_call(talk: Conversation) -> None:
    """Neither the API nor the token host can send credentials elsewhere."""
    talk.mock.post(TOKENS, status=307, headers={"Location": "https://evil.example/"})
    with pytest.raises(UrlRefused, match="account 'acme': access token: HTTP 307: redirects are not followed"):
        await talk.request()

    assert [str(url) for _, url in talk.mock.requests] == [TOKENS]


@pytest.mark.parametrize("code", ["invalid_grant", "invalid_client", "unauthorized_client"])
async def test_a_grant_that_is_refused(talk: Conversation, code: str) -> None:
    """A grant that is refused for good ends every call of the account, after one question."""
    talk.mock.post(TOKENS, status=400, payload={"error": code, "error_description": "because"})

    for _ in range(3):
        with pytest.raises(AuthError, match=code):
            await talk.request()
    assert talk.tally.requests == 1


async def test_a_token_host_in_trouble(talk: Conversation) -> None:
    """The token host's own trouble is waited for before the call is made."""
    talk.mock.post(TOKENS, exception=aiohttp.ServerDisconnectedError())
    talk.mock.post(TOKENS, status=503)
    talk.token("one")
    talk.answer(202, payload=TAKEN)

    assert await talk.request() == "e-1"
    assert (talk.reasons, talk.lost) == (["ConnectionLost", "ServerError"], 0)


async def test_a_connection_that_never_stands(talk: Conversation) -> None:
    """A host that cannot be reached is tried to the end, and no POST is counted as an orphan."""
    talk.token("one")
    talk.mock.post(POST, exception=aiohttp.ConnectionTimeoutError("nobody there"), repeat=True)

    with pytest.raises(ConnectError, match=f"{API}: no connection"):
        await talk.request()
    assert talk.lost == 0


async def test_looks_at_an_export(talk: Conversation) -> None:
    """Looks go on past a fault, and the one that finds the export complete brings a URL and its life."""
    talk.token("one")
    talk.mock.get(LOOK, payload=TAKEN)
    talk.mock.get(LOOK, status=502)
    complete = {
        "exportId": "e-1",
        "status": "COMPLETED",
        "url": "https://b.s3.amazonaws.com/k?X-Amz-Signature=a%2Bb",
        "fileSize": 22,
        "urlExpiresAt": "2023-09-26T16:38:44Z",
    }
    talk.mock.get(LOOK, payload=complete, headers={"Date": "Tue, 26 Sep 2023 15:38:44 GMT"})

    running, done = [await talk.api.look(JOB, "e-1") for _ in range(2)]

    assert running.status is ExportStatus.RUNNING
    assert done.status is ExportStatus.COMPLETED
    assert done.url is not None
    assert done.url.reveal() == "https://b.s3.amazonaws.com/k?X-Amz-Signature=a%2Bb"
    assert (done.file_size, done.url_seconds) == (22, 3600.0)


async def test_a_list_of_profiles_after_trouble(talk: Conversation) -> None:
    """A list that is cut is asked for again, and never taken for an empty one."""
    talk.token("one")
    url = f"{API}/v2/profiles"
    talk.mock.get(url, status=429)
    talk.mock.get(url, body='[{"profileId":1},')
    talk.mock.get(url, body='[{"profileId":18446744073709551617}]')

    assert [profile.profile_id for profile in await talk.api.profiles()] == ["18446744073709551617"]


async def test_a_large_list_of_profiles(talk: Conversation) -> None:
    """Two thousand profiles come through in one answer."""
    talk.token("one")
    about = {"type": "seller", "name": "Name of the account " * 5}
    entries = [{"profileId": number, "accountInfo": about} for number in range(2000)]
    talk.mock.get(f"{API}/v2/profiles", payload=entries)

    assert len(await talk.api.profiles()) == 2000
