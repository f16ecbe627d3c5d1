"""The journal: on the disk when it says so, found again by the next run, and never trusted blindly."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asyncexport.accounts import Region
from asyncexport.adapters.journal import FILE, KEPT_SECONDS, LabelCount, NoJournal, SqliteJournal, read, tally
from asyncexport.adapters.journal import file as journal_file
from asyncexport.adapters.journal.noting import Entry
from asyncexport.adapters.journal.rows import as_text
from asyncexport.adapters.pump import pumps
from asyncexport.errors import ConnectionLost, DiskFull, ExportFailed, StateCorrupt, StateError
from asyncexport.models import Entity, Filters, Job, Profile, Receipt
from asyncexport.notes import Committed, Dropped, Intended, Known, Note, Requested

PROFILE = Profile("acme", Region.EU, "1234567890")
JOB = Job(PROFILE, Entity.ADS, snapshot="night")
RECEIPT = Receipt("export-1", rows=7, bytes=70, sha256="00", location="exports/x")


class Wall:
    """A clock on the wall that a test sets."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        """Read it."""
        return self.now


async def known_after(folder: Path, *notes: Note, wall: Wall | None = None, later: float = 0.0) -> Known | None:
    """Note in one run, and recall in another that comes later."""
    wall = wall or Wall()
    async with SqliteJournal(folder, wall=wall) as journal:
        for note in notes:
            await journal.note(JOB, note)
    wall.now += later
    async with SqliteJournal(folder, wall=wall) as journal:
        return (await journal.recall([JOB])).get(JOB.key)


@pytest.mark.parametrize(
    ("notes", "state", "export_id"),
    [
        ([Intended()], "intended", ""),
        ([Intended(), Requested("export-1")], "requested", "export-1"),
        ([Intended(), Requested("export-1"), Committed(RECEIPT)], "committed", "export-1"),
        ([Requested("export-1"), Dropped(ConnectionLost("x"), keep=True)], "failed", "export-1"),
        ([Requested("export-1"), Dropped(ExportFailed("x"), keep=False)], "failed", ""),
        ([Requested("export-1"), Intended()], "intended", ""),
        ([Dropped(ConnectionLost("x"), keep=True)], "failed", ""),
        ([Committed(RECEIPT)], "committed", "export-1"),
    ],
)
async def test_the_last_note_is_what_the_next_run_knows(
    tmp_path: Path, notes: list[Note], state: str, export_id: str
) -> None:
    """Each state of a job says whether there is an export to collect."""
    known = await known_after(tmp_path, *notes, later=60.0)
    assert known == Known(state, export_id, 60.0)


async def test_the_age_counts_from_the_request_not_from_later_notes(tmp_path: Path) -> None:
    """An export lives a day from its own beginning, whatever was noted since."""
    wall = Wall()
    async with SqliteJournal(tmp_path, wall=wall) as journal:
        await journal.note(JOB, Requested("export-1"))
        wall.now += 3600
        await journal.note(JOB, Dropped(ConnectionLost("x"), keep=True))
        assert (await journal.recall([JOB]))[JOB.key].age_seconds == 3600


async def test_jobs_differ_by_every_part_of_their_key(tmp_path: Path) -> None:
    """Label, account, region, profile, entity and filters each tell two jobs apart."""
    others = [
        Job(PROFILE, Entity.ADS, snapshot="other"),
        Job(Profile("other", Region.EU, "1234567890"), Entity.ADS, snapshot="night"),
        Job(Profile("acme", Region.NA, "1234567890"), Entity.ADS, snapshot="night"),
        Job(Profile("acme", Region.EU, "1"), Entity.ADS, snapshot="night"),
        Job(PROFILE, Entity.TARGETS, snapshot="night"),
        Job(PROFILE, Entity.ADS, Filters(states=("ENABLED",)), snapshot="night"),
    ]
    async with SqliteJournal(tmp_path) as journal:
        await journal.note(JOB, Requested("export-1"))
        assert await journal.recall(others) == {}
        assert set(await journal.recall([*others, JOB])) == {JOB.key}


async def test_many_notes_that_wait_are_written_in_few_transactions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forty thousand jobs must not cost forty thousand fsyncs."""
    batches: list[int] = []
    original = SqliteJournal._write_batch

    def counted(self: SqliteJournal, entries: Sequence[Entry]) -> object:
        batches.append(len(entries))
        return original(self, entries)

    monkeypatch.setattr(SqliteJournal, "_write_batch", counted)
    jobs = [Job(PROFILE, Entity.ADS, snapshot=str(at)) for at in range(2000)]
    async with SqliteJournal(tmp_path) as journal:
        await asyncio.gather(*(journal.note(job, Intended()) for job in jobs))
        assert len(await journal.recall(jobs)) == 2000
    assert sum(batches) == 2000
    assert len(batches) < 10


