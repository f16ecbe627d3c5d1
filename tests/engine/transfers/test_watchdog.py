"""Sinks that do not come back: each call has its time, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from asyncexport.batch import Batch
from asyncexport.engine.transfers.border import GuardedSink
from asyncexport.engine.transfers.watchdog import GRACE_SECONDS, Watchdog
from asyncexport.errors import AsyncexportError, SinkError
from asyncexport.events import OddityNoticed
from asyncexport.models import Evidence, Job, Receipt, TransferOrder
from asyncexport.ports import SinkWriter
from asyncexport.testing import FakeClock
from tests.engine.support import JOB, Events, order

SECONDS = 600.0
STEPS = ["enter", "write", "commit", "find"]


class Hanging:
    """A sink that waits for good at ``where``; it gives in at the cancellation after ``deaf`` of them.

    ``course`` holds what it was asked and how that ended.
    """

    def __init__(self, clock: FakeClock, *where: str, deaf: float = 0, seconds: float = math.inf) -> None:
        self.course: list[str] = []
        self.closing: Callable[[BaseException], object] = lambda _: None
        self._clock = clock
        self._where = where
        self._deaf = deaf
        self._seconds = seconds

    async def at(self, step: str) -> None:
        """Wait if it is here."""
        self.course.append(step)
        if step in self._where:
            await self._wait()

    async def _wait(self) -> None:
        while True:
            try:
                await (asyncio.Event().wait() if math.isinf(self._seconds) else self._clock.sleep(self._seconds))
            except asyncio.CancelledError:
                self.course.append("cancelled")
                if self._deaf < 1:
                    raise
                self._deaf -= 1
            else:
                return

    @asynccontextmanager
    async def open(self, order: TransferOrder) -> AsyncIterator[SinkWriter]:
        """Begin."""
        await self.at("enter")
        try:
            yield _HangingWriter(self, order)
        except BaseException as error:
            self.closing(error)
            await self.at("discard")
            raise
        await self.at("commit")
        self.course.append("committed")

    async def find(self, order: TransferOrder) -> Receipt | None:
        """Look."""
        await self.at("find")
        return Receipt(order.export_id, 0, 0, "", "")


class _HangingWriter:
    def __init__(self, sink: Hanging, order: TransferOrder) -> None:
        self._sink = sink
        self.receipt = Receipt(order.export_id, 0, 0, "", "")

    async def write(self, batch: Batch) -> None:
        assert batch.count == 1
        await self._sink.at("write")

    def seal(self, evidence: Evidence) -> None:
        assert evidence.source_bytes == 1


class Bench:
    """One use of a sink, on a clock that jumps."""

    def __init__(self, *where: str, deaf: float = 0, seconds: float = math.inf, timeout: float = SECONDS) -> None:
        self.clock = FakeClock()
        self.events = Events()
        self.sink = Hanging(self.clock, *where, deaf=deaf, seconds=seconds)
        self.guarded = GuardedSink(self.sink, clock=self.clock, seconds=timeout, listener=self.events)
        self.writes = 1

    async def use(self) -> Receipt:
        """Go through every call of the sink."""
        assert await self.guarded.find(order()) is not None
        return await self.guarded.watched(self._move)

    async def _move(self) -> Receipt:
        async with self.guarded.open(order()) as writer:
            for _ in range(self.writes):
                await writer.write(Batch(b"{}\n", 1))
            writer.seal(Evidence(1, "gzip"))
        return writer.receipt

    async def fails(self) -> str:
        """Use it in vain; return what it says."""
        with pytest.raises(SinkError) as caught:
            await self.use()
        return str(caught.value)

    async def cancelled(self) -> None:
        """Use it until all is quiet, then cancel whoever does."""
        using = asyncio.create_task(self.use())
        for _ in range(20):
            await asyncio.sleep(0)
        using.cancel()
        with pytest.raises(asyncio.CancelledError):
            await using

    def told(self) -> list[str]:
        """Return what was said besides."""
        return [event.what for event in self.events if isinstance(event, OddityNoticed)]


def others() -> set[asyncio.Task[object]]:
    """Return the tasks that are there besides this one."""
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


@pytest.mark.parametrize(
    ("where", "words"),
    [("enter", "begin"), ("write", "take the rows"), ("commit", "commit the rows"), ("find", "say what it holds")],
)
async def test_a_call_that_hangs_is_cancelled_when_its_time_is_over(where: str, words: str) -> None:
    """The export ends as a SinkError that says what was waited for; nothing stays behind."""
    bench = Bench(where)
    assert await bench.fails() == f"Hanging did not {words} within 600 s"
    assert bench.clock.now() == SECONDS
    assert "committed" not in bench.sink.course
    assert (bench.told(), others()) == ([], set())


async def test_tidying_up_that_hangs_is_cancelled() -> None:
    """Removing the parts of an earlier split is a call like any other."""

    class Tidying(Hanging):
        async def settle(self, job: Job, parts: int) -> None:
            await self.at(f"settle {job.entity} {parts}")

    clock = FakeClock()
    sink = Tidying(clock, "settle campaigns 3")
    guarded = GuardedSink(sink, clock=clock, seconds=SECONDS, listener=Events())
    with pytest.raises(SinkError, match=r"^Tidying did not remove what is left over within 600 s$"):
        await guarded.settle(JOB, 3)
    assert (sink.course[-1], others()) == ("cancelled", set())


async def test_a_write_that_hangs_is_rolled_back() -> None:
    """The block is left by an error, so that the sink can give up what it has begun."""
    bench = Bench("write")
    await bench.fails()
    assert bench.sink.course == ["find", "enter", "write", "cancelled", "discard"]


async def test_a_rollback_that_hangs_has_its_own_time() -> None:
    """Giving up what was begun is a call like any other."""
    bench = Bench("write", "discard")
    assert await bench.fails() == "Hanging did not give up what it had begun within 600 s"
    assert bench.clock.now() == 2 * SECONDS


async def test_a_slow_sink_that_gets_on_is_waited_for() -> None:
    """The time counts for each call alone, however many there are."""
    bench = Bench("enter", "write", "commit", "find", seconds=SECONDS - 1)
    bench.writes = 50
    await bench.use()
    assert bench.clock.now() == 53 * (SECONDS - 1)
    assert others() == set()


async def test_a_call_that_ends_at_the_last_moment_counts() -> None:
    """What comes back in time is not cancelled afterwards, wherever the guard is in its sleep."""
    bench = Bench("write", seconds=599.999)
    await bench.use()
    assert bench.sink.course[-1] == "committed"


@pytest.mark.parametrize("where", STEPS)
async def test_a_sink_that_swallows_the_cancellation_and_comes_back_is_late_all_the_same(where: str) -> None:
    """What it returns after its time does not count: nobody knows what it has done."""
    bench = Bench(where, deaf=1, seconds=2 * SECONDS)
    bench.sink._wait = once_deaf(bench)  # type: ignore[method-assign]
    assert "within 600 s" in await bench.fails()
    assert bench.told() == []
    assert others() == set()


def once_deaf(bench: Bench) -> Callable[[], Coroutine[Any, Any, None]]:
    """Return a wait that takes the first cancellation for its end."""

    async def wait() -> None:
        with suppress(asyncio.CancelledError):
            await bench.clock.sleep(2 * SECONDS)

    return wait


@pytest.mark.parametrize("where", STEPS)
async def test_a_sink_that_is_deaf_to_cancellation_is_left_behind(where: str) -> None:
    """The run goes on after the grace, and says that something may still be held."""
    bench = Bench(where, deaf=math.inf)
    said = await bench.fails()
    assert said.endswith("within 30 s of being cancelled; it is left behind and may still hold what it opened")
    assert bench.clock.now() == SECONDS + GRACE_SECONDS
    assert bench.told() == [said]
    await give_in(bench)


async def test_what_was_left_behind_cannot_commit_after_a_write() -> None:
    """A write that comes back after all is followed by the rollback."""
    bench = Bench("write", deaf=math.inf)
    await bench.fails()
    await give_in(bench)
    assert bench.sink.course[-2:] == ["cancelled", "discard"]


async def give_in(bench: Bench) -> None:
    bench.sink._deaf = 0
    left = others()
    assert len(left) == 1
    for task in left:
        task.cancel()
    await asyncio.wait(left)
    assert others() == set()


@pytest.mark.parametrize("where", STEPS)
async def test_a_cancelled_caller_is_cancelled(where: str) -> None:
    """Cancellation from outside stays one, whatever the sink is at, and the sink rolls back."""
    bench = Bench(where)
    await bench.cancelled()
    assert bench.sink.course[-1] == ("discard" if where == "write" else "cancelled")
    assert (bench.clock.now(), others()) == (0.0, set())


async def test_a_sink_may_wait_while_it_closes_after_a_cancellation() -> None:
    """The cancellation comes once: closing is shielded from it, even from a scope that repeats it at every wait."""
    bench = Bench("write", "discard", seconds=GRACE_SECONDS - 1)

    async def use() -> None:
        with suppress(AsyncexportError):
            await bench.use()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(use)
        for _ in range(20):
            await checkpoint()
        tasks.cancel_scope.cancel()
    assert bench.sink.course == ["find", "enter", "write", "cancelled", "discard"]
    assert bench.clock.now() == GRACE_SECONDS - 1


async def test_a_cancelled_caller_waits_no_longer_than_the_grace() -> None:
    """A sink that hangs while it closes is cancelled once more, and one that is deaf is left behind."""
    bench = Bench("write", "discard")
    await bench.cancelled()
    assert bench.clock.now() == GRACE_SECONDS
    assert (bench.told(), others()) == ([], set())

    bench = Bench("write", deaf=math.inf)
    await bench.cancelled()
    assert bench.clock.now() == GRACE_SECONDS
    assert bench.told() == [
        "Hanging did not end within 30 s of being cancelled; it is left behind and may still hold what it opened"
    ]
    await give_in(bench)


async def test_what_closes_after_a_cancellation_between_calls_has_the_grace() -> None:
    """The time that an earlier call had does not count for what closes."""
    clock = FakeClock()
    watchdog = Watchdog("Sink", clock=clock, seconds=SECONDS, listener=Events())

    async def work() -> None:
        with watchdog.calling("begin"):
            await clock.sleep(1.0)
        try:
            await clock.sleep(5.0)
        finally:
            with watchdog.calling("give up"):
                await asyncio.Event().wait()

    running = asyncio.create_task(watchdog.run(work))
    await clock.sleep(3.0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert clock.now() == 3.0 + GRACE_SECONDS
    for other in others():
        other.cancel()


async def test_a_caller_that_is_cancelled_after_the_sink_was_is_cancelled() -> None:
    """Being late is forgotten then; the sink is not cancelled a second time, and has what is left of its grace."""
    bench = Bench("write", deaf=math.inf)
    using = asyncio.create_task(bench.use())
    await bench.clock.sleep(SECONDS + 1)
    using.cancel()
    with pytest.raises(asyncio.CancelledError):
        await using
    assert bench.sink.course == ["find", "enter", "write", "cancelled"]
    assert bench.clock.now() == SECONDS + GRACE_SECONDS
    await give_in(bench)


async def test_a_late_call_that_ends_after_its_caller_was_cancelled_is_rolled_back() -> None:
    """The work ends by the caller's cancellation, and within the grace nothing is left behind."""
    bench = Bench("write")

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await bench.clock.sleep(GRACE_SECONDS - 1)

    bench.sink._wait = wait  # type: ignore[method-assign]
    using = asyncio.create_task(bench.use())
    await bench.clock.sleep(SECONDS + 1)
    using.cancel()
    with pytest.raises(asyncio.CancelledError):
        await using
    assert bench.sink.course[-1] == "discard"
    assert bench.clock.now() == SECONDS + GRACE_SECONDS - 1
    assert (bench.told(), others()) == ([], set())


