"""The one place where a call is made again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise

import anyio
import pytest

from asyncexport.adapters.retrying import LEAST_SECONDS, Retrying, in_time
from asyncexport.errors import (
    AsyncexportError,
    ConnectError,
    ConnectionLost,
    ProtocolError,
    RequestRejected,
    ServerError,
    Throttled,
    TlsError,
)
from asyncexport.events import CallRetried, Event
from asyncexport.sansio.pacing.backoff import Backoff
from asyncexport.testing import FakeClock


class Desk:
    """A retrying with a clock, a spread in the middle, and ears."""

    def __init__(self, *, patience: float = 1800.0, backoff: Backoff | None = None) -> None:
        self.clock = FakeClock()
        self.events: list[Event] = []
        self.retrying = Retrying(
            backoff or Backoff(),
            clock=self.clock,
            spread=lambda: 0.5,
            listener=self.events.append,
            patience=patience,
        )
        self.tried: list[float] = []

    def script(self, *errors: AsyncexportError) -> Callable[[], Awaitable[str]]:
        """Return a call that fails with each of ``errors`` and then succeeds."""
        waiting = list(errors)

        async def attempt() -> str:
            self.tried.append(self.clock.now())
            if waiting:
                raise waiting.pop(0)
            return "done"

        return attempt

    async def call(self, *errors: AsyncexportError, deadline: float | None = None) -> str:
        return await self.retrying.call(
            self.script(*errors), what="profiles", account="acme", profile_id="1", deadline=deadline
        )


async def test_a_call_that_succeeds() -> None:
    """A call that succeeds is made once and nobody is told."""
    desk = Desk()

    assert await desk.call() == "done"
    assert (desk.tried, desk.events) == ([0.0], [])


async def test_a_call_that_fails_for_a_while() -> None:
    """Between attempts the policy's delays are waited for, and each is told with its reason."""
    desk = Desk()

    assert await desk.call(ServerError("m"), ConnectionLost("m"), Throttled("m"), ConnectError("m")) == "done"
    assert desk.tried == [0.0, 0.5, 1.5, 3.5, 7.5]
    assert desk.events[0] == CallRetried("acme", "1", "profiles", "ServerError", 0.5, throttled=False)
    assert desk.events[2] == CallRetried("acme", "1", "profiles", "Throttled", 2.0, throttled=True)


@pytest.mark.parametrize("error", [RequestRejected("m"), TlsError("m")])
async def test_a_call_that_fails_for_good(error: AsyncexportError) -> None:
    """What does not pass comes out at once, as it is."""
    desk = Desk()

    with pytest.raises(AsyncexportError) as caught:
        await desk.call(error)
    assert caught.value is error
    assert desk.tried == [0.0]


async def test_a_foreign_exception() -> None:
    """What is not ours is a mistake of ours: it comes out as it is."""

    async def attempt() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await Desk().retrying.call(attempt, what="w", account="a")


async def test_a_call_that_never_succeeds() -> None:
    """After the last attempt the last error comes out."""
    desk = Desk()
    errors = [ServerError(str(number)) for number in range(20)]

    with pytest.raises(ServerError, match="9"):
        await desk.call(*errors)
    assert len(desk.tried) == 10
    assert len(desk.events) == 9


async def test_garbled_answers() -> None:
    """A garbled answer has one more try, however many failures of another kind came before it."""
    desk = Desk()
    busy = [Throttled("m")] * 3

    assert await desk.call(*busy, ProtocolError("cut"), *busy) == "done"
    with pytest.raises(ProtocolError, match="again"):
        await desk.call(*busy, ProtocolError("cut"), Throttled("m"), ProtocolError("again"))


async def test_a_retry_after() -> None:
    """What the server asked for is waited for in full, and a little longer."""
    desk = Desk()

    assert await desk.call(Throttled("m", retry_after=100.0)) == "done"
    assert desk.tried == [0.0, 100.5]


