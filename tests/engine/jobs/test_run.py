"""Many jobs at once, over real sockets: slots, outcomes, faults that stay where they are, and leaving early."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from asyncexport import Entity, Exported, Exporter, Failed, Filters, Job, Outcome, plan
from asyncexport.accounts import Region
from asyncexport.adapters.journal import SqliteJournal, read
from asyncexport.emulator.laws import Constant
from asyncexport.emulator.server import EmulatorServer
from asyncexport.emulator.weather import Weather
from asyncexport.engine.jobs.run import Run
from asyncexport.engine.jobs.score import Score
from asyncexport.engine.jobs.tally import Tally
from asyncexport.engine.jobs.windows import Chances, Windows
from asyncexport.errors import ConfigError, DiskFull, ExportExpired, ExportFailed, ProfileAccessDenied, SinkError
from asyncexport.events import Event, ExportRequested, JobFinished, RunFinished, RunStarted
from asyncexport.models import Limits, Profile, Receipt, TransferOrder
from asyncexport.notes import Committed, Habit, Intended
from asyncexport.ports import SinkWriter
from asyncexport.sansio.pacing.chance import Chance
from asyncexport.testing import FakeClock
from tests.engine.pulling import BRISK, QUICK, exporter, planned, pulled
from tests.engine.support import Events, Library, Notebook, true_text


async def test_every_export_of_every_profile_is_committed_row_for_row(emulator: EmulatorServer) -> None:
    """The main job: four entities of all profiles of all accounts, exactly as the server has them."""
    library, events = Library(), Events()
    async with exporter(emulator, events) as pulling:
        jobs = await planned(pulling)
        outcomes = await pulled(pulling, jobs, library)
    assert len(jobs) == 16
    assert Counter(outcome.job for outcome in outcomes) == Counter(jobs)
    assert all(isinstance(outcome, Exported) for outcome in outcomes)
    assert library.committed == {job.key: true_text(emulator, job) for job in jobs}
    assert any(library.committed.values())
    assert events.of("run.started") == [RunStarted(16)]
    assert events.of("run.finished") == [RunFinished(pulling.summary)]
    assert len(events.of("job.finished")) == 16


async def test_the_token_host_is_asked_once_per_grant(emulator: EmulatorServer) -> None:
    """However many profiles and calls there are, a grant's token is fetched once."""
    async with exporter(emulator) as pulling:
        await pulled(pulling, await planned(pulling), Library())
    assert emulator.state.counters.requests["token"] == 2


@pytest.mark.emulator(profiles=16, accounts=2, generation=Constant(0.02), cap=None)
async def test_no_endpoint_ever_has_more_exports_in_progress_than_there_are_slots(emulator: EmulatorServer) -> None:
    """The window is kept by us: a server that would take any number is never given a sixth."""
    async with exporter(emulator) as pulling:
        outcomes = await pulled(pulling, await planned(pulling), Library())
    assert len(outcomes) == 64
    assert max(emulator.state.peaks.values()) <= 5


@pytest.mark.emulator(profiles=12, accounts=1, generation=Constant(0.05), cap=None)
async def test_runs_and_streams_at_the_same_time_share_the_slots(emulator: EmulatorServer) -> None:
    """The API counts a client's exports, not a program's runs."""

    async def streamed(pulling: Exporter, job: Job) -> None:
        async with pulling.batches(job) as batches:
            async for _ in batches:
                pass

    async with exporter(emulator) as pulling:
        jobs = await planned(pulling, [Entity.ADS])
        streams = asyncio.gather(*(streamed(pulling, job) for job in jobs[:4]))
        first, second = await asyncio.gather(pulled(pulling, jobs[:6], Library()), pulled(pulling, jobs[6:], Library()))
        await streams
    assert [outcome for outcome in [*first, *second] if isinstance(outcome, Failed)] == []
    assert len(emulator.state.journal) == 16
    assert max(emulator.state.peaks.values()) <= 5


@pytest.mark.emulator(profiles=8, accounts=1, generation=Constant(0.05), cap=None)
async def test_a_run_that_was_left_gives_its_slots_back(emulator: EmulatorServer) -> None:
    """The next run of the same exporter has them when the exports that nobody watches must be over."""
    async with exporter(emulator) as pulling:
        jobs = await planned(pulling, [Entity.ADS])
        for _ in range(3):
            async with pulling.run(jobs, sink=Library()) as outcomes:
                async for _ in outcomes:
                    break
        assert len(await pulled(pulling, jobs, Library())) == 8


