"""A job on its way to a finished export: what it does with its slot, and when it is asked for again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from asyncexport import Entity, Exported, Exporter, Failed, Job, Limits, Outcome, Schedule, plan
from asyncexport.emulator.direct import DirectTransport
from asyncexport.emulator.laws import Constant, LogNormal
from asyncexport.emulator.state import AdsState
from asyncexport.emulator.world import World
from asyncexport.engine.accounts.api import AskLater
from asyncexport.errors import ConnectionLost, DiskFull, ExportDeadline, Throttled
from asyncexport.events import CallRetried, Event
from asyncexport.models import Receipt, TransferOrder
from asyncexport.notes import Habit, Known
from asyncexport.ports import Request, Response
from asyncexport.sansio.scheduling.splitting import split
from asyncexport.sinks import Null
from asyncexport.testing import FakeClock, json_response
from tests.engine.counterpart import BUSY, DONE, RUNNING, Counterpart, fails
from tests.engine.support import JOB, Events, Library, Notebook, export_response

Trouble = Callable[[int, str], Response | Exception | None]
"""What the n-th request for an export meets, of a profile; an exception loses the server's answer."""


class Moody(DirectTransport):
    """A server whose requests for exports meet trouble; ``posts`` are the times and profiles that it was asked for."""

    def __init__(self, state: AdsState, clock: FakeClock, trouble: Trouble) -> None:
        super().__init__(state, clock)
        self.clock = clock
        self.state = state
        self._trouble = trouble
        self.posts: list[tuple[float, str]] = []

    async def send(self, request: Request) -> Response:
        """Ask the server, unless there is trouble."""
        if not request.url.endswith("/export"):
            return await super().send(request)
        profile_id = request.headers["Amazon-Advertising-API-Scope"]
        self.posts.append((self.clock.now(), profile_id))
        met = self._trouble(len(self.posts), profile_id)
        if isinstance(met, Response):
            await self.clock.sleep(0.05)
            return met
        answer = await super().send(request)
        if isinstance(met, Exception):
            raise met
        return answer


def moody(
    trouble: Trouble = lambda *_: None,
    *,
    profiles: int = 12,
    **settings: object,
) -> Moody:
    """Return a server with one account, which takes ten seconds for each export unless told otherwise."""
    options: dict[str, object] = {"generation": Constant(10.0), "cap": 5, "rate": None, **settings}
    world = World.generate(profiles=profiles, accounts=1, rows=0, seed=1)
    return Moody(AdsState(world, **options), FakeClock(), trouble)  # type: ignore[arg-type]


class Night:
    """The ads of all profiles, pulled from a server in simulated time."""

    def __init__(self, server: Moody, *, in_progress: int | str = 5, **settings: object) -> None:
        self.server = server
        self.events = Events()
        self.notebook = Notebook()
        self.heard: Callable[[Event, Exporter], object] = lambda *_: None
        self._settings: dict[str, object] = {"limits": Limits(in_progress=in_progress), **settings}  # type: ignore[arg-type]

    async def jobs(self) -> list[Job]:
        """Return what there is to pull."""
        async with Exporter(self.server.accounts(), transport=self.server, clock=self.server.clock) as exporter:
            return plan(await exporter.profiles(), entities=[Entity.ADS], snapshot="night")

    async def run(self, jobs: list[Job] | None = None, sink: object = None) -> list[Outcome]:
        """Pull them."""
        jobs = await self.jobs() if jobs is None else jobs

        def listen(event: Event) -> None:
            self.events(event)
            self.heard(event, exporter)

        exporter = Exporter(
            self.server.accounts(),
            transport=self.server,
            clock=self.server.clock,
            random=lambda: 0.5,
            schedule=Schedule(first=1.0, growth=1.0),
            journal=self.notebook,
            listener=listen,
            **self._settings,  # type: ignore[arg-type]
        )
        async with exporter, exporter.run(jobs, sink=sink or Null()) as outcomes:  # type: ignore[arg-type]
            return [outcome async for outcome in outcomes]

    @property
    def peak(self) -> int:
        """The most exports that were in progress at once."""
        return max(self.server.state.peaks.values())

    @property
    def cap_429s(self) -> int:
        """How often the server refused one export too many."""
        return self.server.state.counters.throttled["cap"]


def busy_once(victims: int) -> Trouble:
    """Throttle the first request of the first profiles, without saying for how long."""
    met: Counter[str] = Counter()

    def trouble(_: int, profile_id: str) -> Response | None:
        met[profile_id] += 1
        return BUSY if met[profile_id] == 1 and len(met) <= victims else None

    return trouble