@pytest.mark.parametrize("asked", [1e9, 61.0])
async def test_a_retry_after_beyond_the_deadline(asked: float) -> None:
    """A wait that would end after the deadline is not begun: the error comes out now."""
    desk = Desk()

    with pytest.raises(Throttled):
        await desk.call(Throttled("m", retry_after=asked), deadline=60.0)
    assert desk.clock.now() == 0.0
    assert desk.events == []


async def test_a_deadline_that_is_reached() -> None:
    """No attempt is made after the deadline, however many are left."""
    desk = Desk()

    with pytest.raises(ServerError):
        await desk.call(*[ServerError("m")] * 9, deadline=5.0)
    assert desk.tried == [0.0, 0.5, 1.5, 3.5]


async def test_patience_without_a_deadline() -> None:
    """A call without a deadline has its patience, counted from its beginning."""
    desk = Desk(patience=10.0)
    desk.clock.advance(1000.0)

    with pytest.raises(ServerError):
        await desk.call(*[ServerError("m")] * 9)
    assert desk.tried == [1000.0, 1000.5, 1001.5, 1003.5, 1007.5]


async def test_an_outage() -> None:
    """When the retry budget is spent each further retry waits as long as the policy can make it wait."""
    desk = Desk(backoff=Backoff(attempts=2))

    for _ in range(30):
        with pytest.raises(ServerError):
            await desk.call(ServerError("m"), ServerError("m"))

    delays = [event.delay for event in desk.events if isinstance(event, CallRetried)]
    assert delays[:20] == [0.5] * 20
    assert set(delays[20:]) == {0.5, 45.0}
    assert delays[20:].count(0.5) <= 30 * 0.2


async def test_429s_that_are_many() -> None:
    """They cost nothing of the retry budget: limiters slow the calls that meet them."""
    desk = Desk(backoff=Backoff(attempts=2, refusals=2))

    for _ in range(30):
        with pytest.raises(Throttled):
            await desk.call(Throttled("m"), Throttled("m"))
    await desk.call(ServerError("m"))

    assert [event.delay for event in desk.events if isinstance(event, CallRetried)] == [0.5] * 31


async def test_calls_after_an_outage() -> None:
    """First tries that succeed fill the budget again."""
    desk = Desk(backoff=Backoff(attempts=2))
    for _ in range(30):
        with pytest.raises(ServerError):
            await desk.call(ServerError("m"), ServerError("m"))
    for _ in range(10):
        await desk.call()
    before = desk.clock.now()

    await desk.call(ServerError("m"))

    assert desk.clock.now() - before == 0.5


class DownHost:
    """Lets a retrying's host be down until a moment, by callers who hear of it all the time."""

    def __init__(self, desk: Desk, until: float) -> None:
        self._desk = desk
        self._until = until
        self.tried: list[float] = []
        for _ in range(2):
            for caller in ("one", "two"):
                with pytest.raises(ConnectError), desk.retrying.host.exchange(caller):
                    raise ConnectError("refused")
            desk.clock.advance(10.0)

    async def attempt(self) -> str:
        with self._desk.retrying.host.exchange("attempt"):
            self.tried.append(self._desk.clock.now())
            if self._desk.clock.now() < self._until:
                raise ServerError("down")
        return "done"


async def test_a_host_that_is_down_for_everybody() -> None:
    """Neither attempts nor time count until it is back, and what is tried meanwhile is tried seldom."""
    desk = Desk()
    down = DownHost(desk, until=1800.0)

    assert await desk.retrying.call(down.attempt, what="w", account="a", deadline=60.0) == "done"
    assert 1800.0 <= desk.clock.now() <= 1830.0
    assert 50 <= len(down.tried) <= 100
    told = [event.delay for event in desk.events if isinstance(event, CallRetried)]
    assert (min(told), max(told)) == (1.5 * 2, 22.5)


async def test_a_host_that_stays_down() -> None:
    """After an hour the last error comes out."""
    desk = Desk()
    down = DownHost(desk, until=1e9)

    with pytest.raises(ServerError, match="down"):
        await desk.retrying.call(down.attempt, what="w", account="a")
    assert 3600.0 <= desk.clock.now() <= 3660.0


