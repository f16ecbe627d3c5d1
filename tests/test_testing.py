"""The fakes that ship with the package: time that jumps, a transport with a script."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace

import anyio
import pytest

from asyncexport.accounts import Region
from asyncexport.errors import ConnectError, ConnectionLost
from asyncexport.models import Entity, Job, Profile, SignedUrl
from asyncexport.notes import Known, Requested
from asyncexport.ports import Clock, Journal, Request, Response, Transport
from asyncexport.testing import FakeClock, FakeDownload, FakeTransport, MemoryJournal, json_response

REQUEST = Request("GET", "https://api.test/x", {})
URL = SignedUrl("https://b.store.test/x?X-Amz-Signature=abc")


def test_the_fakes_fit_the_ports() -> None:
    """The fakes are the ports, for the type checker as well."""
    clock: Clock = FakeClock()
    transport: Transport = FakeTransport()
    journal: Journal = MemoryJournal()

    assert clock.now() == 0.0
    assert transport is not None
    assert journal is not None


async def test_an_hour_of_waiting() -> None:
    """Waiting takes no time and ends at exactly the moment that was asked for."""
    clock = FakeClock(start=100.0)

    await clock.sleep(3600.0)

    assert clock.now() == 3700.0


async def test_sleepers_of_different_length() -> None:
    """Sleepers wake in the order of their moments, and each sees its own moment on the clock."""
    clock = FakeClock()
    seen: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        seen.append((name, clock.now()))

    async with anyio.create_task_group() as tasks:
        for name, seconds in (("long", 9.0), ("short", 1.0), ("middle", 4.0), ("also short", 1.0)):
            tasks.start_soon(sleeper, name, seconds)

    assert seen == [("short", 1.0), ("also short", 1.0), ("middle", 4.0), ("long", 9.0)]


async def test_work_between_two_jumps() -> None:
    """Time stands still while any task can run, however many turns of the loop that takes."""
    clock = FakeClock()
    done: list[float] = []

    async def busy() -> None:
        for _ in range(50):
            await asyncio.sleep(0)
        done.append(clock.now())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(busy)
        await clock.sleep(5.0)
        done.append(clock.now())

    assert done == [0.0, 5.0]


async def test_waiting_again_after_waking() -> None:
    """Waits follow one another without a gap."""
    clock = FakeClock()

    for _ in range(3):
        await clock.sleep(1.5)

    assert clock.now() == 4.5


async def test_a_call_after_a_while() -> None:
    """What was asked for is called at its moment, among those who sleep; what was taken back moves no clock."""
    clock = FakeClock()
    called: list[tuple[str, float]] = []

    def call(name: str) -> Callable[[], None]:
        return lambda: called.append((name, clock.now()))

    clock.call_later(3.0, call("late"))
    clock.call_later(2.0, call("taken back"))()
    clock.call_later(-1.0, call("at once"))
    await clock.sleep(1.0)
    called.append(("slept", clock.now()))
    await clock.sleep(4.0)

    assert called == [("at once", 0.0), ("slept", 1.0), ("late", 3.0)]


@pytest.mark.parametrize("seconds", [0.0, -1.0])
async def test_no_time_to_wait(seconds: float) -> None:
    """Waiting for nothing lets other tasks run and moves no clock."""
    clock = FakeClock()
    order: list[str] = []

    async def other() -> None:
        order.append("other")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other)
        await clock.sleep(seconds)
        order.append("self")

    assert order == ["other", "self"]
    assert clock.now() == 0.0


async def test_a_sleeper_that_is_cancelled() -> None:
    """A sleeper that was cancelled is forgotten: the clock does not jump to where it wanted to wake."""
    clock = FakeClock()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.sleep, 5.0)
        await anyio.lowlevel.checkpoint()
        assert repr(clock) == "<FakeClock at 0.000 s, 1 asleep>"
        tasks.cancel_scope.cancel()
    await clock.sleep(1.0)
    await clock.sleep(7.0)

    assert clock.now() == 8.0
    assert repr(clock) == "<FakeClock at 8.000 s, 0 asleep>"


async def test_only_cancelled_sleepers() -> None:
    """When nobody is left to wake, the clock stays where it is."""
    clock = FakeClock()
    sleeper = asyncio.ensure_future(clock.sleep(5.0))
    await anyio.lowlevel.checkpoint()

    sleeper.cancel()
    await asyncio.wait([sleeper])
    while "1 asleep" in repr(clock):
        await asyncio.to_thread(gc.isenabled)

    assert clock.now() == 0.0


async def test_time_that_passes_for_nobody() -> None:
    """``advance`` moves the clock by hand; a sleeper whose moment has passed wakes late, never in the past."""
    clock = FakeClock()

    async def advance() -> None:
        clock.advance(10.0)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(advance)
        await clock.sleep(3.0)

    assert clock.now() == 10.0


async def test_a_script_of_answers() -> None:
    """Answers come in their order: responses, errors, functions of the request; all requests are kept."""
    transport = FakeTransport(
        json_response("{}"), ConnectError("refused"), lambda request: Response(202, {}, request.url.encode())
    )

    first = await transport.send(REQUEST)
    with pytest.raises(ConnectError, match="refused"):
        await transport.send(REQUEST)
    third = await transport.send(REQUEST)

    assert (first.status, third.status, third.body) == (200, 202, b"https://api.test/x")
    assert transport.requests == [REQUEST] * 3


async def test_a_call_beyond_the_script() -> None:
    """What was not expected is an assertion that names the request."""
    with pytest.raises(AssertionError, match=r"nothing was expected after 0 requests: https://api\.test/x"):
        await FakeTransport().send(REQUEST)


async def test_a_script_of_downloads() -> None:
    """A download plays its chunks, raises the errors among them in their turn, and what was asked for is kept."""
    transport = FakeTransport(downloads=[FakeDownload(206, {"etag": '"e"'}, b"ab", ConnectionLost("cut"), b"never")])
    received = []

    async with transport.download(URL, offset=7, etag='"e"') as answer:
        assert (answer.status, answer.headers) == (206, {"etag": '"e"'})
        with pytest.raises(ConnectionLost, match="cut"):
            async with aclosing(answer.chunks()) as chunks:
                async for chunk in chunks:
                    received.append(chunk)

    assert received == [b"ab"]
    assert transport.opened == [(URL, 7, '"e"')]


async def test_a_download_that_does_not_open() -> None:
    """An error in the place of a download is raised on entry; one beyond the script is an assertion."""
    transport = FakeTransport(downloads=[ConnectError("refused")])

    with pytest.raises(ConnectError, match="refused"):
        async with transport.download(URL, offset=0, etag=None):
            raise NotImplementedError
    with pytest.raises(AssertionError, match="no further download was expected"):
        async with transport.download(URL, offset=0, etag=None):
            raise NotImplementedError


async def test_a_download_that_is_played_whole() -> None:
    """A download without an error ends by itself; without headers it has none."""
    async with aclosing(FakeDownload(200, None, b"a", b"b").chunks()) as chunks:
        assert [chunk async for chunk in chunks] == [b"a", b"b"]
    assert FakeDownload(200).headers == {}


def test_a_json_response() -> None:
    """Text and bytes are taken as they are, header names are lower case with hyphens."""
    response = json_response("{}", 429, Retry_After="3")

    assert response == Response(429, {"content-type": "application/json", "retry-after": "3"}, b"{}")
    assert json_response(b"[]").body == b"[]"


async def test_a_second_clock_after_a_cancelled_sleeper() -> None:
    """A clock that nobody waits for any more leaves the loop alone, so another one sees when all wait."""
    first, second = FakeClock(), FakeClock()
    sleeper = asyncio.ensure_future(first.sleep(60.0))
    await asyncio.sleep(0)
    sleeper.cancel()

    await second.sleep(1.0)

    assert (first.now(), second.now()) == (0.0, 1.0)


async def test_a_journal_in_memory_over_two_nights() -> None:
    """What is planted or noted on one night is there on the next, and where a job stands can be asked."""
    job = Job(Profile("acme", Region.EU, "1"), Entity.ADS, snapshot="first")
    next_night = replace(job, snapshot="second")
    clock = FakeClock(start=1000.0)
    journal = MemoryJournal(clock.now)
    journal.plant(job, 20.0, nights=3)
    await journal.note(job, Requested("export-1"))
    await clock.sleep(60.0)

    assert (await journal.recall([job, next_night])) == {job.key: Known("requested", "export-1", 60.0)}
    assert (await journal.habits([next_night]))[job.subject].seconds == pytest.approx(20.0)
    assert (await journal.habits([next_night]))[job.subject].nights == 3
    assert (journal.state_of(job), journal.state_of(next_night)) == ("requested", "")
    assert repr(journal) == "<MemoryJournal 1 jobs, 1 habits>"