async def test_a_caller_that_is_cancelled_loses_no_note_of_the_others(tmp_path: Path) -> None:
    """Cancelling one waiter leaves the transaction alone."""
    other = Job(PROFILE, Entity.TARGETS, snapshot="night")
    async with SqliteJournal(tmp_path) as journal:
        cancelled = asyncio.create_task(journal.note(JOB, Intended()))
        kept = asyncio.create_task(journal.note(other, Intended()))
        await asyncio.sleep(0)
        cancelled.cancel()
        await kept
    async with SqliteJournal(tmp_path) as journal:
        assert set(await journal.recall([JOB, other])) == {JOB.key, other.key}


NOT_UNICODE = "/out/\udcff/\ud800 \ud83d\ude00 \0 ü"


async def test_a_text_that_is_not_unicode_comes_back_as_it_was(tmp_path: Path) -> None:
    """A folder's name may be any bytes, and no text of a job or a receipt may keep the job from being known."""
    job = Job(replace(PROFILE, account=NOT_UNICODE), Entity.ADS, snapshot=NOT_UNICODE)
    escaped = Job(replace(PROFILE, account=NOT_UNICODE), Entity.ADS, snapshot=ascii(NOT_UNICODE)[1:-1])
    async with SqliteJournal(tmp_path) as journal:
        await journal.note(job, Committed(replace(RECEIPT, export_id=NOT_UNICODE, location=NOT_UNICODE)))
        await journal.note(escaped, Intended())
        known = await journal.recall([job, escaped])
    assert (known[job.key].export_id, known[escaped.key].export_id) == (NOT_UNICODE, "")
    (row,) = read(tmp_path, snapshot=NOT_UNICODE)
    assert (row["location"], row["account"], row["export_id"]) == (NOT_UNICODE,) * 3
    assert [label.committed for label in tally(tmp_path, kept_since=0.0)] == [1, 0]


MISFITS = [
    pytest.param({"rows": 2**70}, "no finite number of 64 bits", id="more rows than 64 bits count"),
    pytest.param({"rows": float("nan")}, "rows is no finite number", id="NaN rows"),
    pytest.param({"rows": "many"}, "rows is no finite number", id="rows that are text"),
    pytest.param({"rows": None}, "NOT NULL", id="no rows"),
    pytest.param({"location": Path("exports")}, "location is no text", id="a location that is no text"),
    pytest.param({"export_id": None}, "export_id is no text", id="no export id"),
]


@pytest.mark.parametrize(("values", "why"), MISFITS)
async def test_a_note_that_does_not_fit_fails_alone(tmp_path: Path, values: dict[str, Any], why: str) -> None:
    """Notes share a transaction and no fate: the others are kept, the journal is not called damaged and can be read."""
    jobs = [Job(PROFILE, Entity.ADS, snapshot=str(at)) for at in range(5)]
    notes: list[Note] = [Requested("export-1")] * 5
    notes[2] = Committed(replace(RECEIPT, **values))
    async with SqliteJournal(tmp_path) as journal:
        told = await asyncio.gather(*map(journal.note, jobs, notes), return_exceptions=True)
    misfit = told.pop(2)
    assert told == [None] * 4
    assert type(misfit) is StateError
    assert f"{FILE}: a note does not fit" in str(misfit)
    assert why in str(misfit)
    assert [row["snapshot"] for row in read(tmp_path)] == ["0", "1", "3", "4"]