async def test_a_throttled_request_gives_its_slot_to_the_next_job() -> None:
    """It rests without a slot and comes back to the front of its lane."""
    night = Night(moody(busy_once(1), profiles=4), in_progress=1)
    outcomes = await night.run()
    assert all(isinstance(outcome, Exported) for outcome in outcomes)
    (first, victim), (second, other), (_, again) = night.server.posts[:3]
    assert second - first < 0.2
    assert again == victim != other
    assert (night.peak, night.cap_429s) == (1, 0)


async def test_answers_that_are_lost_are_never_one_export_too_many() -> None:
    """The orphan keeps the slot as long as it may be in progress; its job is asked for again with another one."""

    def trouble(number: int, _: str) -> Exception | None:
        return ConnectionLost("lost") if number % 4 == 2 else None

    night = Night(moody(trouble, profiles=30, generation=LogNormal(15.0, 1.0)))
    outcomes = await night.run()
    assert all(isinstance(outcome, Exported) for outcome in outcomes)
    assert len(night.events.of("export.orphaned")) == len(night.server.state.journal) - 30 > 5
    assert night.peak <= 5
    assert night.cap_429s == 0


async def test_what_an_earlier_run_may_have_asked_for_keeps_a_slot() -> None:
    """An intent without an answer is an export that may be running, until it must be over."""
    night = Night(moody(profiles=9))
    jobs = await night.jobs()
    for job, age in zip(jobs, (10.0, 20.0, 5.0, 500.0), strict=False):
        night.notebook.known[job.key] = Known("intended", "", age)
    outcomes = await night.run(jobs)
    assert len(outcomes) == 9
    assert night.peak == 2
    assert len(night.events.of("export.orphaned")) == 4


async def test_a_part_that_may_be_running_keeps_a_slot() -> None:
    """The journal knows of parts that are no jobs of the run."""
    night = Night(moody(profiles=6))
    jobs = await night.jobs()
    part = replace(jobs[0], filters=replace(jobs[0].filters, states=("ENABLED",)))
    recall = night.notebook.recall

    async def recalled(asked: list[Job]) -> dict[tuple[str, ...], Known]:
        return {**await recall(asked), part.key: Known("intended", "", 1.0)}

    night.notebook.recall = recalled  # type: ignore[method-assign, assignment]
    assert len(await night.run(jobs)) == 6
    assert night.peak == 4


@pytest.mark.parametrize("cap", [1, 3, 5, 9])
async def test_a_cap_that_nobody_told(cap: int) -> None:
    """It is found within a second for one refusal, two below the official one; that is tried again soon."""
    night = Night(moody(profiles=40, cap=cap, generation=LogNormal(15.0, 1.0)), in_progress="auto")
    outcomes = await night.run()
    assert all(isinstance(outcome, Exported) for outcome in outcomes)
    assert night.peak == cap
    assert night.cap_429s <= (4 if cap < 5 else 1)


async def test_a_cap_that_nobody_told_and_that_moves() -> None:
    """A fall costs three refusals at most, and three more in the time after; no profile is slowed down for it."""

    def cap(now: float) -> int:
        return 8 if now < 100.0 else 3

    night = Night(moody(profiles=100, cap=cap, generation=LogNormal(15.0, 1.0)), in_progress="auto")
    outcomes = await night.run()
    assert all(isinstance(outcome, Exported) for outcome in outcomes)
    assert night.cap_429s <= 7
    assert night.server.clock.now() < 1100.0


@pytest.mark.parametrize(("cap", "told", "most"), [(1, "auto", 6), (2, "auto", 6), (5, "auto", 3), (2, 5, 12)])
async def test_a_cap_that_only_one_profile_meets(cap: int, told: int | str, most: int) -> None:
    """It is found although nobody else is refused, and no job fails however long the others take."""
    night = Night(moody(profiles=1, cap=cap, generation=Constant(600.0)), in_progress=told)
    jobs = [replace(job, snapshot=f"night-{number}") for job in await night.jobs() for number in range(9)]
    outcomes = await night.run(jobs)
    assert all(isinstance(outcome, Exported) for outcome in outcomes)
    assert night.peak == cap
    assert night.cap_429s <= most + night.server.clock.now() // 1800.0