async def test_two_jobs_that_differ_in_filters_only_are_refused_under_one_label(emulator: EmulatorServer) -> None:
    """They would replace each other's rows, so nobody gets to find out."""
    async with exporter(emulator) as pulling:
        profiles = await pulling.profiles()
        jobs = [
            *plan(profiles, filters=Filters(states=("ENABLED",)), snapshot="night"),
            *plan(profiles, filters=Filters(states=("PAUSED",)), snapshot="night"),
        ]
        with pytest.raises(ConfigError, match="under the label 'night' with other filters"):
            pulling.run(jobs, sink=Library())


@pytest.mark.emulator(profiles=10, accounts=1, generation=Constant(0.2))
async def test_exports_of_an_earlier_run_take_the_slots_before_new_ones(
    emulator: EmulatorServer, tmp_path: Path
) -> None:
    """What is still running on the server counts there, so it must count here first: no 429 from the cap."""
    requested: set[Job] = set()
    full = asyncio.Event()

    def listener(event: Event) -> None:
        if isinstance(event, ExportRequested):
            requested.add(event.job)
        if len(requested) == 5:
            full.set()

    async with Exporter(emulator.accounts(), state_dir=tmp_path, listener=listener) as pulling:
        jobs = await planned(pulling, [Entity.ADS])
        async with pulling.run(jobs, sink=Library()):
            await full.wait()
    async with resuming(emulator, tmp_path) as pulling:
        assert len(await pulled(pulling, reversed(jobs), Library())) == 10
    assert emulator.state.counters.throttled == Counter()


async def test_a_stream_leaves_no_note_in_the_journal(emulator: EmulatorServer, tmp_path: Path) -> None:
    """Nothing was stored, so nothing is said to be."""
    async with resuming(emulator, tmp_path) as pulling:
        job = (await planned(pulling))[0]
        async with pulling.batches(job) as batches:
            async for _ in batches:
                pass
    assert read(tmp_path) == []


async def test_a_second_run_counts_its_own_requests(emulator: EmulatorServer) -> None:
    """What the first run sent is not the second one's."""
    library = Library()
    async with exporter(emulator) as pulling:
        jobs = await planned(pulling)
        await pulled(pulling, jobs, library)
        assert pulling.summary.requests > 16
        await pulled(pulling, jobs, library)
        assert pulling.summary.requests == 0


async def test_the_same_job_twice_is_one_job(emulator: EmulatorServer) -> None:
    """There is exactly one outcome per distinct job, and one export."""
    async with exporter(emulator) as pulling:
        job = (await planned(pulling))[0]
        assert len(await pulled(pulling, [job, job], Library())) == 1
    assert len(emulator.state.journal) == 1


async def test_what_is_committed_under_the_label_is_not_pulled_again(emulator: EmulatorServer) -> None:
    """A second run asks the sink and does only what is missing."""
    library = Library()
    async with exporter(emulator) as pulling:
        jobs = await planned(pulling)
        await pulled(pulling, jobs[1:], library)
        asked = len(emulator.state.journal)
        second = await pulled(pulling, jobs, library)
        assert [outcome.job for outcome in second if isinstance(outcome, Exported) and not outcome.found] == jobs[:1]
        assert len(emulator.state.journal) == asked + 1
        assert (pulling.summary.exported, pulling.summary.skipped) == (1, 15)


async def test_again_pulls_what_is_there(emulator: EmulatorServer) -> None:
    """``again`` does not ask the sink."""
    library = Library()
    async with exporter(emulator) as pulling:
        jobs = await planned(pulling, [Entity.ADS])
        await pulled(pulling, jobs, library)
        await pulled(pulling, jobs, library, again=True)
    assert set(library.opened.values()) == {2}


@pytest.mark.emulator(weather="poll entity=targets nth=1: fail-SOMETHING_NEW")
async def test_one_failed_export_stops_no_other(emulator: EmulatorServer) -> None:
    """A failure is that job's outcome."""
    async with exporter(emulator) as pulling:
        outcomes = await pulled(pulling, await planned(pulling), Library())
        failed = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
        assert [type(outcome.error) for outcome in failed] == [ExportFailed]
        assert pulling.summary.failed == 1
        assert pulling.summary.exported == 15


async def test_a_profile_nobody_may_see_fails_alone(emulator: EmulatorServer) -> None:
    """A dead profile costs its own four exports."""
    async with exporter(emulator) as pulling:
        jobs = await planned(pulling)
        dead = Profile(jobs[0].profile.account, jobs[0].profile.region, "99999999999")
        outcomes = await pulled(pulling, [*plan([dead], snapshot="night"), *jobs], Library())
    failed = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
    assert {outcome.job.profile for outcome in failed} == {dead}
    assert {type(outcome.error) for outcome in failed} == {ProfileAccessDenied}
    assert len(outcomes) == 20
    assert emulator.state.counters.requests["token"] == 2


