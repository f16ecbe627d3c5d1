"""Access tokens: one refresh at a time per grant."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from asyncexport.accounts import Account, Secret
from asyncexport.adapters.retrying import Retrying
from asyncexport.adapters.tokens import TokenSource
from asyncexport.errors import (
    AsyncexportError,
    AuthError,
    ConnectError,
    ConnectionLost,
    ProtocolError,
    RequestRejected,
    ServerError,
    Throttled,
    UrlRefused,
)
from asyncexport.events import Event, OddityNoticed, TokenRefreshed
from asyncexport.ports import Request, Response
from asyncexport.sansio import wire
from asyncexport.sansio.pacing.backoff import Backoff
from asyncexport.testing import FakeClock, FakeTransport, json_response

ACCOUNT = Account("acme", region="NA", client_id="client", client_secret="s", refresh_token="r")
GRANT = wire.Grant("client", Secret("secret"), Secret("Atzr|one"))


def token(access: str, seconds: int = 3600, refresh: str = "Atzr|one") -> Response:
    return json_response(f'{{"access_token":"{access}","expires_in":{seconds},"refresh_token":"{refresh}"}}')


def refusal(code: str, status: int = 400) -> Response:
    return json_response(f'{{"error":"{code}","error_description":"because"}}', status)


class Desk:
    """A token source with a scripted host."""

    def __init__(self, *answers: Response | Exception) -> None:
        self.clock = FakeClock()
        self.events: list[Event] = []
        self.counted = 0
        self.transport = FakeTransport(*answers)
        retrying = Retrying(Backoff(), clock=self.clock, spread=lambda: 0.5, listener=self.events.append)
        self.tokens = TokenSource(
            ACCOUNT,
            GRANT,
            transport=self.transport,
            clock=self.clock,
            retrying=retrying,
            listener=self.events.append,
            count=self.count,
        )

    def count(self) -> None:
        self.counted += 1

    async def access(self, deadline: float | None = None) -> str:
        return (await self.tokens.token(deadline=deadline)).token.reveal()

    def answer_after(self, seconds: float, answer: Response | Exception) -> None:
        """From now on the host takes so long for each answer, and it is always this one."""

        async def send(request: Request) -> Response:
            assert request.method == "POST"
            await self.clock.sleep(seconds)
            if isinstance(answer, Exception):
                raise answer
            return answer

        self.transport.send = send  # type: ignore[method-assign]

    async def all_of(self, callers: int, deadline: float | None = None) -> list[tuple[float, str]]:
        """Have so many ask at once; return when each was served and with what: a token or the name of an error."""
        served: list[tuple[float, str]] = []

        async def caller() -> None:
            try:
                got = await self.access(deadline)
            except AsyncexportError as error:
                got = type(error).__name__
            served.append((self.clock.now(), got))

        async with anyio.create_task_group() as tasks:
            for _ in range(callers):
                tasks.start_soon(caller)
        return served

    @property
    def oddities(self) -> list[str]:
        return [event.what for event in self.events if isinstance(event, OddityNoticed)]


async def test_the_first_token() -> None:
    """The first caller gets a token from the account's own token host; the second one the same without a call."""
    desk = Desk(token("a"))

    assert [await desk.access(), await desk.access()] == ["a", "a"]
    assert [each.url for each in desk.transport.requests] == ["https://api.amazon.com/auth/o2/token"]
    assert desk.counted == 1
    assert desk.events == [TokenRefreshed("acme", 3600.0)]
    assert desk.tokens.client_id == "client"
    assert repr(desk.tokens) == "<TokenSource acme generation 1>"


async def test_a_hundred_callers_at_once() -> None:
    """However many need a token at once, it is asked for once."""
    desk = Desk(token("a"))
    got: list[str] = []

    async def caller() -> None:
        got.append(await desk.access())

    async with anyio.create_task_group() as tasks:
        for _ in range(100):
            tasks.start_soon(caller)

    assert got == ["a"] * 100
    assert desk.counted == 1


@pytest.mark.parametrize(
    ("seconds", "advance", "calls"), [(3600, 3299, 1), (3600, 3300, 2), (600, 539, 1), (600, 540, 2)]
)
async def test_a_token_that_grows_old(seconds: int, advance: int, calls: int) -> None:
    """A token is refreshed five minutes before its end, or a tenth of its life if that is less."""
    desk = Desk(token("a", seconds), token("b", seconds))
    await desk.access()

    desk.clock.advance(advance)

    assert await desk.access() == "ab"[calls - 1]
    assert desk.counted == calls


async def test_an_early_refresh_that_fails() -> None:
    """While the old token is good it serves on, a warning is given, and the next try is half a minute away."""
    desk = Desk(token("a"), ServerError("busy"), token("b"))
    await desk.access()
    desk.clock.advance(3400)

    assert [await desk.access(), await desk.access()] == ["a", "a"]
    assert desk.oddities == ["account 'acme': the token could not be refreshed early"]
    assert desk.counted == 2
    desk.clock.advance(30)
    assert await desk.access() == "b"


