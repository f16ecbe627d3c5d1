"""The journal's second version: earlier ones are brought to it, and its table of habits is input like the other."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asyncexport.accounts import Region
from asyncexport.adapters.journal import FILE, HABITS_KEPT_SECONDS, LabelCount, SqliteJournal, read, tally
from asyncexport.adapters.journal import file as journal_file
from asyncexport.adapters.journal.splits import as_json, from_json
from asyncexport.errors import StateCorrupt, StateError
from asyncexport.models import STATES, Entity, Filters, Job, Profile, Receipt
from asyncexport.notes import Committed, Habit, Intended, Known, Requested, Split
from asyncexport.sansio.scheduling.splitting import split

NOW = 1_000_000.0
JOB = Job(Profile("acme", Region.EU, "1234567890"), Entity.ADS, snapshot="night")
RECEIPT = Receipt("export-1", rows=7, bytes=70, sha256="00", location="exports/x")
PARTS = split(JOB.filters, JOB.entity)

VERSION_1 = """
create table job (
    snapshot text not null, account text not null, region text not null, profile_id text not null,
    entity text not null, filters text not null,
    state text not null, export_id text not null, asked_at real not null, noted_at real not null,
    rows integer not null, location text not null, error text not null,
    primary key (snapshot, account, region, profile_id, entity, filters)
) without rowid
"""


@contextmanager
def database(folder: Path) -> Iterator[sqlite3.Connection]:
    """Change the file as another program would."""
    with closing(sqlite3.connect(folder / FILE)) as connection, connection:
        yield connection


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Return a state folder that the version before left: JOB was asked for."""
    with database(tmp_path) as connection:
        connection.execute(VERSION_1)
        connection.execute(f"pragma application_id = {journal_file.APPLICATION_ID}")
        connection.execute("pragma user_version = 1")
        values = (*JOB.key, "requested", "export-1", NOW, NOW, 0, "", "")
        connection.execute(f"insert into job values ({', '.join('?' * len(values))})", values)  # noqa: S608
    return tmp_path


def journal(folder: Path, now: float = NOW, *, rebuild: bool = False) -> SqliteJournal:
    """Return the journal of a folder."""
    return SqliteJournal(folder, wall=lambda: now, rebuild=rebuild)


def version(folder: Path) -> int:
    """Return the version that the file says it has."""
    with database(folder) as connection:
        return int(connection.execute("pragma user_version").fetchone()[0])


async def test_a_journal_of_the_version_before_goes_on(old: Path) -> None:
    """What was asked for is known, and from now on habits are kept."""
    async with journal(old, NOW + 60.0) as opened:
        assert await opened.recall([JOB]) == {JOB.key: Known("requested", "export-1", 60.0)}
        assert await opened.habits([JOB]) == {}
        await opened.note(JOB, Committed(RECEIPT, 12.0))
    async with journal(old, NOW + 60.0) as opened:
        assert (await opened.habits([JOB]))[JOB.subject].seconds == pytest.approx(12.0)


async def test_an_old_journal_and_a_new_one_have_the_same_tables(old: Path, tmp_path: Path) -> None:
    """No trace is left of where a journal comes from."""
    columns = {}
    for folder in (old, tmp_path / "new"):
        async with journal(folder):
            pass
        with database(folder) as connection:
            columns[folder] = [
                connection.execute(f"pragma table_info({table})").fetchall() for table in ("job", "habit")
            ]
    assert columns[old] == columns[tmp_path / "new"]


def test_an_old_journal_is_looked_at_and_left_as_it_is(old: Path) -> None:
    """A person may look before the first run of the new program; looking changes nothing."""
    before = (old / FILE).read_bytes()
    assert [(row["state"], row["whole"], row["part"]) for row in read(old, parts=True)] == [("requested", "", 0)]
    assert tally(old, kept_since=0.0) == [LabelCount("night", 0, 0, 1, 0, 0, 1, NOW, NOW)]
    assert ((old / FILE).read_bytes(), version(old)) == (before, 1)


class Dying(sqlite3.Connection):
    """A connection whose process is killed before a statement."""

    before = ""

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        """Execute, or die."""
        if self.before in sql:
            self.close()
            raise sqlite3.OperationalError("killed")
        return super().execute(sql, *values)