@pytest.mark.emulator(weather="download nth=1 times=2: not-found")
async def test_an_export_whose_file_is_gone_is_asked_for_again_once(emulator: EmulatorServer) -> None:
    """A lost export is requested anew, with a slot of its own."""
    async with exporter(emulator) as pulling:
        job = (await planned(pulling))[0]
        assert [type(outcome) for outcome in await pulled(pulling, [job], Library())] == [Exported]
    assert len(emulator.state.journal) == 2
    assert emulator.state.weather.unmet() == ()


@pytest.mark.emulator(weather="download nth=1 times=4: not-found")
async def test_an_export_that_is_lost_twice_is_the_error(emulator: EmulatorServer) -> None:
    """Asking anew is bounded."""
    async with exporter(emulator) as pulling:
        job = (await planned(pulling))[0]
        (outcome,) = await pulled(pulling, [job], Library())
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, ExportExpired)


class Full(Library):
    """A sink whose disk is full from the first byte."""

    def open(self, order: TransferOrder) -> object:  # type: ignore[override]
        raise DiskFull(f"no space for {order.export_id}")


async def test_a_full_disk_starts_nothing_further_and_leaves_no_job_without_an_outcome(
    emulator: EmulatorServer,
) -> None:
    """There is no point in asking for exports that cannot be stored."""
    async with exporter(emulator) as pulling:
        profiles = await pulling.profiles()
        many = [Job(profile, Entity.ADS, snapshot=str(at)) for at in range(40) for profile in profiles]
        outcomes = await pulled(pulling, many, Full())  # type: ignore[arg-type]
    assert len(outcomes) == 160
    assert {type(outcome.error) for outcome in outcomes if isinstance(outcome, Failed)} == {DiskFull}
    assert len(emulator.state.journal) <= 2 * 5 + 2 * 5


class Unfindable(Library):
    """A sink that cannot look."""

    async def find(self, order: TransferOrder) -> Receipt | None:
        """Fail."""
        raise PermissionError(order.job.entity.value)


async def test_a_sink_that_cannot_be_asked_fails_the_job(emulator: EmulatorServer) -> None:
    """What is there is not known, so nothing is pulled over it."""
    async with exporter(emulator) as pulling:
        outcomes = await pulled(pulling, await planned(pulling, [Entity.ADS]), Unfindable())
    assert {type(outcome.error) for outcome in outcomes if isinstance(outcome, Failed)} == {SinkError}
    assert len(emulator.state.journal) == 0


class Stuck(Library):
    """A sink that never comes back from one step of one job."""

    def __init__(self, job: Job, step: str) -> None:
        super().__init__()
        self._stuck = (job, step)

    async def _at(self, job: Job, step: str) -> None:
        if (job, step) == self._stuck:
            await asyncio.Event().wait()

    @asynccontextmanager
    async def open(self, order: TransferOrder) -> AsyncIterator[SinkWriter]:
        """Begin, and hang before the end."""
        async with super().open(order) as writer:
            yield writer
            await self._at(order.job, "commit")

    async def find(self, order: TransferOrder) -> Receipt | None:
        """Look, or hang."""
        await self._at(order.job, "find")
        return await super().find(order)


@pytest.mark.parametrize(("step", "words"), [("find", "say what it holds"), ("commit", "commit the rows")])
async def test_a_sink_that_hangs_with_one_export_stops_no_other(
    emulator: EmulatorServer, step: str, words: str
) -> None:
    """That one fails when its time is over, with nothing committed and nothing left running; the others go on."""
    async with exporter(emulator, limits=Limits(sink_timeout=0.05)) as pulling:
        jobs = await planned(pulling)
        sink = Stuck(jobs[0], step)
        outcomes = {outcome.job: outcome for outcome in await pulled(pulling, jobs, sink)}
        failed = outcomes.pop(jobs[0])
        assert isinstance(failed, Failed)
        assert isinstance(failed.error, SinkError)
        assert str(failed.error) == f"Stuck did not {words} within 0.05 s"
        assert len(outcomes) == len(jobs) - 1
        assert all(isinstance(outcome, Exported) for outcome in outcomes.values())
        assert set(sink.committed) == {job.key for job in outcomes}
        assert not any("watchdog" in repr(task) for task in asyncio.all_tasks())