async def test_early_refreshes_that_fail_to_the_end() -> None:
    """After its end a token serves no longer: then a new one is asked for until it comes."""
    desk = Desk(token("a"), ServerError("busy"), ServerError("busy"), ConnectError("refused"), token("b"))
    await desk.access()
    desk.clock.advance(3590)
    assert await desk.access() == "a"
    desk.clock.advance(10)

    assert await desk.access() == "b"
    assert desk.counted == 5


async def test_a_grant_that_is_revoked_while_its_token_is_good() -> None:
    """A refusal for good is told at once, also before the old token's end."""
    desk = Desk(token("a"), refusal("invalid_grant"))
    await desk.access()
    desk.clock.advance(3400)

    with pytest.raises(AuthError, match="invalid_grant"):
        await desk.access()


async def test_a_token_host_in_trouble() -> None:
    """Faults that pass are waited for with the policy's delays."""
    desk = Desk(
        ConnectError("refused"), json_response("{}", 503), json_response("{}", 429, retry_after="10"), token("a")
    )

    assert await desk.access() == "a"
    assert desk.clock.now() == 0.5 + 1.0 + 10.5


async def test_garbage_from_the_token_host() -> None:
    """An unusable answer has one more try, then it is an error; a caller a while later begins anew."""
    desk = Desk(json_response("<html>"), json_response("{}"), token("a"))

    for _ in range(2):
        with pytest.raises(ProtocolError, match="holds no access_token"):
            await desk.access()
    assert desk.counted == 2
    desk.clock.advance(60)
    assert await desk.access() == "a"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refusal("invalid_grant"), AuthError),
        (refusal("invalid_client", 401), AuthError),
        (refusal("unauthorized_client"), AuthError),
        (refusal("invalid_request"), RequestRejected),
        (refusal("access_denied", 401), AuthError),
        (json_response("blocked", 403), RequestRejected),
        (json_response("{}", 302, location="https://evil.example/"), UrlRefused),
    ],
)
async def test_a_refusal_for_good(answer: Response, kind: type[AsyncexportError]) -> None:
    """What the token host would only say again is asked once and never again; each caller gets an error of its own."""
    desk = Desk(answer)
    caught = []
    for _ in range(3):
        with pytest.raises(kind) as each:
            await desk.access()
        caught.append(each.value)
        desk.clock.advance(86_400)

    assert desk.counted == 1
    assert len({str(each) for each in caught}) == 1
    assert len({id(each) for each in caught}) == 3
    assert [vars(each) for each in caught[1:]] == [vars(caught[0])] * 2


async def test_a_rejected_token() -> None:
    """A token that the API refused is never given out again."""
    desk = Desk(token("a"), token("b"))
    access = await desk.tokens.token()

    desk.tokens.reject(access)

    assert await desk.access() == "b"


async def test_a_thousand_rejections_of_one_token() -> None:
    """However many calls met the same 401, one refresh answers them all."""
    desk = Desk(token("a"), token("b"))
    access = await desk.tokens.token()
    got: list[str] = []

    async def rejected() -> None:
        desk.tokens.reject(access)
        got.append(await desk.access())

    async with anyio.create_task_group() as tasks:
        for _ in range(1000):
            tasks.start_soon(rejected)

    assert got == ["b"] * 1000
    assert desk.counted == 2


async def test_a_late_rejection() -> None:
    """A 401 for a token that has been replaced meanwhile changes nothing."""
    desk = Desk(token("a"), token("b"))
    old = await desk.tokens.token()
    desk.tokens.reject(old)
    await desk.access()

    desk.tokens.reject(old)

    assert await desk.access() == "b"
    assert desk.counted == 2


async def test_a_rejection_before_any_token() -> None:
    """Before the first token there is nothing to reject."""
    other = Desk(token("x"))
    access = await other.tokens.token()
    desk = Desk(token("a"))

    desk.tokens.reject(access)

    assert await desk.access() == "a"


async def test_another_refresh_token() -> None:
    """A refresh token that comes along is used from then on, and is noticed but not shown."""
    desk = Desk(token("a", refresh="Atzr|canary"), token("b", refresh="Atzr|canary"))
    desk.tokens.reject(await desk.tokens.token())
    await desk.access()

    bodies = [each.body for each in desk.transport.requests]
    assert [b"Atzr%7Cone" in bodies[0], b"Atzr%7Ccanary" in bodies[1]] == [True, True]
    assert all(what.startswith("account 'acme': the token host gave another refresh token") for what in desk.oddities)
    assert desk.oddities
    assert "canary" not in repr(desk.events)


async def test_a_caller_that_is_cancelled_while_refreshing() -> None:
    """Who is cancelled while it refreshes leaves the line to the next, who gets a token of its own."""
    asked: list[Request] = []
    gate = asyncio.Event()
    desk = Desk()

    async def send(request: Request) -> Response:
        asked.append(request)
        if len(asked) == 1:
            await gate.wait()
        return token("a")

    desk.transport.send = send  # type: ignore[method-assign]
    first = asyncio.ensure_future(desk.tokens.token())
    second = asyncio.ensure_future(desk.tokens.token())
    while not asked:
        await anyio.lowlevel.checkpoint()
    first.cancel()

    assert (await second).token == Secret("a")
    assert first.cancelled()
    assert len(asked) == 2