async def test_a_write_that_swallows_the_callers_cancellation_is_not_followed_by_another() -> None:
    """The work ends there: nothing further is written, nothing committed."""
    bench = Bench("write", deaf=1)
    bench.sink._wait = once_deaf(bench)  # type: ignore[method-assign]
    await bench.cancelled()
    assert bench.sink.course == ["find", "enter", "write", "discard"]


@pytest.mark.parametrize(("stops", "requests"), [(False, 0), (True, 1)])
async def test_what_closes_can_tell_whether_it_is_being_cancelled(*, stops: bool, requests: int) -> None:
    """A late call's cancellation is over when the sink closes; its caller's stands, as ``Task.cancelling()`` says."""
    bench = Bench("write")
    seen: list[int] = []
    bench.sink.closing = lambda _: seen.append(task_here().cancelling())
    await (bench.cancelled() if stops else bench.fails())
    assert seen == [requests]


@pytest.mark.parametrize(("stops", "kind"), [(False, SinkError), (True, asyncio.CancelledError)])
async def test_a_sink_that_swallows_a_cancellation_is_told_why_it_closes(
    *, stops: bool, kind: type[BaseException]
) -> None:
    """Being late is an error; the end of its caller is none of the sink's."""
    bench = Bench("write", deaf=1)
    bench.sink._wait = once_deaf(bench)  # type: ignore[method-assign]
    seen: list[BaseException] = []
    bench.sink.closing = seen.append
    await (bench.cancelled() if stops else bench.fails())
    assert list(map(type, seen)) == [kind]


