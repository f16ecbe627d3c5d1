"""Parts and habits, the same in the journal of a state folder and in the one that tests use."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asyncexport.accounts import Region
from asyncexport.adapters.journal import SqliteJournal
from asyncexport.errors import ConnectionLost, ExportFailed
from asyncexport.models import Entity, Filters, Job, Profile, Receipt
from asyncexport.notes import Committed, Dropped, Habit, Intended, Known, Note, Requested, Split
from asyncexport.ports import Journal
from asyncexport.sansio.looks.habits import NIGHTS_IN_PARTS
from asyncexport.sansio.scheduling.splitting import split
from asyncexport.testing import MemoryJournal

JOB = Job(Profile("acme", Region.EU, "1234567890"), Entity.ADS, snapshot="night")
OTHER = replace(JOB, entity=Entity.TARGETS)
RECEIPT = Receipt("export-1", rows=7, bytes=70, sha256="00", location="exports/x")
IN_PARTS = Receipt.of_parts([replace(RECEIPT, export_id=f"export-{number}") for number in (1, 3, 5)])
PARTS = split(JOB.filters, JOB.entity)
FURTHER = (split(PARTS[0], JOB.entity)[0], *PARTS[1:], *split(PARTS[0], JOB.entity)[1:])


def part(filters: Filters) -> Job:
    """Return the part of JOB with these filters."""
    return replace(JOB, filters=filters)


def later(job: Job) -> Job:
    """Return the job of the night after."""
    return replace(job, snapshot="the night after")


class Wall:
    """A clock on the wall, at the stroke of one hundred until somebody sets it."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def wall() -> Wall:
    """Return the clock of the journal."""
    return Wall()


@pytest_asyncio.fixture(params=["a file", "memory"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path, wall: Wall) -> AsyncIterator[Journal]:
    """Return an empty journal."""
    async with AsyncExitStack() as stack:
        if request.param == "memory":
            yield MemoryJournal(wall)
        else:
            yield await stack.enter_async_context(SqliteJournal(tmp_path, wall=wall))


async def note(journal: Journal, job: Job, *notes: Note) -> None:
    """Note one after the other."""
    for each in notes:
        await journal.note(job, each)


STATES: list[tuple[list[Note], Known]] = [
    ([Intended()], Known("intended", "", 0.0)),
    ([Intended(), Requested("export-1")], Known("requested", "export-1", 0.0)),
    ([Requested("export-1"), Committed(RECEIPT, 3.0)], Known("committed", "export-1", 0.0)),
    ([Requested("export-1"), Dropped(ConnectionLost("x"), keep=True)], Known("failed", "export-1", 0.0)),
    ([Requested("export-1"), Dropped(ExportFailed("x"), keep=False)], Known("failed", "", 0.0)),
    ([Requested("export-1"), Split(PARTS)], Known("split", "", 0.0, PARTS)),
    ([Split(PARTS), Dropped(ExportFailed("x"), keep=True)], Known("failed", "", 0.0, PARTS)),
    ([Split(PARTS), Committed(RECEIPT)], Known("committed", "export-1", 0.0, PARTS)),
    ([Split(PARTS), Intended()], Known("intended", "", 0.0)),
]


NOTES: list[Note] = [
    Intended(),
    Requested("export-1"),
    Requested("export-2"),
    Committed(RECEIPT),
    Committed(IN_PARTS),
    Committed(RECEIPT, 10.0),
    Committed(RECEIPT, 1000.0),
    Dropped(ConnectionLost("x"), keep=True),
    Dropped(ExportFailed("x"), keep=False),
    Split(PARTS),
    Split(FURTHER),
]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from(NOTES)), max_size=25))
async def test_the_two_journals_agree(tmp_path: Path, noted: list[tuple[int, Note]]) -> None:
    """Whatever is noted in whatever order, of the job, its parts and others: both know and have learned the same."""
    jobs = [JOB, later(JOB), part(PARTS[0]), part(PARTS[1]), part(FURTHER[0])]
    memory = MemoryJournal(lambda: 100.0)
    async with SqliteJournal(tempfile.mkdtemp(dir=tmp_path), wall=lambda: 100.0) as file:
        for number, each in noted:
            if number < 2 or not isinstance(each, Split):
                await note(file, jobs[number], each)
                await note(memory, jobs[number], each)
        assert await file.recall(jobs) == await memory.recall(jobs)
        assert await file.habits(jobs) == await memory.habits(jobs)


@pytest.mark.parametrize(("notes", "known"), STATES, ids=range(len(STATES)))
async def test_the_last_note_is_what_is_known(journal: Journal, notes: list[Note], known: Known) -> None:
    """Each note says what a later run of the same label finds of the job itself."""
    await note(journal, JOB, *notes)
    assert (await journal.recall([JOB]))[JOB.key] == known
    assert await journal.recall([OTHER]) == {}


async def test_the_parts_of_a_job_are_recalled_with_it(journal: Journal) -> None:
    """One question tells the next run which parts there are and where each stands."""
    await note(journal, JOB, Requested("export-1"), Split(PARTS))
    await note(journal, part(PARTS[1]), Intended(), Requested("export-2"))
    known = await journal.recall([JOB])
    assert {key: (each.state, each.export_id) for key, each in known.items()} == {
        JOB.key: ("split", ""),
        part(PARTS[0]).key: ("waiting", ""),
        part(PARTS[1]).key: ("requested", "export-2"),
        part(PARTS[2]).key: ("waiting", ""),
    }


