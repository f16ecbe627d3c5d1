"""Access tokens: one refresh at a time per grant."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from asyncexport.adapters.retrying import Retrying
from asyncexport.adapters.tokens import TokenSource
from asyncexport.errors import (
    AsyncexportError,
    AuthError,
    ConnectError,
    ProtocolError,
    RequestRejected,
    ServerError,
    TokenRejected,
    UrlRefused,
)
from asyncexport.events import Event, OddityNoticed, TokenRefreshed
from asyncexport.models import Account, Secret
from asyncexport.ports import Request, Response
from asyncexport.sansio import wire
from asyncexport.sansio.backoff import Backoff
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

    async def access(self) -> str:
        return (await self.tokens.token()).token.reveal()

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
    """An unusable answer has one more try, then it is an error; a later caller begins anew."""
    desk = Desk(json_response("<html>"), json_response("{}"), token("a"))

    with pytest.raises(ProtocolError, match="holds no access_token"):
        await desk.access()
    assert await desk.access() == "a"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refusal("invalid_grant"), AuthError),
        (refusal("invalid_client", 401), AuthError),
        (refusal("unauthorized_client"), AuthError),
        (refusal("invalid_request"), RequestRejected),
        (refusal("access_denied", 401), TokenRejected),
        (json_response("{}", 302, location="https://evil.example/"), UrlRefused),
    ],
)
async def test_a_refusal_for_good(answer: Response, kind: type[AsyncexportError]) -> None:
    """What the token host would only say again is asked once; each caller gets an error of its own that says it."""
    desk = Desk(answer)
    caught = []
    for _ in range(3):
        with pytest.raises(kind) as each:
            await desk.access()
        caught.append(each.value)

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