def task_here() -> asyncio.Task[object]:
    """Return the task that asks."""
    task = asyncio.current_task()
    assert task is not None
    return task


async def test_a_sink_that_cancels_itself_is_at_fault() -> None:
    """A cancellation that nobody asked for fails the export, and is not taken for the caller's."""

    class Suicidal(Hanging):
        async def _wait(self) -> None:
            raise asyncio.CancelledError

    bench = Bench()
    bench.sink = Suicidal(bench.clock, "write")
    bench.guarded = GuardedSink(bench.sink, clock=bench.clock, seconds=SECONDS, listener=bench.events)
    assert await bench.fails() == "Suicidal cancelled itself when it was to take the rows"
    assert bench.sink.course[-1] == "discard"


async def test_a_sink_that_cancels_itself_between_its_calls_is_at_fault() -> None:
    """Where nobody waits for it, as when it is told what the rows are proved by."""

    class Sealing(_HangingWriter):
        def seal(self, evidence: Evidence) -> None:
            del evidence
            raise asyncio.CancelledError

    class Suicidal(Hanging):
        @asynccontextmanager
        async def open(self, order: TransferOrder) -> AsyncIterator[SinkWriter]:
            yield Sealing(self, order)

    bench = Bench()
    bench.guarded = GuardedSink(Suicidal(bench.clock), clock=bench.clock, seconds=SECONDS, listener=bench.events)
    assert await bench.fails() == "Suicidal cancelled itself"