async def test_a_told_number_that_is_right_meets_no_refusal() -> None:
    """Whatever the laws and however many looks are late: never a sixth."""
    night = Night(moody(profiles=150, generation=LogNormal(15.0, 1.0)))
    outcomes = await night.run()
    assert all(isinstance(outcome, Exported) for outcome in outcomes)
    assert (night.peak, night.cap_429s) == (5, 0)


async def test_a_profile_that_is_told_to_wait_beyond_the_deadline() -> None:
    """It fails now, as throttled; the others have its slot meanwhile."""

    def trouble(number: int, _: str) -> Response | None:
        return json_response("{}", 429, retry_after="5000") if number == 1 else None

    night = Night(moody(trouble, profiles=3), in_progress=1, deadline=1000.0)
    outcomes = await night.run()
    (failed,) = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
    assert isinstance(failed.error, Throttled)
    assert len(outcomes) == 3
    assert night.server.clock.now() < 100.0


async def test_a_profile_that_is_told_to_wait_for_a_while() -> None:
    """All its jobs rest until then, and nobody else waits for them."""

    def trouble(number: int, _: str) -> Response | None:
        return json_response("{}", 429, retry_after="90") if number == 1 else None

    night = Night(moody(trouble, profiles=6), in_progress=1)
    assert all(isinstance(outcome, Exported) for outcome in await night.run())
    (first, victim), *_ = night.server.posts
    assert [at - first >= 90.0 for at, who in night.server.posts if who == victim] == [False, True]
    assert night.server.clock.now() - first < 110.0


async def test_a_job_that_rests_when_the_run_is_drained() -> None:
    """It has nothing on the server, so it is not started again and gets no outcome."""
    night = Night(moody(busy_once(1), profiles=3), in_progress=1)

    def drain(event: Event, exporter: Exporter) -> None:
        if isinstance(event, CallRetried):
            exporter.drain()

    night.heard = drain
    (outcome,) = await night.run()
    (_, victim), (_, other) = night.server.posts
    assert outcome.job.profile.profile_id == other != victim


class Full(Library):
    """A sink without space."""

    def open(self, order: TransferOrder) -> object:  # type: ignore[override]
        raise DiskFull(f"no space for {order.export_id}")


async def test_jobs_that_rest_when_storage_runs_out() -> None:
    """They are not asked for again and get the same failure as those that wait."""

    def trouble(number: int, _: str) -> Response | None:
        return json_response("{}", 429, retry_after="300") if number <= 2 else None

    night = Night(moody(trouble, profiles=8), in_progress=1)
    outcomes = await night.run(sink=Full())
    assert {type(outcome.error) for outcome in outcomes if isinstance(outcome, Failed)} == {DiskFull}
    assert len(outcomes) == 8
    assert len(night.server.posts) == 4


class FullWhenAsked(Library):
    """A sink that has no space for what looking for the ``profile``'s job needs, or for a part of it."""

    def __init__(self, profile: str, *, in_parts: bool) -> None:
        super().__init__()
        self.profile = profile
        self.in_parts = in_parts

    async def find(self, order: TransferOrder) -> Receipt | None:
        """Fail for one."""
        if order.job.profile.profile_id == self.profile and order.is_part == self.in_parts:
            raise DiskFull(f"no space to look for part {order.part}")
        return None


@pytest.mark.parametrize("in_parts", [False, True])
async def test_storage_that_runs_out_where_a_job_is_looked_for(*, in_parts: bool) -> None:
    """Nothing further is asked for: it could not be stored either."""
    night = Night(moody(profiles=12), in_progress=1)
    jobs = await night.jobs()
    sink = FullWhenAsked(jobs[0].profile.profile_id, in_parts=in_parts)
    if in_parts:
        night.notebook.learned[jobs[0].subject] = Habit(1e6, 1, split(jobs[0].filters, jobs[0].entity))
    outcomes = await night.run(jobs, sink=sink)
    errors = [outcome.error for outcome in outcomes if isinstance(outcome, Failed)]
    assert {type(error) for error in errors} == {DiskFull}
    assert sum("not started, because storage ran out" in str(error) for error in errors) == len(errors) - 1 >= 10
    assert len(night.server.posts) <= 1


async def test_what_took_longest_on_earlier_nights_is_asked_for_first() -> None:
    """No giant is left for the end."""
    night = Night(moody(profiles=6), in_progress=1)
    jobs = await night.jobs()
    night.notebook.habits = lambda _: _answered(  # type: ignore[method-assign, assignment]
        {job.subject: Habit(float(seconds), 3) for job, seconds in zip(jobs, (20, 300, 5, 90, 700, 1), strict=True)}
    )
    await night.run(jobs)
    order = [jobs[at].profile.profile_id for at in (4, 1, 3, 0, 2, 5)]
    assert [profile_id for _, profile_id in night.server.posts] == order


