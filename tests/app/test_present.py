"""What is there already, told cheaply from records and the journal."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from asyncexport.adapters.journal import SqliteJournal
from asyncexport.app.present import Present, present
from asyncexport.batch import Batch
from asyncexport.models import Evidence, Job, SignedUrl, TransferOrder
from asyncexport.notes import Requested
from asyncexport.sansio.scheduling.splitting import split
from asyncexport.sinks import JsonLines
from tests.app.support import job

NOW = 1_800_000_000.0


@pytest.fixture
def sink(tmp_path: Path) -> JsonLines:
    return JsonLines(tmp_path / "exports", compression="none")


async def committed(sink: JsonLines, of: Job) -> Path:
    async with sink.open(TransferOrder(of, "e-1", SignedUrl(""))) as writer:
        await writer.write(Batch(b"{}\n", 1))
        writer.seal(Evidence(10, "gzip"))
    return Path(writer.receipt.location)


def looked(sink: JsonLines, *jobs: Job, state_dir: Path | None = None) -> Present:
    return present(jobs, sink, state_dir, now=NOW)


async def test_what_is_committed(sink: JsonLines) -> None:
    """A file is there whose record answers the job and whose size is the record's."""
    path = await committed(sink, job("1"))
    assert looked(sink, job("1"), job("2")) == Present(frozenset({job("1")}))
    path.write_bytes(b"")
    assert looked(sink, job("1")) == Present()


async def test_what_is_damaged(sink: JsonLines) -> None:
    """Without a record that can be read nothing is there."""
    path = await committed(sink, job("1"))
    record = path.with_name("_part-0.receipt.json")
    record.write_bytes(b"?")
    assert looked(sink, job("1")) == Present()
    record.unlink()
    assert looked(sink, job("1")) == Present()
    record.mkdir()
    path.unlink()
    assert looked(sink, job("1")) == Present()


async def test_a_job_in_parts(sink: JsonLines) -> None:
    """A job that was split is there when all its parts are."""
    whole = job("1")
    for number, filters in enumerate(split(whole.filters, whole.entity)):
        assert looked(sink, whole) == Present()
        async with sink.open(
            TransferOrder(replace(whole, filters=filters), "e-1", SignedUrl(""), part=number, split_from=whole)
        ) as writer:
            await writer.write(Batch(b"{}\n", 1))
            writer.seal(Evidence(10, "gzip"))
    assert looked(sink, whole) == Present(frozenset({whole}))


async def test_what_can_be_collected(sink: JsonLines, tmp_path: Path) -> None:
    """What the journal knows as asked for, and is not there, is counted."""
    async with SqliteJournal(tmp_path / "state", wall=lambda: NOW - 60.0) as journal:
        for each in (job("1"), job("2")):
            await journal.note(each, Requested("e-1"))
    await committed(sink, job("1"))
    found = await asyncio.to_thread(looked, sink, job("1"), job("2"), job("3"), state_dir=tmp_path / "state")
    assert found == Present(frozenset({job("1")}), 1)
