"""Who waits for a bucket."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from asyncexport.adapters.limiter import ClientLimiter, Limiter
from asyncexport.errors import Throttled
from asyncexport.sansio.pacing.bucket import Bucket
from asyncexport.sansio.pacing.wider import ClientRate
from asyncexport.testing import FakeClock


def made(rate: float = 1.0, burst: int = 1) -> tuple[Limiter, FakeClock]:
    clock = FakeClock(start=100.0)
    return Limiter(Bucket(rate, burst), clock), clock


async def test_callers_that_come_together() -> None:
    """Callers get their permits in the order they came, the burst at once and then at the rate."""
    limiter, clock = made(rate=2.0, burst=2)
    got: list[tuple[int, float]] = []

    async def caller(number: int) -> None:
        await limiter.acquire()
        got.append((number, clock.now()))

    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(caller, number)

    assert got == [(0, 100.0), (1, 100.0), (2, 100.5), (3, 101.0), (4, 101.5)]


async def test_a_permit_that_is_there() -> None:
    """Taking it lets no other task run."""
    limiter, _ = made(burst=2)
    seen: list[str] = []
    other = asyncio.create_task(_note(seen))

    await limiter.acquire()
    assert seen == []

    await other
    assert seen == ["ran"]


async def test_a_permit_for_which_somebody_waits() -> None:
    """Who comes later does not take it from those in line, even if it has just become free."""
    limiter, clock = made(rate=1.0, burst=1)
    got: list[tuple[str, float]] = []

    async def caller(name: str) -> None:
        await limiter.acquire()
        got.append((name, clock.now()))

    await limiter.acquire()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(caller, "first")
        await clock.sleep(0.5)
        clock.advance(0.5)
        tasks.start_soon(caller, "second")

    assert got == [("first", 101.0), ("second", 102.0)]


async def _note(seen: list[str]) -> None:
    seen.append("ran")


async def test_a_429_while_others_wait() -> None:
    """A 429 that one caller met is heard by all who wait behind it."""
    limiter, clock = made(rate=1.0, burst=1)
    got: list[float] = []

    async def caller() -> None:
        await limiter.acquire()
        got.append(clock.now())

    await limiter.acquire()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(caller)
        tasks.start_soon(caller)
        await anyio.lowlevel.checkpoint()
        limiter.throttled(30.0)

    assert got == [132.0, 134.0]


async def test_a_success_after_a_429() -> None:
    """Quiet wins the rate back."""
    limiter, clock = made(rate=2.0)
    limiter.throttled(None)
    clock.advance(20.0)
    limiter.succeeded()

    for _ in range(2):
        await limiter.acquire()

    assert clock.now() == 120.5


async def test_a_429_to_an_old_call() -> None:
    """Whoever has a permit knows since when, so that a 429 to it counts only if it is news."""
    limiter, clock = made(rate=2.0)
    sent_at = await limiter.acquire()
    assert sent_at == 100.0
    clock.advance(5.0)
    limiter.throttled(None)
    clock.advance(5.0)

    limiter.throttled(None, sent_at=sent_at)

    assert repr(limiter) == "<Limiter <Bucket 1.0/1 permits, 1.00 of 2.00 a second>>"


async def test_a_pause_that_outlasts_patience() -> None:
    """A long pause is told to each caller at once, with what is left of it, so that none sleeps past its deadline."""
    limiter, clock = made()
    limiter.throttled(86_400.0)

    for _ in range(2):
        with pytest.raises(Throttled, match=r"asked to be left alone for another 86400 s \(Retry-After\)") as caught:
            await limiter.acquire()
        assert (caught.value.status, caught.value.retry_after) == (0, 86_400.0)

    assert clock.now() == 100.0


async def test_a_long_pause_while_others_wait() -> None:
    """Who already waits in line hears of a long pause when it wakes, and the line goes on."""
    limiter, clock = made(rate=1.0, burst=1)
    heard: list[float] = []

    async def caller() -> None:
        with pytest.raises(Throttled) as caught:
            await limiter.acquire()
        heard.append(caught.value.retry_after or 0.0)

    await limiter.acquire()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(caller)
        tasks.start_soon(caller)
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
        limiter.throttled(3600.0)

    assert heard == [3599.0, 3599.0]
    assert clock.now() == 101.0


async def test_a_slow_rate() -> None:
    """A rate of one call in five minutes is waited for: it is no pause."""
    limiter, clock = made(rate=1 / 300, burst=1)
    await limiter.acquire()
    await limiter.acquire()

    assert clock.now() == pytest.approx(400.0)


async def test_the_end_of_a_pause() -> None:
    """A pause that is over is forgotten."""
    limiter, clock = made()
    limiter.throttled(86_400.0)
    clock.advance(86_400.0)

    await limiter.acquire()

    assert clock.now() == pytest.approx(86_502.0)


async def test_a_caller_that_will_not_wait_long() -> None:
    """It is told at once when the permit is further away than it has patience for, those before it counted."""
    limiter, clock = made(rate=1.0, burst=2)
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(limiter.acquire)
        await anyio.lowlevel.checkpoint()
        with pytest.raises(Throttled) as held_back:
            await limiter.acquire(patience=3.0)

    assert held_back.value.status == 0
    assert held_back.value.retry_after == pytest.approx(4.0)
    await limiter.acquire(patience=1.0)
    assert clock.now() == pytest.approx(104.0)


async def test_a_caller_that_is_cancelled() -> None:
    """A caller that leaves while it waits takes no permit with it."""
    limiter, clock = made(rate=1.0, burst=1)
    await limiter.acquire()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(limiter.acquire)
        await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    await limiter.acquire()

    assert clock.now() == 101.0


def test_a_limiter_in_words() -> None:
    """It says what its bucket says."""
    assert repr(made()[0]) == "<Limiter <Bucket 1.0/1 permits, 1.00 of 1.00 a second>>"


async def test_profiles_of_one_client() -> None:
    """What they meet is told to the client, and when it calls too much they all wait for it, one behind the other."""
    clock = FakeClock()
    client = ClientLimiter(ClientRate(5.0), clock)
    limiters = [Limiter(Bucket(5.0, 5), clock, client=client, profile_id=f"p{at}") for at in range(40)]
    for limiter in limiters:
        sent_at = await limiter.acquire()
        limiter.throttled(None, sent_at=sent_at)
        await clock.sleep(0.25)
    assert repr(client).startswith("<ClientLimiter <ClientRate <Bucket ")

    began, got = clock.now(), []

    async def caller(number: int) -> None:
        got.append((number, await limiters[number].acquire() - began))
        limiters[number].succeeded()

    async with anyio.create_task_group() as tasks:
        for number in range(4):
            tasks.start_soon(caller, number)

    assert [number for number, _ in got] == [0, 1, 2, 3]
    assert got[3][1] - got[0][1] >= 3 / 4.0


async def test_a_429_while_the_other_profiles_meet_them_too() -> None:
    """It is taken for chance: the profile keeps its rate."""
    clock = FakeClock()
    client = ClientLimiter(ClientRate(5.0), clock)
    limiters = [Limiter(Bucket(5.0, 5), clock, client=client, profile_id=f"p{at}") for at in range(40)]
    for limiter in limiters:
        await limiter.acquire()
    for limiter in limiters[:30]:
        limiter.throttled(None, sent_at=clock.now())

    assert repr(limiters[0]).endswith("2.50 of 5.00 a second>>")
    assert repr(limiters[29]).endswith("5.00 of 5.00 a second>>")