async def _answered(habits: dict[tuple[str, ...], Habit]) -> dict[tuple[str, ...], Habit]:
    return habits


async def test_a_request_that_is_throttled_again_and_again() -> None:
    """Twenty tries are enough; each rests longer than the one before at most."""
    counter = Counterpart(*[BUSY] * 20)
    assert isinstance(await fails(counter), Throttled)
    assert sum("POST api" in line for line in counter.sent) == 20
    assert repr(counter.windows) == "<Windows <Slots campaigns@EU 0/5 busy, 0 waiting>>"


async def test_an_export_that_failed_inside_whose_next_request_is_throttled() -> None:
    """It gives its slot back as well; the tries are counted from there."""
    failed = export_response("FAILED", error="INTERNAL_ERROR")
    counter = Counterpart(RUNNING, failed, BUSY, RUNNING, failed, *[BUSY] * 19, RUNNING, DONE)
    ready = await counter.make()
    assert ready.export.url is not None
    assert Counter(counter.notebook.kinds) == {"Intended": 23, "Requested": 3}


async def test_tries_that_last_longer_than_the_deadline() -> None:
    """The first try began the time; the error is what the last one met."""
    counter = Counterpart(*[ConnectionLost("lost")] * 10, deadline=20.0)
    assert isinstance(await fails(counter), ConnectionLost)
    assert counter.clock.now() <= 20.0


async def test_an_export_that_was_granted_after_some_tries() -> None:
    """It has the whole deadline: what came before says nothing about it."""
    counter = Counterpart(BUSY, *[RUNNING] * 100, deadline=20.0)
    assert isinstance(await fails(counter), ExportDeadline)
    (retried,) = counter.events.of("call.retried")
    assert isinstance(retried, CallRetried)
    assert counter.clock.now() == pytest.approx(20.0 + retried.delay)


async def test_a_job_that_is_throttled_and_waits_for_slots_longer_than_the_deadline() -> None:
    """Others decide how long it waits, so neither its tries nor its export have less time for it."""
    victims: list[str] = []

    def trouble(_: int, profile_id: str) -> Response | None:
        victims.append(profile_id)
        is_refused = profile_id == victims[0] and victims.count(profile_id) <= 2
        return json_response("{}", 429, retry_after="1") if is_refused else None

    night = Night(moody(trouble, profiles=3, generation=Constant(1000.0)), in_progress=1)
    assert all(isinstance(outcome, Exported) for outcome in await night.run())
    assert [profile_id == victims[0] for profile_id in victims] == [True, False, True, False, True]
    assert night.server.clock.now() > 3000.0


async def test_a_job_that_is_told_to_wait_without_end() -> None:
    """The rests add up to no more than the deadline, however long it waits for slots between them."""

    def trouble(_: int, profile_id: str) -> Response | None:
        return json_response("{}", 429, retry_after="400") if profile_id == victim else None

    night = Night(moody(trouble, profiles=4, generation=Constant(1000.0)), in_progress=1)
    jobs = await night.jobs()
    victim = jobs[0].profile.profile_id
    outcomes = await night.run(jobs)
    (failed,) = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
    assert isinstance(failed.error, Throttled)
    assert sum(profile_id == victim for _, profile_id in night.server.posts) == 5


async def test_a_retry_is_told_with_what_it_met_and_when_it_comes() -> None:
    """Progress and log show it like any other."""
    counter = Counterpart(BUSY, RUNNING, DONE)
    await counter.make()
    (retried,) = counter.events.of("call.retried")
    assert isinstance(retried, CallRetried)
    assert (retried.what, retried.reason, retried.throttled) == (f"request of {JOB}", "Throttled", True)
    assert retried.delay == pytest.approx(0.5)


async def test_a_request_that_the_own_limiter_holds_back() -> None:
    """It rests without a word: nobody has refused anything."""
    counter = Counterpart(RUNNING, DONE)
    api = (await counter.desk()).api
    api._limiter_of(JOB.profile.profile_id).throttled(90.0)
    with pytest.raises(AskLater):
        api.check_permit(JOB)
    await counter.make()
    assert counter.clock.now() >= 90.0
    assert counter.events.of("call.retried") == []
