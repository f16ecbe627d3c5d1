"""Rows handed straight to the caller."""

from __future__ import annotations

import asyncio
import gzip
import hashlib

import orjson
import pytest

from asyncexport import Entity, Exporter, Job, plan
from asyncexport.emulator.server import EmulatorServer
from asyncexport.errors import (
    ConnectionLost,
    ExportFailed,
    NotStarted,
    SinkError,
)
from asyncexport.events import JobFinished
from asyncexport.models import Exported, Limits
from asyncexport.testing import FakeClock, FakeTransport
from tests.engine.jobs.test_making import moody
from tests.engine.pulling import exporter, planned
from tests.engine.support import (
    ACCOUNT,
    JOB,
    ROWS,
    URL,
    Events,
    cut,
    export_response,
    token_response,
    true_text,
    whole,
)


async def test_batches_stream_one_export_and_store_nothing(emulator: EmulatorServer) -> None:
    """Rows come as objects, equal to the server's."""
    async with exporter(emulator) as pulling:
        jobs = [job for job in await planned(pulling, [Entity.TARGETS]) if true_text(emulator, job)]
        async with pulling.batches(jobs[0]) as batches:
            text = b"".join([batch.text async for batch in batches])
    assert text == true_text(emulator, jobs[0])


@pytest.mark.parametrize("text", [False, True])
async def test_batches_are_decoded_to_what_is_asked_for(text: bool) -> None:
    """And have the other too; who asks for text is told how much there was."""
    transport, events = scripted(whole()), Events()
    exporter = Exporter([ACCOUNT], transport=transport, clock=FakeClock(), listener=events)
    async with exporter, exporter.batches(JOB, text=text) as batches:
        found = [(batch._built is not None, batch.rows(), batch.text) async for batch in batches]
    lines = b"".join(orjson.dumps(row) + b"\n" for row in ROWS)
    assert any(built for built, _, _ in found) is not text
    assert [row for _, rows, _ in found for row in rows] == ROWS
    assert b"".join(spelt for _, _, spelt in found) == lines
    [finished] = events.of("job.finished")
    assert isinstance(finished, JobFinished)
    assert isinstance(finished.outcome, Exported)
    receipt = finished.outcome.receipt
    digest = hashlib.sha256(lines).hexdigest()
    assert (receipt.rows, receipt.bytes, receipt.sha256) == (50, *((len(lines), digest) if text else (0, "")))


@pytest.mark.emulator(weather="poll: fail-SOMETHING_NEW")
async def test_a_stream_that_fails_raises_in_the_loop(emulator: EmulatorServer) -> None:
    """There is no outcome to look at, so the error is raised where the rows are awaited."""
    async with exporter(emulator) as pulling:
        job = (await planned(pulling))[0]
        with pytest.raises(ExportFailed):
            async with pulling.batches(job) as batches:
                async for _ in batches:
                    pass


def scripted(*downloads: object) -> FakeTransport:
    """Return a transport for one export with these downloads."""
    return FakeTransport(
        token_response(),
        export_response("PROCESSING"),
        export_response("COMPLETED", url=URL),
        downloads=list(downloads),  # type: ignore[arg-type]
    )


async def test_a_stream_waits_for_its_caller_however_long_that_takes() -> None:
    """The time that a sink has is not for the caller of a stream, whose own code it is that waits."""
    large = gzip.compress(orjson.dumps(ROWS * 2000), mtime=0)
    clock = FakeClock()
    limits = Limits(sink_timeout=60.0)
    async with Exporter([ACCOUNT], transport=scripted(whole(large)), clock=clock, limits=limits) as pulling:
        got = 0
        async with pulling.batches(JOB) as batches:
            async for batch in batches:
                got += batch.count
                await clock.sleep(3600.0)
    assert got == 100_000
    assert clock.now() > 3 * 3600.0


async def test_a_stream_never_hands_out_a_row_twice() -> None:
    """A new beginning would repeat rows that the caller already has, so it is an error instead."""
    large = gzip.compress(orjson.dumps(ROWS * 200), mtime=0)
    transport = scripted(cut(len(large) - 9, ConnectionLost("gone"), large, etag=None), whole(large, etag=None))
    async with Exporter([ACCOUNT], transport=transport, clock=FakeClock()) as pulling:
        got = 0
        with pytest.raises(SinkError, match="rows had been handed out"):
            async with pulling.batches(JOB) as batches:
                async for batch in batches:
                    got += batch.count
    assert got > 0


async def test_a_stream_that_breaks_before_its_first_row_begins_again_unseen() -> None:
    """Nothing was handed out, so nothing can be repeated."""
    transport = scripted(cut(5, ConnectionLost("gone"), etag=None), whole(etag=None))
    async with Exporter([ACCOUNT], transport=transport, clock=FakeClock()) as pulling, pulling.batches(JOB) as batches:
        assert sum([batch.count async for batch in batches]) == 50


async def test_streams_that_wait_when_the_exporter_is_drained() -> None:
    """They raise: a loop that ended without an error would say that the export has no rows."""
    server = moody(profiles=3)
    limits = Limits(in_progress=1)
    async with Exporter(server.accounts(), transport=server, clock=server.clock, limits=limits) as pulling:
        jobs = plan(await pulling.profiles(), entities=[Entity.ADS], snapshot="night")

        async def stream(job: Job) -> int:
            async with pulling.batches(job) as batches:
                return sum([batch.count async for batch in batches])

        async def drain() -> None:
            await server.clock.sleep(1.0)
            pulling.drain()

        *met, _ = await asyncio.gather(*[stream(job) for job in jobs], drain(), return_exceptions=True)
    assert [type(end) for end in met] == [int, NotStarted, NotStarted]
    assert len(server.posts) == 1