async def test_without_end_nobody_watches() -> None:
    """An infinite time means no task, no sleeper, no error."""
    bench = Bench("write", seconds=10 * SECONDS, timeout=math.inf)
    await bench.use()
    assert bench.clock.now() == 10 * SECONDS


async def test_a_sink_that_never_waits_has_no_guard() -> None:
    """Then no clock is asked to sleep: a clock that jumps stays where it is."""
    bench = Bench()
    bench.writes = 100
    await bench.use()
    assert repr(bench.clock) == "<FakeClock at 0.000 s, 0 asleep>"


async def test_a_foreign_error_of_a_call_that_was_cancelled_stays_what_it_is() -> None:
    """A sink that turns the cancellation into an error of its own is told with that."""
    bench = Bench("write")

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ValueError("interrupted") from None

    bench.sink._wait = wait  # type: ignore[method-assign]
    assert await bench.fails() == "Hanging raised ValueError: interrupted"


async def test_the_watchdog_tells_about_itself() -> None:
    """The repr is one true line."""
    watchdog = Watchdog("Sink", clock=FakeClock(), seconds=1.0, listener=Events())
    assert repr(watchdog) == "<Watchdog Sink idle>"

    async def work() -> str:
        with watchdog.calling("begin"):
            return repr(watchdog)

    assert await watchdog.run(work) == "<Watchdog Sink begin>"