def ours() -> set[asyncio.Task[object]]:
    """Return the library's tasks that are not the emulator's."""
    return {task for task in asyncio.all_tasks() if "asyncexport/" in repr(task) and "emulator" not in repr(task)}


@pytest.mark.emulator(generation=Constant(30.0))
async def test_leaving_early_cancels_the_rest_and_leaves_nothing_behind(emulator: EmulatorServer) -> None:
    """Exports under way are dropped at once; no task stays."""
    library, requested = Library(), asyncio.Event()

    def listener(event: Event) -> None:
        if isinstance(event, ExportRequested):
            requested.set()

    async with Exporter(emulator.accounts(), listener=listener) as pulling:
        jobs = await planned(pulling)
        before = ours()
        async with pulling.run(jobs, sink=library):
            await requested.wait()
        assert ours() == before
    assert library.committed == {}


async def test_an_exception_in_the_loop_body_comes_out_as_itself(emulator: EmulatorServer) -> None:
    """The user's error is neither wrapped nor lost."""
    async with exporter(emulator) as pulling:
        jobs = await planned(pulling)
        with pytest.raises(KeyError, match="mine"):
            async with pulling.run(jobs, sink=Library()) as outcomes:
                async for _ in outcomes:
                    raise KeyError("mine")


@pytest.mark.emulator(profiles=30, accounts=1, generation=Constant(0.02))
async def test_draining_finishes_what_was_started_and_starts_nothing_more(emulator: EmulatorServer) -> None:
    """After ``drain`` every export that was asked for gets its outcome, and no further one is asked for."""
    library = Library()
    async with exporter(emulator) as pulling:
        jobs = await planned(pulling, [Entity.ADS])
        outcomes: list[Outcome] = []
        async with pulling.run(jobs, sink=library) as running:
            async for outcome in running:
                outcomes.append(outcome)
                pulling.drain()
        assert len(outcomes) == len(emulator.state.journal) < 30
        assert len(library.committed) == len(outcomes)


async def test_a_bug_in_a_listener_is_not_swallowed(emulator: EmulatorServer) -> None:
    """An error that is nobody's outcome ends the run as itself."""

    def broken(event: object) -> None:
        if isinstance(event, JobFinished):
            raise ZeroDivisionError("listener")

    async with Exporter(emulator.accounts(), schedule=QUICK, listener=broken) as pulling:
        jobs = await planned(pulling)
        with pytest.raises(ZeroDivisionError, match="listener"):
            await pulled(pulling, jobs, Library())


async def test_jobs_of_two_accounts_go_out_under_their_own_profile_and_token(emulator: EmulatorServer) -> None:
    """No row of one profile can end under another's name."""
    library = Library()
    async with exporter(emulator) as pulling:
        jobs = await planned(pulling, [Entity.CAMPAIGNS])
        await pulled(pulling, jobs, library)
    assert library.committed == {job.key: true_text(emulator, job) for job in jobs}
    assert len(set(library.committed.values())) > 1


def resuming(server: EmulatorServer, state: Path) -> Exporter:
    """Return an exporter with a journal."""
    return Exporter(server.accounts(), schedule=QUICK, backoff=BRISK, state_dir=state)


@pytest.mark.emulator(profiles=2, accounts=1, generation=Constant(0.05))
async def test_a_run_that_was_left_is_resumed_without_asking_twice(emulator: EmulatorServer, tmp_path: Path) -> None:
    """Exports that were asked for are collected by the next run; every job has asked exactly once."""
    library = Library()
    async with resuming(emulator, tmp_path) as pulling:
        jobs = await planned(pulling)
        async with pulling.run(jobs, sink=library) as outcomes:
            async for _ in outcomes:
                break
    asked = len(emulator.state.journal)
    assert asked == 8
    assert len(library.committed) < 8
    async with resuming(emulator, tmp_path) as pulling:
        outcomes_of_second = await pulled(pulling, jobs, library)
        assert pulling.summary.possibly_orphaned == 0
    assert len(emulator.state.journal) == asked
    assert all(isinstance(outcome, Exported) for outcome in outcomes_of_second)
    assert library.committed == {job.key: true_text(emulator, job) for job in jobs}
    assert {row["state"] for row in read(tmp_path)} == {"committed"}


async def test_what_the_sink_has_and_the_journal_does_not_know_is_noted(
    emulator: EmulatorServer, tmp_path: Path
) -> None:
    """A kill between the sink's commit and the journal's entry costs no download."""
    library = Library()
    async with exporter(emulator) as pulling:
        jobs = await planned(pulling, [Entity.ADS])
        await pulled(pulling, jobs, library)
    served = emulator.state.counters.requests["store"]
    async with resuming(emulator, tmp_path) as pulling:
        assert all(outcome.found for outcome in await pulled(pulling, jobs, library) if isinstance(outcome, Exported))
    assert emulator.state.counters.requests["store"] == served
    assert {row["state"] for row in read(tmp_path)} == {"committed"}


