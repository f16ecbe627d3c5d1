"""One host as all its callers see it."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from asyncexport.adapters.host import Host, is_silence
from asyncexport.errors import (
    AsyncexportError,
    ConnectError,
    ConnectionLost,
    ProtocolError,
    RequestRejected,
    ServerError,
    Throttled,
    TlsError,
    TooManyOpenFiles,
)
from asyncexport.events import Event, OutageContinued, OutageEnded, OutageStarted
from asyncexport.testing import FakeClock


def made(patience: float = 3600.0, crowd: int = 1, needs: Host | None = None, clock: FakeClock | None = None) -> Host:
    return Host(patience=patience, clock=clock or FakeClock(), spread=lambda: 0.5, crowd=lambda: crowd, needs=needs)


def test_what_a_listener_is_told() -> None:
    """The beginning of an outage, each try that fails meanwhile, and the end; nothing of other failures."""
    clock, told = FakeClock(), list[Event]()
    host = Host(patience=60.0, clock=clock, spread=lambda: 0.5, name="api.example", listener=told.append)
    fails(host, "one")
    answers(host)
    assert told == []
    take_down(host, clock)
    clock.advance(1.5)
    fails(host, "two", error=ServerError("503"))
    clock.advance(4.0)
    answers(host)
    answers(host)
    assert told == [
        OutageStarted("api.example", 10.0, "ConnectError", 1.5),
        OutageContinued("api.example", 11.5, "ServerError", 0.0),
        OutageEnded("api.example", 15.5),
    ]


def answers(host: Host) -> None:
    with host.exchange("somebody"):
        pass


def fails(host: Host, *callers: str, error: AsyncexportError | None = None) -> None:
    for caller in callers:
        with pytest.raises(AsyncexportError), host.exchange(caller):
            raise error or ConnectError("refused")


def take_down(host: Host, clock: FakeClock) -> None:
    """Let it fail for two callers, over ten seconds."""
    fails(host, "one")
    clock.advance(10.0)
    fails(host, "two")
    assert host.is_down


@pytest.mark.parametrize("kind", [ServerError, ConnectError, ConnectionLost])
def test_silence(kind: type[AsyncexportError]) -> None:
    """No connection, half an answer and a 5xx say that nobody is there."""
    assert is_silence(kind("m"))


@pytest.mark.parametrize("kind", [Throttled, ProtocolError, RequestRejected, TlsError, ZeroDivisionError])
def test_what_is_no_silence(kind: type[Exception]) -> None:
    """Whoever refuses, throttles, garbles or proves to be somebody else is there."""
    assert not is_silence(kind("m"))


async def test_a_host_that_answers() -> None:
    """Everybody passes at once, and nobody gives way."""
    host = made()
    for _ in range(100):
        passing = host.passed()
        with pytest.raises(StopIteration):
            passing.send(None)
        answers(host)


@pytest.mark.parametrize("answer", [None, RequestRejected("m"), Throttled("m", status=429), ProtocolError("m")])
async def test_an_answer_among_failures(answer: AsyncexportError | None) -> None:
    """Whatever the host says, it is not down."""
    clock = FakeClock()
    host = made(clock=clock)
    fails(host, "one", "two")
    clock.advance(9.0)
    answers(host) if answer is None else fails(host, "three", error=answer)
    clock.advance(9.0)
    fails(host, "one", "two")
    assert not host.is_down


async def test_want_of_descriptors_among_failures() -> None:
    """The host was never asked: it is neither down for that nor back."""
    clock = FakeClock()
    host = made(clock=clock)
    fails(host, *"abcdef", error=TooManyOpenFiles("m"))
    clock.advance(60.0)
    fails(host, *"abcdef", error=TooManyOpenFiles("m"))
    assert not host.is_down
    take_down(host, clock)
    fails(host, "one", error=TooManyOpenFiles("m"))
    assert host.is_down


async def test_a_host_that_is_down() -> None:
    """Those who wait pass one at a time as probes; with the first answer they come evenly, in the order they came."""
    clock = FakeClock()
    host = made(clock=clock)
    take_down(host, clock)
    passed: list[tuple[int, float]] = []

    async def caller(number: int) -> None:
        await host.passed()
        passed.append((number, clock.now()))
        if len(passed) < 3:
            fails(host, f"{number}")
        else:
            answers(host)

    async with anyio.create_task_group() as tasks:
        for number in range(6):
            tasks.start_soon(caller, number)

    assert [number for number, _ in passed] == [0, 1, 2, 3, 4, 5]
    assert [at for _, at in passed] == pytest.approx([11.5, 14.5, 20.5, 20.5, 22.5, 24.24], abs=0.05)


async def test_a_host_that_is_back_before_the_next_probe() -> None:
    """Those who wait hear of it at once."""
    clock = FakeClock()
    host = made(clock=clock)
    take_down(host, clock)
    passed: list[float] = []

    async def caller() -> None:
        await host.passed()
        passed.append(clock.now())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(caller)
        await clock.sleep(0.25)
        answers(host)
    assert passed == [10.25]


async def test_a_host_that_stays_down() -> None:
    """After the patience those who wait are told what the last one met, each with an error of its own."""
    clock = FakeClock()
    host = made(patience=100.0, clock=clock)
    take_down(host, clock)
    met: list[AsyncexportError] = []

    async def caller(number: int) -> None:
        try:
            while True:
                await host.passed()
                fails(host, f"{number}", error=ServerError("HTTP 503", status=503))
        except ServerError as error:
            met.append(error)

    async with anyio.create_task_group() as tasks:
        for number in range(3):
            tasks.start_soon(caller, number)

    assert host.is_hopeless
    assert clock.now() == pytest.approx(115.0, abs=20.0)
    assert [str(error) for error in met] == ["HTTP 503"] * 3
    assert len(set(map(id, met))) == 3


async def test_a_caller_that_is_cancelled_in_line() -> None:
    """It leaves the line to the next, and nothing behind."""
    clock = FakeClock()
    host = made(clock=clock)
    take_down(host, clock)
    before = asyncio.all_tasks()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(host.passed)
        tasks.start_soon(host.passed)
        await clock.sleep(0.5)
        tasks.cancel_scope.cancel()
    assert asyncio.all_tasks() == before
    await host.passed()
    assert clock.now() == pytest.approx(11.5)


async def test_time_that_does_not_count() -> None:
    """It is when the host could not be used, and when the one it needs could not; together they count once."""
    clock = FakeClock()
    tokens = made(crowd=20, clock=clock)
    host = made(needs=tokens, clock=clock)
    take_down(host, clock)
    fails(tokens, "acme")
    clock.advance(20.0)
    fails(tokens, "acme")
    assert tokens.is_down
    answers(host)
    clock.advance(10.0)
    answers(tokens)
    clock.advance(100.0)

    assert host.down_seconds(0.0) == pytest.approx(40.0)
    assert host.down_seconds(35.0) == pytest.approx(5.0)
    assert tokens.down_seconds(0.0) == pytest.approx(30.0)


async def test_those_who_waited_for_another_host() -> None:
    """They pass the gate again if they passed it before it closed: they come evenly when the other host is back."""
    clock = FakeClock()
    tokens = made(crowd=20, clock=clock)
    host = made(needs=tokens, clock=clock)
    await host.passed()
    assert not await host.kept_waiting(since=0.0)
    fails(tokens, "acme")
    clock.advance(10.0)
    fails(tokens, "acme")
    answers(tokens)

    assert not await host.kept_waiting(since=9.5)
    assert await host.kept_waiting(since=0.0)
    assert clock.now() == 10.0
    assert await host.kept_waiting(since=0.0)
    assert clock.now() == pytest.approx(12.0)


async def test_a_host_that_is_down_like_the_one_it_needs() -> None:
    """When that one is back this one is asked at once."""
    clock = FakeClock()
    tokens = made(crowd=20, clock=clock)
    host = made(needs=tokens, clock=clock)
    take_down(host, clock)
    for _ in range(8):
        await host.passed()
        fails(host, "one")
    fails(tokens, "acme")
    clock.advance(10.0)
    fails(tokens, "acme")
    before = clock.now()
    answers(tokens)

    await host.passed()
    assert clock.now() - before == pytest.approx(1.5)


def test_callers() -> None:
    """They are counted for as long as they call."""
    host = made()
    with host.calling(), host.calling():
        assert host.callers == 2
    assert host.callers == 0


def test_a_host_in_words() -> None:
    """It says what is known of it."""
    assert repr(made()) == "<Host <Outages 0 over, none now> <Gate open, 1.0 calls a second>>"