class Writer(sqlite3.Connection):
    """A connection on which something happens to the writer before it writes, once."""

    events: ClassVar[list[Callable[[], None]]] = []

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        """Execute, unless what happens is an error."""
        if "insert" in sql and self.events:
            self.events.pop()()
        return super().execute(sql, *values)


class Held:
    """What holds the writer's thread until a test lets it go, to an error where one is given."""

    def __init__(self, error: BaseException | None = None) -> None:
        self._error = error
        self._reached, self._released = threading.Event(), threading.Event()

    def __call__(self) -> None:
        """Wait in the writer's thread."""
        self._reached.set()
        assert self._released.wait(30)
        if self._error is not None:
            raise self._error

    async def reached(self) -> None:
        """Wait until the writer's thread is held."""
        assert await asyncio.to_thread(self._reached.wait, 30)

    def release(self) -> None:
        """Let the writer's thread go."""
        self._released.set()


class Gone(BaseException):
    """What is no Exception, and is handed on as it is."""


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """Let journals write through a connection on which these happen."""

    def connected(path: Path) -> Writer:
        connection = sqlite3.connect(path, check_same_thread=False, factory=Writer)
        connection.text_factory = as_text
        return connection

    monkeypatch.setattr(journal_file, "connect", connected)
    monkeypatch.setattr(Writer, "events", [])
    return Writer.events


async def early_and_late(journal: SqliteJournal, held: Held) -> list[asyncio.Task[None]]:
    """Return two notes that wait: one in the hands of the writer, which is held, and one that came since."""
    early = asyncio.create_task(journal.note(JOB, Intended()))
    await held.reached()
    late = asyncio.create_task(journal.note(JOB, Requested("export-1")))
    await asyncio.sleep(0)
    return [early, late]


async def test_a_writer_that_fails_tells_all_who_wait_and_goes_on(
    tmp_path: Path, events: list[Callable[[], None]]
) -> None:
    """What is short for a moment leaves no job waiting without end, and the next note is written."""
    async with SqliteJournal(tmp_path) as journal:
        held = Held(MemoryError("none left"))
        events.append(held)
        waiting = await early_and_late(journal, held)
        held.release()
        async with asyncio.timeout(30):
            early, late = await asyncio.gather(*waiting, return_exceptions=True)
    assert type(early) is StateError
    assert "the journal was not written (MemoryError('none left'))" in str(early)
    assert late is None
    assert [row["state"] for row in read(tmp_path)] == ["requested"]


class Exhausted(ThreadPoolExecutor):
    """An executor on a machine that gives no more threads."""

    def submit(self, *_work: Any, **_named: Any) -> Future[Any]:
        """Fail as the standard library does."""
        raise RuntimeError("can't start new thread")


async def test_a_writer_without_a_thread_tells_all_who_wait(tmp_path: Path) -> None:
    """A thread that cannot be started is an error of the note, not a wait without end."""
    async with SqliteJournal(tmp_path) as journal:
        while pumps().are_running:  # noqa: ASYNC110  it ends by itself, and tells nobody
            await asyncio.sleep(0)
        asyncio.get_running_loop().set_default_executor(Exhausted())
        async with asyncio.timeout(30):
            with pytest.raises(StateError, match="can't start new thread"):
                await journal.note(JOB, Intended())


