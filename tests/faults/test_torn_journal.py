"""The journal's files as a kill in the middle of an append leaves them: cut anywhere, they hold the first notes.

A note goes to the end of the write-ahead log; what a kill or a power loss cuts off it is a torn last append (C5).
"""

from __future__ import annotations

import shutil
from pathlib import Path

from asyncexport.accounts import Region
from asyncexport.adapters.journal import FILE, SqliteJournal, read
from asyncexport.models import Entity, Job, Profile, Receipt
from asyncexport.notes import Committed, Intended, Note, Requested

WAL = f"{FILE}-wal"
STEP = 257
"""Bytes from one cut to the next: sixteen cuts in each page."""
JOBS = tuple(Job(Profile("acme", Region.EU, str(number)), Entity.ADS, snapshot="night") for number in range(3))
NOTES: tuple[Note, ...] = (Intended(), Requested("export-1"), Committed(Receipt("export-1", 7, 70, "00", "exports/x")))


def states(folder: Path) -> list[tuple[str, str]]:
    """Return what is known of each job."""
    return sorted((row["profile_id"], row["state"]) for row in read(folder))


async def histories(folder: Path) -> list[list[tuple[str, str]]]:
    """Note everything, one note after the other, keep the files as they are then, return what was known after each."""
    async with SqliteJournal(folder / "live") as journal:
        known = [states(folder / "live")]
        for job in JOBS:
            for note in NOTES:
                await journal.note(job, note)
                known.append(states(folder / "live"))
        shutil.copytree(folder / "live", folder / "killed")
    return known


async def test_a_torn_last_append_is_as_if_it_had_not_been(tmp_path: Path) -> None:
    """Whatever length the log was cut to: the journal opens, and knows what was noted up to some moment, in order."""
    known = await histories(tmp_path)
    whole = (tmp_path / "killed" / WAL).read_bytes()
    moments = []
    for length in range(0, len(whole) + STEP, STEP):
        folder = tmp_path / f"{length}"
        folder.mkdir()
        shutil.copy(tmp_path / "killed" / FILE, folder)
        (folder / WAL).write_bytes(whole[:length])
        async with SqliteJournal(folder):
            moments.append(known.index(states(folder)))
    assert moments == sorted(moments)
    assert set(moments) == set(range(len(known)))