@pytest.mark.parametrize("statement", ["begin", "column split", "column part", "create table habit", "user_version ="])
async def test_a_run_that_was_killed_while_it_brought_a_journal_to_its_version(
    old: Path, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    """It is wholly of the version before, and the next run brings it to ours."""
    with monkeypatch.context() as patch:
        patch.setattr(Dying, "before", statement)
        patch.setattr(
            journal_file, "connect", lambda path: sqlite3.connect(path, factory=Dying, check_same_thread=False)
        )
        with pytest.raises(StateError):
            await journal(old).__aenter__()
    assert version(old) == 1
    async with journal(old) as opened:
        assert (await opened.recall([JOB]))[JOB.key].export_id == "export-1"


async def test_an_old_journal_that_is_damaged(old: Path) -> None:
    """It is refused as it is, before anything of it is changed."""
    with database(old) as connection:
        connection.execute("pragma writable_schema = on")
        connection.execute("update sqlite_master set sql = replace(sql, 'error text not null', 'error text')")
    with database(old) as connection:
        connection.execute("update job set error = null")
        connection.execute("pragma writable_schema = on")
        connection.execute("update sqlite_master set sql = replace(sql, 'error text', 'error text not null')")
    with pytest.raises(StateCorrupt, match="it is damaged"):
        await journal(old).__aenter__()
    assert version(old) == 1


@pytest.mark.parametrize("number", [0, -1, 3])
async def test_a_version_that_is_none_of_ours(old: Path, number: int) -> None:
    """A later program's journal is refused, with the way out, by runs and by who looks."""
    with database(old) as connection:
        connection.execute(f"pragma user_version = {number}")
    with pytest.raises(StateCorrupt, match=rf"version {number}, .* reads version 2.*--rebuild"):
        await journal(old).__aenter__()
    with pytest.raises(StateCorrupt):
        read(old)
    async with journal(old, rebuild=True) as opened:
        assert await opened.recall([JOB]) == {}


async def test_what_was_learned_is_forgotten_after_four_months(tmp_path: Path) -> None:
    """Jobs are forgotten long before, and profiles that are gone do not stay for ever."""
    async with journal(tmp_path) as opened:
        await opened.note(JOB, Committed(RECEIPT, 12.0))
    async with journal(tmp_path, NOW + HABITS_KEPT_SECONDS - 1) as opened:
        assert await opened.recall([JOB]) == {}
        assert JOB.subject in await opened.habits([JOB])
    async with journal(tmp_path, NOW + HABITS_KEPT_SECONDS + 1) as opened:
        assert await opened.habits([JOB]) == {}


async def test_a_note_and_what_it_teaches_are_one_transaction(tmp_path: Path) -> None:
    """Cut the log anywhere: a commit is known with its seconds, or neither is."""
    async with journal(tmp_path / "live") as opened:
        await opened.note(JOB, Intended())
        await opened.note(JOB, Committed(RECEIPT, 12.0))
        shutil.copytree(tmp_path / "live", tmp_path / "killed")
    whole = (tmp_path / "killed" / f"{FILE}-wal").read_bytes()
    seen = set()
    for length in range(0, len(whole) + 512, 512):
        folder = tmp_path / str(length)
        folder.mkdir()
        shutil.copy(tmp_path / "killed" / FILE, folder)
        (folder / f"{FILE}-wal").write_bytes(whole[:length])
        async with journal(folder) as later:
            states = [known.state for known in (await later.recall([JOB])).values()]
            seen.add((*states, len(await later.habits([JOB]))))
    assert seen == {(0,), ("intended", 0), ("committed", 1)}


HOSTILE = [
    ("log_seconds", "soon"),
    ("log_seconds", b"\xff"),
    ("log_seconds", 1e300),
    ("log_seconds", float("inf")),
    ("log_seconds", -50.0),
    ("nights", "many"),
    ("nights", -1),
    ("nights", 2**40),
    ("nights", 1.5),
    ("split", b"\xff\xfe"),
]


@pytest.mark.parametrize(("column", "value"), HOSTILE, ids=map(str, range(len(HOSTILE))))
async def test_a_habit_that_holds_what_habits_never_hold(tmp_path: Path, column: str, value: object) -> None:
    """It is a hint: it counts as nothing learned or is refused as damage, and the next night's note takes its place."""
    async with journal(tmp_path) as opened:
        await opened.note(JOB, Committed(RECEIPT, 12.0))
    with database(tmp_path) as connection:
        connection.execute(f"update habit set {column} = ?", (value,))  # noqa: S608
    async with journal(tmp_path) as opened:
        assert await opened.habits([JOB]) == {JOB.subject: Habit()}
        await opened.note(JOB, Committed(RECEIPT, 30.0))
        assert (await opened.habits([JOB]))[JOB.subject].seconds == pytest.approx(30.0)


def parts_text(*parts: Filters) -> str:
    """Return parts as the journal keeps them."""
    return as_json(parts)


NO_PARTS = {
    "nothing": "",
    "no JSON": "[[",
    "no list": '{"ad_products": []}',
    "an empty list": "[]",
    "a number": "7",
    "too few attributes": '[[["SPONSORED_PRODUCTS"], ["ENABLED"]]]',
    "words that are none": parts_text(*PARTS).replace('"ENABLED"', "1"),
    "one word where several are meant": parts_text(*PARTS).replace('["SPONSORED_PRODUCTS"]', '"SPONSORED_PRODUCTS"'),
    "no word left": parts_text(*PARTS).replace('["SPONSORED_PRODUCTS"]', "[]"),
    "a part is missing": parts_text(*PARTS[:-1]),
    "a part twice": parts_text(*PARTS, PARTS[0]),
    "parts that overlap": parts_text(*PARTS[:2], replace(PARTS[2], ad_products=JOB.filters.ad_products[1:])),
    "a part with more than the job": parts_text(*PARTS[:2], replace(PARTS[2], states=(*STATES, "SECRET"))),
    "the job itself": parts_text(JOB.filters),
    "deep nesting": "[" * 100_000,
    "a huge text": parts_text(*PARTS) + " " * (1 << 20),
    "a huge number": "[" + "9" * 5000 + "]",
}


@pytest.mark.parametrize("text", NO_PARTS.values(), ids=NO_PARTS)
def test_parts_that_are_not_exactly_the_job(text: str) -> None:
    """They would lose rows or double them: the job is taken as one that is not split."""
    assert from_json(text, JOB) == ()


def test_parts_come_back_as_they_were() -> None:
    """Also those of targets, with all their attributes, cut as far as can be."""
    targets = replace(JOB, entity=Entity.TARGETS)
    parts = [targets.filters]
    for _ in range(5):
        parts = [each for part in parts for each in split(part, Entity.TARGETS) or (part,)]
    assert len(parts) == 288
    assert from_json(as_json(parts), targets) == tuple(parts)
    assert json.loads(as_json(parts[:1])) == [
        [["SPONSORED_PRODUCTS"], ["ENABLED"], ["AUTO"], ["AD_GROUP"], [False]],
    ]


@pytest.mark.parametrize("parts", [(), PARTS[:1], (JOB.filters, PARTS[0])], ids=["none", "one", "the job itself"])
async def test_a_split_that_is_none(tmp_path: Path, parts: tuple[Filters, ...]) -> None:
    """It is refused, and what is known of the job stays."""
    async with journal(tmp_path) as opened:
        await opened.note(JOB, Requested("export-1"))
        with pytest.raises(StateError, match="does not fit"):
            await opened.note(JOB, Split(parts))
        assert (await opened.recall([JOB]))[JOB.key].state == "requested"
        assert await opened.habits([JOB]) == {}


async def test_parts_are_no_jobs(tmp_path: Path) -> None:
    """A job in parts counts once, its parts only as exports that can be collected; who asks for parts gets them."""
    async with journal(tmp_path) as opened:
        await opened.note(JOB, Split(PARTS))
        for filters in PARTS[:2]:
            await opened.note(replace(JOB, filters=filters), Requested("export-2"))
    assert tally(tmp_path, kept_since=0.0) == [LabelCount("night", 0, 0, 0, 0, 1, 2, NOW, NOW)]
    assert [label.jobs for label in tally(tmp_path, kept_since=0.0)] == [1]
    assert [row["state"] for row in read(tmp_path)] == ["split"]
    rows = {row["part"]: (row["state"], row["whole"]) for row in read(tmp_path, parts=True) if row["whole"]}
    fingerprint = JOB.filters.fingerprint
    assert rows == {0: ("requested", fingerprint), 1: ("requested", fingerprint), 2: ("waiting", fingerprint)}


async def test_exports_of_parts_whose_job_is_committed(tmp_path: Path) -> None:
    """There is nothing left to collect, whatever the last note of a part was."""
    async with journal(tmp_path) as opened:
        await opened.note(JOB, Split(PARTS))
        await opened.note(replace(JOB, filters=PARTS[0]), Requested("export-2"))
        await opened.note(JOB, Committed(Receipt.of_parts([RECEIPT] * len(PARTS))))
    assert tally(tmp_path, kept_since=0.0) == [LabelCount("night", 1, 0, 0, 0, 0, 0, None, NOW)]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_a_mutated_journal_with_habits_is_refused_or_read(tmp_path: Path, data: st.DataObject) -> None:
    """Any change of its bytes ends in a typed error, or in parts that are the whole job and times that make sense."""
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    async with journal(folder) as opened:
        await opened.note(JOB, Committed(RECEIPT, 12.0))
        await opened.note(JOB, Split(PARTS))
    content = bytearray((folder / FILE).read_bytes())
    filled = [at for at, byte in enumerate(content) if byte]
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.sampled_from(filled))] = data.draw(st.integers(0, 255))
    (folder / FILE).write_bytes(content)
    try:
        async with journal(folder) as opened:
            habits, known = await opened.habits([JOB]), await opened.recall([JOB])
            await opened.note(JOB, Committed(RECEIPT, 12.0))
    except StateError as error:
        assert str(folder) in str(error)  # noqa: PT017  either outcome is right
        return
    habit = habits.get(JOB.subject, Habit())
    assert habit.seconds is None or 1e-5 < habit.seconds < 86_401.0
    assert habit.split in ((), PARTS) or {each.states for each in habit.split} == {STATES}
    assert all(isinstance(each.age_seconds, float) for each in known.values())