async def test_what_is_no_exception_reaches_all_who_wait_as_it_is(
    tmp_path: Path, events: list[Callable[[], None]]
) -> None:
    """Those whose notes are being written learn of it, and those whose notes came since."""
    journal, held = await SqliteJournal(tmp_path).__aenter__(), Held(gone := Gone())
    events.append(held)
    waiting = await early_and_late(journal, held)
    held.release()
    async with asyncio.timeout(30):
        told = await asyncio.gather(*waiting, return_exceptions=True)
        await journal.note(JOB, Requested("export-2"))
    await journal.__aexit__(None, None, None)
    assert [error is gone for error in told] == [True, True]
    assert [row["export_id"] for row in read(tmp_path)] == ["export-2"]


async def test_a_writer_that_is_cancelled_tells_all_who_wait(tmp_path: Path, events: list[Callable[[], None]]) -> None:
    """Who cancels every task of a loop leaves nobody waiting for a note."""
    journal, held = await SqliteJournal(tmp_path).__aenter__(), Held()
    events.append(held)
    waiting = await early_and_late(journal, held)
    assert journal._writing is not None
    journal._writing.cancel()
    held.release()
    async with asyncio.timeout(30):
        await asyncio.wait(waiting)
    assert [task.cancelled() for task in waiting] == [True, True]
    with pytest.raises(asyncio.CancelledError):
        await journal.__aexit__(None, None, None)


async def test_old_jobs_are_forgotten(tmp_path: Path) -> None:
    """The file does not grow for ever."""
    assert await known_after(tmp_path, Committed(RECEIPT), later=KEPT_SECONDS - 1) is not None
    assert await known_after(tmp_path / "2", Committed(RECEIPT), later=KEPT_SECONDS + 1) is None


async def test_the_file_is_for_us_only(tmp_path: Path) -> None:
    """Nobody else reads which profiles are managed, whatever the umask says."""
    await known_after(tmp_path / "state", Intended())
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "state" / FILE).stat().st_mode) == 0o600


class Dying(sqlite3.Connection):
    """A connection whose process is killed before a statement."""

    before = ""

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        """Execute, or die."""
        if self.before in sql:
            self.close()
            raise sqlite3.OperationalError("killed")
        return super().execute(sql, *values)


@pytest.mark.parametrize("statement", ["create table", "application_id =", "user_version =", "journal_mode"])
async def test_a_run_that_was_killed_while_it_made_the_journal_leaves_one_that_can_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    """The table and the marks that say whose it is come into being together."""
    with monkeypatch.context() as patch:
        patch.setattr(Dying, "before", statement)
        patch.setattr(journal_file, "connect", Dying)
        with pytest.raises(StateError):
            await SqliteJournal(tmp_path).__aenter__()
    assert (read(tmp_path), tally(tmp_path, kept_since=0.0)) == ([], [])
    assert await known_after(tmp_path, Intended()) is not None


async def test_jobs_are_read_by_label_and_by_state(tmp_path: Path) -> None:
    """What a person asks about is found without reading all that is remembered."""
    other = Job(PROFILE, Entity.ADS, snapshot="other")
    async with SqliteJournal(tmp_path) as journal:
        await journal.note(JOB, Committed(RECEIPT))
        await journal.note(other, Requested("export-2"))
    assert [row["snapshot"] for row in read(tmp_path)] == ["night", "other"]
    assert [row["rows"] for row in read(tmp_path, snapshot="night")] == [7]
    assert [row["export_id"] for row in read(tmp_path, state="requested")] == ["export-2"]
    assert read(tmp_path, snapshot="night", state="requested") == []


async def test_labels_are_counted_by_state(tmp_path: Path) -> None:
    """What can still be collected is what was asked for within a day and is not committed."""
    wall = Wall()
    jobs = [Job(PROFILE, entity, snapshot="night") for entity in Entity]
    async with SqliteJournal(tmp_path, wall=wall) as journal:
        await journal.note(Job(PROFILE, Entity.ADS, snapshot="later"), Intended())
        for job in jobs[:3]:
            await journal.note(job, Requested("export-1"))
            wall.now += 10.0
        await journal.note(jobs[2], Dropped(ConnectionLost("x"), keep=True))
        await journal.note(jobs[3], Committed(RECEIPT))
        wall.now += 10.0
        await journal.note(Job(PROFILE, Entity.ADS, snapshot="later"), Dropped(ExportFailed("x"), keep=False))
    began = 1_000_000.0
    assert tally(tmp_path, kept_since=began) == [
        LabelCount("night", 1, 1, 2, 0, in_parts=0, collectable=2, oldest_at=began, noted_at=began + 30),
        LabelCount("later", 0, 1, 0, 0, in_parts=0, collectable=0, oldest_at=None, noted_at=began + 40),
    ]


