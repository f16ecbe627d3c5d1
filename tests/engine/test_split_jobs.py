"""Jobs that are too large for one export: taken in parts, over sockets, against an emulator that times out."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from asyncexport import Entity, Exported, Exporter, Failed, Filters, Job, Limits, Outcome, TransferOrder
from asyncexport.emulator.laws import Constant
from asyncexport.emulator.records.data import rows
from asyncexport.emulator.server import EmulatorServer
from asyncexport.errors import AsyncexportError, DiskFull, ExportFailed, SinkError, StateError
from asyncexport.events import Event, ExportRequested, JobFinished, JobSplit, PartFinished
from asyncexport.models import Receipt
from asyncexport.notes import Note, Split
from asyncexport.ports import SinkWriter
from asyncexport.pytest_plugin import emulated
from asyncexport.sinks import JsonLines, Memory
from asyncexport.sinks.files.tree import TreeWriter
from asyncexport.sinks.memory import MemoryWriter
from asyncexport.testing import MemoryJournal
from tests.engine.pulling import exporter, planned, pulled
from tests.engine.support import Events

SP, SB, SD = (Filters((product,)) for product in Filters().ad_products)
BY_STATE = tuple(replace(SP, states=(state,)) for state in SP.states)
PARTS = (BY_STATE[0], SB, SD, *BY_STATE[1:])
"""All products are too much, and then Sponsored Products is again."""


def truth(server: EmulatorServer, job: Job) -> list[bytes]:
    """Return the rows that the server has, in its order, from its own books."""
    world = server.state.world
    return list(rows(world.profiles[job.profile.profile_id], job.entity, job.filters, world.seed))


def in_parts(server: EmulatorServer, job: Job, parts: Iterable[Filters] = PARTS) -> bytes:
    """Return the text of the parts, one after the other."""
    texts = [row + b"\n" for part in parts for row in truth(server, replace(job, filters=part))]
    return b"".join(texts)


def asked(server: EmulatorServer) -> list[Filters]:
    """Return what exports were asked for, in order, their words as the job has them."""
    found = [record.key.filters for record in server.state.journal.values()]
    order = Filters()
    return [
        Filters(
            tuple(word for word in order.ad_products if word in each.ad_products),
            tuple(word for word in order.states if word in each.states),
            target_levels=each.target_levels,
            negative=each.negative,
            target_types=each.target_types,
        )
        for each in found
    ]


def jobs(job: Job, parts: Iterable[Filters] = PARTS) -> tuple[Job, ...]:
    return tuple(replace(job, filters=part) for part in parts)


def files_in(folder: Path) -> list[Path]:
    return sorted(folder.rglob("part-*.jsonl*"))


def only(outcomes: list[Outcome]) -> Exported:
    (outcome,) = outcomes
    assert isinstance(outcome, Exported), outcome
    return outcome


ADS = pytest.mark.emulator(profiles=1, accounts=1, rows=3000, times_out_above=200)
"""361 ads: 324 of Sponsored Products, of these 178, 66 and 80 by state."""


async def job_of(pulling: Exporter, entity: Entity = Entity.ADS) -> Job:
    (job,) = await planned(pulling, [entity])
    return job


@ADS
async def test_a_job_that_is_too_large_twice(emulator: EmulatorServer, tmp_path: Path) -> None:
    """All products time out, then one product: it is cut by state. The parts' rows together are exactly the job's."""
    events = Events()
    async with exporter(emulator, events) as pulling:
        job = await job_of(pulling)
        outcome = only(await pulled(pulling, [job], JsonLines(tmp_path, compression="none")))
        assert (pulling.summary.exported, pulling.summary.rows) == (1, outcome.receipt.rows)

    assert asked(emulator)[:2] == [Filters(), SP]
    assert set(asked(emulator)) == {Filters(), SP, SB, SD, *BY_STATE}
    files = files_in(tmp_path)
    assert [file.name for file in files] == [f"part-{number}.jsonl" for number in range(5)]
    found = Counter(line for file in files for line in file.read_bytes().splitlines())
    assert found == Counter(truth(emulator, job))
    assert b"".join(file.read_bytes() for file in files) == in_parts(emulator, job)
    assert outcome.receipt.rows == found.total()
    assert [part.location for part in outcome.receipt.parts] == list(map(str, files))
    assert [event.parts for event in events if isinstance(event, JobSplit)] == [jobs(job, (SP, SB, SD)), jobs(job)]
    assert [event.outcome for event in events if isinstance(event, JobFinished)] == [outcome]
    ended = {event.outcome.job: event for event in events if isinstance(event, PartFinished)}
    parts = dict(zip(jobs(job), outcome.receipt.parts, strict=True))
    assert ended == {part: PartFinished(job, Exported(part, receipt)) for part, receipt in parts.items()}


@pytest.mark.emulator(profiles=1, accounts=1, rows=3000, times_out_above=700)
async def test_targets_are_cut_to_the_types(emulator: EmulatorServer) -> None:
    """What is left of targets is cut by level, by whether they are negative, and at last by type."""
    memory = Memory()
    async with exporter(emulator) as pulling:
        job = await job_of(pulling, Entity.TARGETS)
        outcome = only(await pulled(pulling, [job], memory))

    assert Counter(memory.text(job).splitlines()) == Counter(truth(emulator, job))
    assert any(filters.target_types for filters in asked(emulator))
    assert outcome.receipt.rows == len(truth(emulator, job))
    assert max(part.rows for part in outcome.receipt.parts) <= 700


@pytest.mark.emulator(profiles=1, accounts=1, rows=3000, times_out_above=100)
async def test_nothing_is_left_to_cut(emulator: EmulatorServer) -> None:
    """One outcome, and its error says why; parts that fit are committed and not asked for again."""
    memory, journal = Memory(), MemoryJournal()
    async with exporter(emulator, journal=journal) as pulling:
        job = await job_of(pulling)
        (outcome,) = await pulled(pulling, [job], memory)
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, ExportFailed)
    assert "too large for one export, and no filter is left to split it by" in str(outcome.error)
    assert outcome.job == job
    assert journal.state_of(job) == "failed"
    first = asked(emulator)
    assert set(first) == {Filters(), SP, SB, SD, *BY_STATE}

    async with exporter(emulator, journal=journal) as pulling:
        (outcome,) = await pulled(pulling, [job], memory)
    assert isinstance(outcome, Failed)
    assert asked(emulator)[len(first) :] == [BY_STATE[0]]


@ADS
async def test_a_second_run_finds_the_parts(emulator: EmulatorServer, tmp_path: Path) -> None:
    """All parts that are there are the job: nothing is asked for."""
    sink = JsonLines(tmp_path)
    async with exporter(emulator) as pulling:
        job = await job_of(pulling)
        first = only(await pulled(pulling, [job], sink))
        asked_before = len(asked(emulator))
        second = only(await pulled(pulling, [job], sink))
        assert (pulling.summary.skipped, pulling.summary.rows) == (1, 0)

    assert second.found
    assert second.receipt == first.receipt
    assert len(asked(emulator)) == asked_before


@ADS
@pytest.mark.parametrize("remembers", [True, False])
async def test_a_part_that_was_lost(emulator: EmulatorServer, tmp_path: Path, *, remembers: bool) -> None:
    """With a journal its export is fetched again; without one the whole is asked for first, and then only the part."""
    sink, journal = JsonLines(tmp_path), MemoryJournal() if remembers else None
    async with exporter(emulator, journal=journal) as pulling:
        job = await job_of(pulling)
        first = only(await pulled(pulling, [job], sink))
    files_in(tmp_path)[3].unlink()
    before = len(asked(emulator))
    async with exporter(emulator, journal=journal) as pulling:
        second = only(await pulled(pulling, [job], sink))

    assert asked(emulator)[before:] == ([] if remembers else [Filters(), SP, BY_STATE[1]])
    assert second.receipt.sha256 == first.receipt.sha256


@ADS
async def test_the_next_night(emulator: EmulatorServer) -> None:
    """It begins with the parts of the night before: nothing times out."""
    journal, memory = MemoryJournal(), Memory()
    async with exporter(emulator, journal=journal) as pulling:
        tonight = await job_of(pulling)
        await pulled(pulling, [tonight], memory)
        before = len(asked(emulator))
        tomorrow = replace(tonight, snapshot="tomorrow")
        outcome = only(await pulled(pulling, [tomorrow], memory))

    assert sorted(asked(emulator)[before:], key=PARTS.index) == list(PARTS)
    assert outcome.receipt.rows == len(truth(emulator, tonight))
    assert memory.text(tomorrow) == in_parts(emulator, tonight)


@ADS
async def test_fewer_parts_than_before(emulator: EmulatorServer, tmp_path: Path) -> None:
    """A job that comes in one export again leaves no part of its split; nor does one with fewer parts."""
    sink = JsonLines(tmp_path)
    async with exporter(emulator) as pulling:
        job = await job_of(pulling)
        await pulled(pulling, [job], sink)
    for most, parts in ((330, 3), (None, 1)):
        await emulator.become(emulated(profiles=1, accounts=1, rows=3000, times_out_above=most))
        async with exporter(emulator) as pulling:
            outcome = only(await pulled(pulling, [job], sink, again=True))
        files = files_in(tmp_path)
        assert [file.name for file in files] == [f"part-{number}.jsonl.zst" for number in range(parts)]
        assert outcome.receipt.rows == len(truth(emulator, job))


@pytest.mark.emulator(profiles=4, accounts=1, rows=3000, times_out_above=150, cap=1, generation=Constant(0.02))
async def test_parts_come_first(emulator: EmulatorServer) -> None:
    """What was begun is finished: parts are asked for before jobs that were never asked for."""
    memory = Memory()
    async with exporter(emulator, limits=Limits(in_progress=1)) as pulling:
        outcomes = await pulled(pulling, await planned(pulling, [Entity.ADS]), memory)

    subjects = [record.key.profile_id for record in emulator.state.journal.values()]
    first_asked = [subjects.index(each) for each in dict.fromkeys(subjects)]
    assert asked(emulator).index(SP) < first_asked[2]
    assert all(isinstance(outcome, Exported) for outcome in outcomes)
    for outcome in outcomes:
        assert Counter(memory.text(outcome.job).splitlines()) == Counter(truth(emulator, outcome.job))


@ADS
async def test_a_stream_of_parts(emulator: EmulatorServer) -> None:
    """Who streams a job that is too large gets the rows of all parts."""
    async with exporter(emulator) as pulling:
        job = await job_of(pulling)
        async with pulling.batches(job) as batches:
            text = b"".join([batch.text async for batch in batches])

    assert Counter(text.splitlines()) == Counter(truth(emulator, job))


class Plain:
    """A sink that knows nothing of parts but to keep them apart; ``failing`` is raised by what it names."""

    def __init__(self, failing: AsyncexportError | None = None, part: int = -1) -> None:
        self.memory = Memory()
        self.failing = failing
        self.part = part

    def open(self, order: TransferOrder) -> AbstractAsyncContextManager[SinkWriter]:
        """Begin."""
        if self.failing is not None and order.part == self.part:
            raise self.failing
        return self.memory.open(order)

    async def find(self, order: TransferOrder) -> Receipt | None:
        """Find a part by itself."""
        return await self.memory.find(order) if order.is_part else None


@ADS
async def test_a_sink_that_knows_nothing_of_parts(emulator: EmulatorServer) -> None:
    """It finds parts one by one: those that are there are not pulled again."""
    sink, journal = Plain(), MemoryJournal()
    async with exporter(emulator, journal=journal) as pulling:
        job = await job_of(pulling)
        first = only(await pulled(pulling, [job], sink))
        before = len(asked(emulator))
        second = only(await pulled(pulling, [job], sink))

    assert len(asked(emulator)) == before
    assert second.receipt == first.receipt


@ADS
@pytest.mark.parametrize("error", [SinkError("no"), DiskFull("full")])
@pytest.mark.parametrize("slots", [1, 5])
async def test_a_part_that_cannot_be_stored(emulator: EmulatorServer, error: SinkError, slots: int) -> None:
    """The job fails with that error, once; what is committed stays, and the next run does the rest."""
    sink, journal, events = Plain(error, part=1), MemoryJournal(), Events()
    async with exporter(emulator, events, journal=journal, limits=Limits(in_progress=slots)) as pulling:
        job = await job_of(pulling)
        outcomes = await pulled(pulling, [job], sink)
        assert [(outcome.job, outcome.error) for outcome in outcomes if isinstance(outcome, Failed)] == [(job, error)]
        ended = [event.outcome for event in events if isinstance(event, PartFinished)]
        stored = {each.job for each in ended if isinstance(each, Exported)}
        sink.failing = None
        events.clear()
        only(await pulled(pulling, [job], sink))

    assert sorted(each.job.key for each in ended) == sorted(part.key for part in jobs(job))
    found = [event.outcome for event in events if isinstance(event, PartFinished)]
    assert {each.job for each in found if isinstance(each, Exported) and each.found} == stored
    assert sink.memory.text(job) == in_parts(emulator, job)


class Unreadable(Memory):
    """A sink that cannot look for one part."""

    async def find(self, order: TransferOrder) -> Receipt | None:
        """Fail for that part."""
        if order.part == 1:
            raise SinkError("unreadable")
        return await super().find(order)


@ADS
async def test_a_part_that_cannot_be_looked_for(emulator: EmulatorServer) -> None:
    """It fails and is not asked for; the other parts go on."""
    sink = Unreadable()
    async with exporter(emulator) as pulling:
        job = await job_of(pulling)
        (outcome,) = await pulled(pulling, [job], sink)

    assert isinstance(outcome, Failed)
    assert str(outcome.error) == "unreadable"
    assert SB not in asked(emulator)
    assert Counter(sink.text(job).splitlines()) == Counter(truth(emulator, job)) - Counter(
        truth(emulator, replace(job, filters=SB))
    )


class Late:
    """A law: exports of one profile come after a while, all others at once."""

    def __init__(self, profile_id: str) -> None:
        self.profile_id = profile_id

    def seconds(self, seed: int, subject: str, turn: int) -> float:  # noqa: ARG002
        """Draw one time."""
        return 0.5 if subject.startswith(self.profile_id) else 0.0


class Full(Memory):
    """A sink without room."""

    def open(self, order: TransferOrder) -> AbstractAsyncContextManager[MemoryWriter]:
        """Fail."""
        raise DiskFull(f"no room for {order.job}")


@pytest.mark.emulator(profiles=2, accounts=1, rows=3000)
async def test_a_job_that_times_out_when_storage_has_run_out(emulator: EmulatorServer) -> None:
    """No part of it is begun: it fails as jobs do that wait."""
    large = max(emulator.state.world.profiles.values(), key=lambda profile: profile.campaigns)
    law = Late(large.profile_id)
    await emulator.become(emulated(profiles=2, accounts=1, rows=3000, times_out_above=150, generation=law))
    async with exporter(emulator) as pulling:
        outcomes = await pulled(pulling, await planned(pulling, [Entity.ADS]), Full())

    assert [type(outcome.error) for outcome in outcomes if isinstance(outcome, Failed)] == [DiskFull, DiskFull]
    assert [outcome.job.profile.profile_id for outcome in outcomes][1] == large.profile_id
    assert len(asked(emulator)) == 2


@dataclass(frozen=True, slots=True)
class Without(JsonLines):
    """A sink that cannot store one part."""

    part: int = 0

    def open(self, order: TransferOrder) -> AbstractAsyncContextManager[TreeWriter]:
        """Fail for that part."""
        if order.part == self.part:
            raise SinkError("no")
        return JsonLines.open(self, order)


@pytest.mark.emulator(profiles=1, accounts=1, rows=3000)
@pytest.mark.parametrize(("before", "after", "part"), [(None, 330, 0), (330, 200, 3)])
async def test_what_stands_stays_when_its_replacement_fails(
    emulator: EmulatorServer, tmp_path: Path, before: int | None, after: int, part: int
) -> None:
    """A job that stands and is pulled anew in other parts, of which one fails, stands as it was, each row once."""
    sink = JsonLines(tmp_path, compression="none")
    await emulator.become(emulated(profiles=1, accounts=1, rows=3000, times_out_above=before))
    async with exporter(emulator) as pulling:
        job = await job_of(pulling)
        only(await pulled(pulling, [job], sink))
    stood = {file: file.read_bytes() for file in files_in(tmp_path)}
    await emulator.become(emulated(profiles=1, accounts=1, rows=3000, times_out_above=after))
    async with exporter(emulator) as pulling:
        failing = Without(tmp_path, compression="none", part=part)
        (outcome,) = await pulled(pulling, [job], failing, again=True)
        assert isinstance(outcome, Failed)
        assert {file: file.read_bytes() for file in files_in(tmp_path)} == stood
        only(await pulled(pulling, [job], sink, again=True))

    found = Counter(line for file in files_in(tmp_path) for line in file.read_bytes().splitlines())
    assert found == Counter(truth(emulator, job))


class Unsettled(Memory):
    """A sink that cannot remove what is left over."""

    async def settle(self, job: Job, parts: int) -> None:
        """Fail."""
        raise SinkError(f"no {parts} parts of {job}")


class FullAtLast(Memory):
    """A sink without room for what settling needs."""

    async def settle(self, job: Job, parts: int) -> None:
        """Fail."""
        raise DiskFull(f"no room for {parts} parts of {job}")


@pytest.mark.emulator(profiles=4, accounts=1, rows=3000, times_out_above=150)
@pytest.mark.parametrize("where", ["settling", "noting"])
async def test_storage_that_runs_out_between_parts(emulator: EmulatorServer, where: str) -> None:
    """What is not started fails with the run, whether settling or noting a split met the full disk."""
    sink = FullAtLast() if where == "settling" else Memory()
    journal = MemoryJournal() if where == "settling" else Torn(DiskFull("no room for a split"))
    async with exporter(emulator, journal=journal, limits=Limits(in_progress=1)) as pulling:
        outcomes = await pulled(pulling, await planned(pulling, [Entity.ADS]), sink)

    errors = [outcome.error for outcome in outcomes if isinstance(outcome, Failed)]
    assert all(isinstance(error, DiskFull) for error in errors)
    assert any("not started, because storage ran out" in str(error) for error in errors)


@ADS
async def test_left_over_parts_that_stay(emulator: EmulatorServer) -> None:
    """Rows would stand twice, so the job has failed although its parts are committed."""
    journal = MemoryJournal()
    async with exporter(emulator, journal=journal) as pulling:
        job = await job_of(pulling)
        (outcome,) = await pulled(pulling, [job], Unsettled())

    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, SinkError)
    assert journal.state_of(job) == "failed"


class Torn(MemoryJournal):
    """A journal that cannot note a split."""

    def __init__(self, error: AsyncexportError | None = None) -> None:
        super().__init__()
        self.error = error or StateError("torn")

    async def note(self, job: Job, note: Note) -> None:
        """Fail for the one note."""
        if isinstance(note, Split):
            raise self.error
        await super().note(job, note)


@ADS
async def test_a_split_that_cannot_be_noted(emulator: EmulatorServer) -> None:
    """No part is asked for whose split a later run would not know."""
    async with exporter(emulator, journal=Torn()) as pulling:
        (outcome,) = await pulled(pulling, [await job_of(pulling)], Memory())

    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, StateError)
    assert asked(emulator) == [Filters()]


@ADS
async def test_draining_while_parts_wait(emulator: EmulatorServer) -> None:
    """Parts that were not started leave the job without an outcome; the next run does only what is missing."""
    memory, journal = Memory(), MemoryJournal()
    holder: list[Exporter] = []

    def listen(event: object) -> None:
        if isinstance(event, ExportRequested) and event.job.filters in PARTS:
            holder[0].drain()

    one = Limits(in_progress=1)
    async with exporter(emulator, listen, journal, limits=one) as pulling:
        holder.append(pulling)
        job = await job_of(pulling)
        assert await pulled(pulling, [job], memory) == []
    before = len(asked(emulator))
    async with exporter(emulator, journal=journal) as pulling:
        only(await pulled(pulling, [job], memory))

    assert not set(asked(emulator)[before:]) & set(asked(emulator)[:before]) - {SP}
    assert memory.text(job) == in_parts(emulator, job)


@ADS
async def test_draining_before_a_split(emulator: EmulatorServer) -> None:
    """An export that times out while the run drains is split by the next run: no part is begun."""
    memory, journal = Memory(), MemoryJournal()
    holder: list[Exporter] = []

    def listen(event: object) -> None:
        if isinstance(event, ExportRequested):
            holder[0].drain()

    async with exporter(emulator, listen, journal) as pulling:
        holder.append(pulling)
        job = await job_of(pulling)
        assert await pulled(pulling, [job], memory) == []
    assert asked(emulator) == [Filters()]
    assert journal.state_of(job) == "split"


@pytest.mark.emulator(
    profiles=1, accounts=1, rows=3000, times_out_above=200, weather="download nth=2 times=2: not-found"
)
async def test_a_part_whose_file_is_gone(emulator: EmulatorServer) -> None:
    """It is asked for again, once, as the part it is."""
    memory = Memory()
    async with exporter(emulator) as pulling:
        job = await job_of(pulling)
        only(await pulled(pulling, [job], memory))

    assert len(asked(emulator)) == 8
    assert memory.text(job) == in_parts(emulator, job)


async def left_at(emulator: EmulatorServer, moment: int) -> bool:
    """Cancel a run at its N-th event, then run again to the end; return whether there was such an event."""
    memory, journal = Memory(), MemoryJournal()
    running: list[asyncio.Task[list[Outcome]]] = []
    events = Events()

    def listen(event: Event) -> None:
        if running:
            events.append(event)
            if len(events) == moment:
                running[0].cancel()

    async with exporter(emulator, listen, journal) as pulling:
        job = replace(await job_of(pulling), snapshot=f"night-{moment}")
        running.append(asyncio.create_task(pulled(pulling, [job], memory)))
        await asyncio.wait(running)
        was_left = running[0].cancelled()
        known = {part.filters for part in jobs(job) if journal.state_of(part) in {"requested", "committed"}}
        before = len(asked(emulator))
        outcome = only(await pulled(pulling, [job], memory))
    assert not known & set(asked(emulator)[before:])
    assert memory.text(job) == in_parts(emulator, job)
    assert outcome.receipt.rows == len(truth(emulator, job))
    return was_left


@ADS
async def test_a_run_that_is_left_at_any_moment(emulator: EmulatorServer) -> None:
    """Wherever a run is cancelled the next one completes the job, and asks for nothing whose export it knows."""
    moment = 1
    while await left_at(emulator, moment):
        moment += 3

    assert moment > 20