async def test_a_post_without_a_noted_answer_counts_as_possibly_orphaned(
    emulator: EmulatorServer, tmp_path: Path
) -> None:
    """A kill between the POST and the note of its answer leaves an intent; the job is asked for anew."""
    async with exporter(emulator) as pulling:
        job = (await planned(pulling))[0]
    async with SqliteJournal(tmp_path) as journal:
        await journal.note(job, Intended())
    async with resuming(emulator, tmp_path) as pulling:
        assert [type(outcome) for outcome in await pulled(pulling, [job], Library())] == [Exported]
        assert pulling.summary.possibly_orphaned == 1


@pytest.mark.emulator(weather="download times=99: return-403")
async def test_an_export_that_could_not_be_downloaded_is_kept_for_the_next_run(
    emulator: EmulatorServer, tmp_path: Path
) -> None:
    """A failure that passes keeps the export: the next run downloads it and asks for nothing."""
    library = Library()
    async with resuming(emulator, tmp_path) as pulling:
        job = (await planned(pulling))[0]
        (outcome,) = await pulled(pulling, [job], library)
    assert isinstance(outcome, Failed)
    assert [(row["state"], bool(row["export_id"])) for row in read(tmp_path)] == [("failed", True)]
    emulator.state.weather = Weather()
    async with resuming(emulator, tmp_path) as pulling:
        assert [type(outcome) for outcome in await pulled(pulling, [job], library)] == [Exported]
    assert len(emulator.state.journal) == 1


@pytest.mark.emulator(weather="poll: fail-SOMETHING_NEW")
async def test_an_export_that_failed_for_good_is_not_kept(emulator: EmulatorServer, tmp_path: Path) -> None:
    """There is nothing to collect, so the next run asks anew."""
    async with resuming(emulator, tmp_path) as pulling:
        job = (await planned(pulling))[0]
        await pulled(pulling, [job], Library())
    assert [(row["state"], row["export_id"], row["error"]) for row in read(tmp_path)] == [
        ("failed", "", "ExportFailed")
    ]


async def test_again_ignores_the_journal(emulator: EmulatorServer, tmp_path: Path) -> None:
    """Pulling anew asks anew."""
    library = Library()
    async with resuming(emulator, tmp_path) as pulling:
        jobs = await planned(pulling, [Entity.ADS])
        await pulled(pulling, jobs, library)
        await pulled(pulling, jobs, library, again=True)
    assert len(emulator.state.journal) == 8


class Asked(Notebook):
    """A notebook that also keeps what it was asked to remember."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_for: list[tuple[str, ...]] = []

    async def habits(self, jobs: Iterable[Job]) -> Mapping[tuple[str, ...], Habit]:
        """Keep the question."""
        jobs = list(jobs)
        self.asked_for += [job.subject for job in jobs]
        return await super().habits(jobs)


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.emulator(generation=Constant(0.2))
async def test_a_run_asks_what_was_learned_and_notes_how_long_the_export_took(
    emulator: EmulatorServer, *, again: bool
) -> None:
    """Memory is for every run, also for one that pulls anew, and every export adds to it."""
    notebook = Asked()
    async with exporter(emulator, journal=notebook) as pulling:
        job = (await planned(pulling))[0]
        await pulled(pulling, [job], Library(), again=again)
    _, committed = notebook.notes[-1]
    assert notebook.asked_for == [job.subject]
    assert isinstance(committed, Committed)
    assert committed.seconds is not None
    assert 0.0 < committed.seconds < 60.0


def test_a_run_tells_about_itself() -> None:
    """The repr is one true line."""
    clock = FakeClock()
    run = Run(
        [Job(Profile("a", Region.EU, "1"), Entity.ADS)],
        Library(),
        desk_of=lambda _: pytest.fail("no desk is needed"),
        runner=None,  # type: ignore[arg-type]
        windows=Windows(Limits(), clock, Chances(Chance)),
        making=None,  # type: ignore[arg-type]
        scarcity=None,  # type: ignore[arg-type]
        listener=Events(),
        score=Score(clock, Tally(), Tally()),
        journal=Notebook(),
        again=False,
        guard=lambda _: pytest.fail("no sink is asked"),
    )
    assert repr(run) == "<Run 0/1 jobs done>"