async def test_a_journal_is_read_while_a_run_writes_it(tmp_path: Path) -> None:
    """Looking needs no lock and holds nobody up."""
    async with SqliteJournal(tmp_path) as journal:
        await journal.note(JOB, Intended())
        assert [row["state"] for row in read(tmp_path)] == ["intended"]
        await journal.note(JOB, Requested("export-1"))
        assert [row["state"] for row in read(tmp_path)] == ["requested"]


@pytest.mark.parametrize(("column", "value"), [("error", b"\xff"), ("asked_at", "soon"), ("noted_at", float("inf"))])
async def test_a_journal_that_holds_what_a_journal_never_holds_is_refused(
    tmp_path: Path, column: str, value: object
) -> None:
    """SQLite keeps any type in any column; a person must not meet it."""
    await known_after(tmp_path, Requested("export-1"))
    with closing(sqlite3.connect(tmp_path / FILE)) as connection, connection:
        connection.execute(f"update job set {column} = ?", (value,))  # noqa: S608
    with pytest.raises(StateCorrupt, match="never holds"):
        read(tmp_path)


def foreign(path: Path) -> None:
    """Write another program's database."""
    with sqlite3.connect(path) as connection:
        connection.execute("create table t (x)")
    connection.close()


def newer(path: Path) -> None:
    """Write a journal of a later version."""
    with sqlite3.connect(path) as connection:
        connection.execute(f"pragma application_id = {journal_file.APPLICATION_ID}")
        connection.execute("pragma user_version = 99")
        connection.execute("create table job (x)")
    connection.close()


def damaged(path: Path) -> None:
    """Write something that is no database."""
    path.write_bytes(b"SQLite format 3\0" + b"nonsense" * 1000)


@pytest.mark.parametrize("spoil", [foreign, newer, damaged])
async def test_an_unusable_journal_is_refused_with_its_path_and_the_way_out(tmp_path: Path, spoil: object) -> None:
    """Nothing is guessed out of a file that is not ours; --rebuild puts it aside and begins anew."""
    assert callable(spoil)
    spoil(tmp_path / FILE)
    with pytest.raises(StateCorrupt, match=rf"{FILE} cannot be used: .*--rebuild"):
        await SqliteJournal(tmp_path).__aenter__()
    with pytest.raises(StateCorrupt):
        read(tmp_path)
    async with SqliteJournal(tmp_path, rebuild=True) as journal:
        await journal.note(JOB, Intended())
    assert (tmp_path / f"{FILE}.unusable-0").exists()
    assert [row["state"] for row in read(tmp_path)] == ["intended"]


async def test_a_file_that_only_lacks_our_mark_is_refused(tmp_path: Path) -> None:
    """Another program may have a table of the same form; what is not marked as ours is not written to."""
    await known_after(tmp_path, Intended())
    with closing(sqlite3.connect(tmp_path / FILE)) as connection, connection:
        connection.execute("pragma application_id = 1")
    with pytest.raises(StateCorrupt, match="no journal of asyncexport"):
        await SqliteJournal(tmp_path).__aenter__()


async def test_damage_that_only_a_check_of_the_whole_file_finds_is_refused(tmp_path: Path) -> None:
    """A journal that still opens and answers is checked before a run relies on it."""
    await known_after(tmp_path, Intended())
    rewrite = "update sqlite_master set sql = replace(sql, ?, ?) where name = 'job'"
    for statement, values in (
        (rewrite, ("not null", "")),
        ("update job set error = null", ()),
        (rewrite, ("error text ", "error text not null")),
    ):
        with closing(sqlite3.connect(tmp_path / FILE)) as connection, connection:
            connection.execute("pragma writable_schema = on")
            connection.execute(statement, values)
    with pytest.raises(StateCorrupt, match="it is damaged"):
        await SqliteJournal(tmp_path).__aenter__()