async def test_an_outage_met_by_many() -> None:
    """One round of attempts answers all who wait and all who come within the longest backoff; then comes another."""
    desk = Desk(*[ServerError("down", status=503)] * 10, token("a"))

    served = await desk.all_of(40, deadline=1800.0)

    assert {name for _, name in served} == {"ServerError"}
    assert {at for at, _ in served} == {0.5 * (1 + 2 + 4 + 8 + 16 + 32 + 60 + 60 + 60)}
    assert desk.counted == 10
    desk.clock.advance(59)
    with pytest.raises(ServerError) as one:
        await desk.access()
    with pytest.raises(ServerError) as other:
        await desk.access()
    assert one.value is not other.value
    assert vars(one.value) == vars(other.value)
    desk.clock.advance(1)
    assert await desk.access() == "a"
    assert desk.counted == 11


async def test_a_caller_without_time_in_a_short_trouble() -> None:
    """Who has no more time for another attempt fails alone: the others go on asking."""
    desk = Desk(ServerError("busy"), ServerError("busy"), token("a"))

    with pytest.raises(ServerError):
        await desk.access(deadline=0.3)
    assert await desk.access(deadline=1800.0) == "a"


async def test_an_outage_longer_than_the_callers_have_time() -> None:
    """Once the host has been failing for as long as the longest backoff it is not asked for each caller any more."""
    desk = Desk(*[ServerError("down")] * 30)
    for _ in range(8):
        with pytest.raises(ServerError):
            await desk.access(deadline=desk.clock.now() + 10.0)
        desk.clock.advance(10.0)
    asked = desk.counted

    with pytest.raises(ServerError):
        await desk.access(deadline=desk.clock.now() + 10.0)
    assert desk.counted == asked


async def test_a_retry_after_from_the_token_host() -> None:
    """Who has no time until then is told at once, without a call; who has it waits and is served."""
    desk = Desk(json_response("{}", 429, retry_after="5000"), token("a"))

    served = await desk.all_of(40, deadline=1800.0)
    assert served == [(0.0, "Throttled")] * 40
    assert desk.counted == 1
    with pytest.raises(Throttled):
        await desk.access()
    assert await desk.access(deadline=6000.0) == "a"
    assert desk.clock.now() == 5000.0


async def test_a_retry_after_for_an_early_refresh() -> None:
    """It is kept as well: by the next early try, and beyond the token's end."""
    desk = Desk(token("a"), json_response("{}", 429, retry_after="100"), json_response("{}", 503, retry_after="200"))
    await desk.access()
    desk.clock.advance(3400)
    assert await desk.access() == "a"
    desk.clock.advance(99)
    assert (await desk.access(), desk.counted) == ("a", 2)
    desk.clock.advance(1)
    assert (await desk.access(), desk.counted) == ("a", 3)
    desk.answer_after(0, token("b"))

    desk.clock.advance(100)
    assert await desk.access(deadline=5000.0) == "b"
    assert desk.clock.now() == 3700.0


async def test_an_early_refresh_that_is_refused() -> None:
    """What would be refused again is not asked early again; at the token's end it is."""
    desk = Desk(token("a"), json_response("blocked", 403), token("b"))
    await desk.access()
    desk.clock.advance(3400)
    assert await desk.access() == "a"
    desk.clock.advance(199)

    assert (await desk.access(), desk.counted) == ("a", 2)
    desk.clock.advance(1)
    assert await desk.access() == "b"


async def test_an_early_refresh_that_hangs() -> None:
    """Only the caller that refreshes waits; the others use the token that is still good."""
    desk = Desk(token("a"))
    await desk.access()
    desk.clock.advance(3305)
    desk.answer_after(120.0, ConnectionLost("no answer in time"))

    assert sorted(await desk.all_of(5)) == [(3305.0, "a")] * 4 + [(3425.0, "a")]


async def test_an_early_refresh_that_outlasts_the_token() -> None:
    """When it fails after the old token's end, a new token is asked for until it comes."""
    desk = Desk(token("a", 60))
    await desk.access()
    desk.clock.advance(55)
    desk.answer_after(120.0, ConnectionLost("no answer in time"))

    with pytest.raises(ConnectionLost):
        await desk.access(deadline=500.0)
    assert desk.counted > 2


async def test_a_token_host_that_hangs() -> None:
    """At its deadline each caller is let go, also the one that waits in line, and nothing is left behind."""
    desk = Desk()
    desk.answer_after(1000.0, token("a"))
    before = asyncio.all_tasks()

    assert await desk.all_of(3, deadline=10.0) == [(10.0, "ConnectionLost")] * 3
    with pytest.raises(ConnectionLost, match="account 'acme': access token: cut off"):
        await desk.access(deadline=20.0)
    assert asyncio.all_tasks() == before
    desk.answer_after(0, token("a"))
    assert await desk.access() == "a"