async def test_a_part_that_is_cut_further(journal: Journal) -> None:
    """What takes its place waits, it itself is forgotten, and the other parts are left as they are."""
    await note(journal, JOB, Split(PARTS))
    for number, filters in enumerate(PARTS):
        await note(journal, part(filters), Intended(), Requested(f"export-{number}"))
    await note(journal, JOB, Split(FURTHER))
    known = await journal.recall([JOB, part(PARTS[0])])
    assert known[JOB.key].split == FURTHER
    assert [known[part(filters).key].state for filters in FURTHER] == ["waiting", "requested", "requested"] + [
        "waiting"
    ] * 2
    assert part(PARTS[0]).key not in known


async def test_a_job_whose_rows_are_all_there(journal: Journal) -> None:
    """So are those of its parts, also of one whose commit nobody lived to note."""
    await note(journal, JOB, Split(PARTS))
    await note(journal, part(PARTS[0]), Requested("export-2"), Committed(RECEIPT))
    await note(journal, part(PARTS[1]), Requested("export-3"))
    await note(journal, JOB, Committed(IN_PARTS))
    known = await journal.recall([JOB])
    assert {known[part(filters).key].state for filters in PARTS} == {"committed"}
    assert [known[part(filters).key].export_id for filters in PARTS] == ["export-1", "export-3", "export-5"]


@pytest.mark.parametrize("stands", [RECEIPT, Receipt.of_parts([RECEIPT, RECEIPT])], ids=["whole", "in others"])
async def test_a_job_that_stands_in_other_parts_than_noted(journal: Journal, stands: Receipt) -> None:
    """New parts were begun, went again, and the rows that stood before were found: no part is known then."""
    await note(journal, JOB, Split(PARTS))
    await note(journal, part(PARTS[0]), Requested("export-2"), Committed(RECEIPT))
    await note(journal, JOB, Committed(stands))
    assert (await journal.recall([JOB, part(PARTS[0])])).keys() == {JOB.key}


async def test_a_job_that_is_asked_for_whole_again(journal: Journal) -> None:
    """Its parts under the label are gone with the split."""
    await note(journal, JOB, Split(PARTS))
    await note(journal, part(PARTS[0]), Requested("export-2"))
    await note(journal, JOB, Intended(), Requested("export-3"))
    assert await journal.recall([JOB, part(PARTS[0])]) == {JOB.key: Known("requested", "export-3", 0.0)}


async def test_seconds_are_learned_over_labels(journal: Journal) -> None:
    """What is expected of a job comes from every night before, whatever its label; other jobs learn nothing of it."""
    await note(journal, JOB, Intended(), Requested("export-1"), Committed(RECEIPT, 10.0))
    await note(journal, later(JOB), Committed(RECEIPT, 40.0))
    await note(journal, OTHER, Intended(), Committed(RECEIPT))
    learned = await journal.habits([replace(JOB, snapshot="third night"), OTHER])
    assert learned.keys() == {JOB.subject}
    assert learned[JOB.subject].seconds == pytest.approx(20.0)
    assert learned[JOB.subject].nights == 2


async def test_the_next_night_begins_with_the_split(journal: Journal) -> None:
    """One question tells the parts to begin with and how long each took."""
    await note(journal, JOB, Split(FURTHER))
    for number, filters in enumerate(FURTHER):
        await note(journal, part(filters), Intended(), Committed(RECEIPT, number + 1.0))
    await note(journal, JOB, Committed(RECEIPT))
    learned = await journal.habits([later(JOB)])
    assert learned[JOB.subject] == Habit(None, 1, FURTHER)
    assert [learned[part(filters).subject].seconds for filters in FURTHER] == pytest.approx([1.0, 2.0, 3.0, 4.0, 5.0])


async def test_a_split_is_tried_without_after_two_weeks(journal: Journal) -> None:
    """And forgotten once the job was made whole."""
    await note(journal, JOB, Split(PARTS), *[Committed(RECEIPT)] * NIGHTS_IN_PARTS)
    assert (await journal.habits([JOB]))[JOB.subject].split == ()
    await note(journal, JOB, Committed(RECEIPT))
    assert (await journal.habits([JOB]))[JOB.subject].split == PARTS
    await note(journal, JOB, Committed(RECEIPT, 30.0))
    assert (await journal.habits([JOB]))[JOB.subject].split == ()


async def test_a_clock_that_was_set_back(journal: Journal, wall: Wall) -> None:
    """No export was asked for in the future: it is new then, and its age never negative."""
    await journal.note(JOB, Requested("export-1"))
    wall.now -= 18_000.0
    assert (await journal.recall([JOB]))[JOB.key] == Known("requested", "export-1", 0.0)


async def test_the_age_of_what_may_have_been_asked_for(journal: Journal, wall: Wall) -> None:
    """It counts from the intent, whatever the job's past: the export that nobody knows of is as young as that."""
    await journal.note(JOB, Requested("export-1"))
    wall.now += 1800.0
    await journal.note(JOB, Intended())
    wall.now += 5.0
    assert (await journal.recall([JOB]))[JOB.key] == Known("intended", "", 5.0)


async def test_the_age_of_a_part_that_may_have_been_asked_for(journal: Journal, wall: Wall) -> None:
    """It counts from the intent, not from the moment at which its job was split."""
    await journal.note(JOB, Split(PARTS))
    wall.now += 3600.0
    await journal.note(part(PARTS[0]), Intended())
    wall.now += 5.0
    known = await journal.recall([JOB])
    assert known[part(PARTS[0]).key] == Known("intended", "", 5.0)