async def test_rebuild_keeps_a_journal_that_is_well(tmp_path: Path) -> None:
    """What can be used is not thrown away."""
    await known_after(tmp_path, Requested("export-1"))
    async with SqliteJournal(tmp_path, rebuild=True, wall=Wall()) as journal:
        assert (await journal.recall([JOB]))[JOB.key].export_id == "export-1"


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_a_mutated_journal_is_refused_or_read_but_never_a_crash(tmp_path: Path, data: st.DataObject) -> None:
    """The file is input: any change of its bytes ends in a typed error or in facts of the right types."""
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    await known_after(folder, Requested("export-1"))
    file = folder / FILE
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(content)
    try:
        async with SqliteJournal(folder) as journal:
            for known in (await journal.recall([JOB])).values():
                assert isinstance(known.export_id, str)
                assert isinstance(known.age_seconds, float)
            await journal.note(JOB, Intended())
    except StateError as error:
        assert str(folder) in str(error)  # noqa: PT017  either outcome is right


async def test_an_unusable_folder_is_told(tmp_path: Path) -> None:
    """A file in the way, a link, a folder nobody may write."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="choose another state_dir"):
        await SqliteJournal(tmp_path / "file").__aenter__()
    (tmp_path / "elsewhere").write_text("")
    (tmp_path / FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StateError):
        await SqliteJournal(tmp_path).__aenter__()


def test_a_folder_that_cannot_be_looked_into_is_told() -> None:
    """A path that the system refuses is an error with its name in it, not a journal that is not there."""
    with pytest.raises(StateError, match=r"xxx.*choose another state_dir"):
        read("x" * 300)


async def test_a_disk_that_fills_up_is_told_as_such(tmp_path: Path) -> None:
    """The note fails, typed, and the journal stays usable."""
    async with SqliteJournal(tmp_path) as journal:
        assert journal._connection is not None
        journal._connection.execute("pragma max_page_count = 8")
        with pytest.raises(DiskFull, match="no space left for the journal"):
            for at in range(1000):
                await journal.note(Job(PROFILE, Entity.ADS, snapshot=f"{at:0200}"), Intended())
        journal._connection.execute("pragma max_page_count = 100000")
        await journal.note(JOB, Intended())


async def test_a_journal_that_is_not_open_says_so(tmp_path: Path) -> None:
    """Misuse is an error, not a note that is lost."""
    with pytest.raises(StateError, match="not open"):
        await SqliteJournal(tmp_path).note(JOB, Intended())
    async with SqliteJournal(tmp_path) as journal:
        await journal.note(JOB, Intended())
    with pytest.raises(StateError, match="not open"):
        await journal.note(JOB, Intended())
    assert repr(journal) == f"<SqliteJournal {tmp_path / FILE}>"


async def test_a_run_without_a_state_folder_knows_and_keeps_nothing(tmp_path: Path) -> None:
    """The null journal answers like one that is empty."""
    await NoJournal().note(JOB, Intended())
    assert await NoJournal().recall([JOB]) == {}
    assert await NoJournal().habits([JOB]) == {}
    assert read(tmp_path) == []


def descriptors() -> set[str]:
    """Return what this process has open."""
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


async def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    """Opening and closing a thousand times would end in EMFILE otherwise."""
    await known_after(tmp_path, Intended())
    before = descriptors()
    await known_after(tmp_path, Intended())
    (tmp_path / "bad").mkdir()
    damaged(tmp_path / "bad" / FILE)
    with pytest.raises(StateCorrupt):
        await SqliteJournal(tmp_path / "bad").__aenter__()
    assert descriptors() == before