@pytest.mark.parametrize(("asked", "attempts"), [(500.0, 9), (1e9, 1)])
async def test_a_host_that_is_down_and_says_for_how_long(asked: float, attempts: int) -> None:
    """A Retry-After is obeyed in full; where it goes beyond the deadline, which stands still, it is the end."""
    desk = Desk()
    DownHost(desk, until=1e9)
    tried: list[float] = []

    async def attempt() -> None:
        tried.append(desk.clock.now())
        with desk.retrying.host.exchange("attempt"):
            raise ServerError("m", retry_after=asked)

    with pytest.raises(ServerError):
        await desk.retrying.call(attempt, what="w", account="a", deadline=600.0)
    assert len(tried) == attempts
    assert all(later - earlier >= asked for earlier, later in pairwise(tried))


async def test_attempts_after_an_outage() -> None:
    """What failed in the outage is not counted: a call that fails on for itself has all its attempts."""
    desk = Desk()
    down = DownHost(desk, until=100.0)
    tried_after: list[float] = []

    async def attempt() -> None:
        if desk.clock.now() < 100.0:
            await down.attempt()
        with desk.retrying.host.exchange("somebody else"):
            tried_after.append(desk.clock.now())
        raise ServerError("for itself")

    with pytest.raises(ServerError, match="for itself"):
        await desk.retrying.call(attempt, what="w", account="a")
    assert len(tried_after) == 10


async def test_an_attempt_that_lasts_beyond_the_deadline() -> None:
    """It is cut off at the deadline, as an answer that was lost, and leaves nothing behind."""
    desk = Desk()
    before = asyncio.all_tasks()

    with pytest.raises(ConnectionLost, match=r"^profiles: cut off after 10 s"):
        await desk.retrying.call(lambda: desk.clock.sleep(110.0), what="profiles", account="acme", deadline=10.0)
    assert desk.clock.now() == 10.0
    assert asyncio.all_tasks() == before


async def test_a_further_attempt_that_lasts_beyond_the_deadline() -> None:
    """A further attempt has what the ones before and the waits between have left of the time."""
    desk = Desk()
    tried: list[float] = []

    async def attempt() -> None:
        tried.append(desk.clock.now())
        await desk.clock.sleep(20.0)
        raise ServerError("m")

    with pytest.raises(ConnectionLost):
        await desk.retrying.call(attempt, what="w", account="a", deadline=30.0)
    assert (tried, desk.clock.now()) == ([0.0, 20.5], 30.0)


async def test_a_call_that_begins_at_its_deadline() -> None:
    """It has a moment for its answer, and no more than that."""
    desk = Desk()
    desk.clock.advance(10.0)

    assert await desk.call(deadline=10.0) == "done"
    with pytest.raises(ConnectionLost):
        await desk.retrying.call(lambda: desk.clock.sleep(110.0), what="w", account="a", deadline=10.0)
    assert desk.clock.now() == 10.0 + LEAST_SECONDS


async def test_an_attempt_that_ends_although_it_was_cut_off() -> None:
    """What it returns counts."""
    clock = FakeClock()

    async def attempt() -> str:
        with anyio.CancelScope(shield=True):
            await clock.sleep(20.0)
        return "done"

    assert await in_time(attempt, clock=clock, deadline=10.0, what="w") == "done"
    assert clock.now() == 20.0


async def test_a_caller_that_is_cancelled_during_an_attempt() -> None:
    """The cancellation comes out as itself, and nothing is left behind."""
    desk = Desk()
    before = asyncio.all_tasks()
    calling = asyncio.ensure_future(
        desk.retrying.call(asyncio.Event().wait, what="w", account="a", deadline=float("inf"))
    )
    await anyio.lowlevel.checkpoint()
    calling.cancel()

    with pytest.raises(asyncio.CancelledError):
        await calling
    assert asyncio.all_tasks() == before
