"""Rows handed to a function: in order, with backpressure, and its failure is its own job's."""

from __future__ import annotations

import asyncio
import pickle

import pytest

from asyncexport.batch import Batch
from asyncexport.emulator.server import EmulatorServer
from asyncexport.errors import SinkError
from asyncexport.models import Entity, Exported, Failed, Receipt, TransferOrder
from asyncexport.ports import Travels, WantsRows
from asyncexport.sinks import Callback, Null
from tests.engine.pulling import exporter, planned, pulled
from tests.sinks.support import BATCHES, TEXT, order, part_of, store


class Taking:
    """A function that keeps what it is given; with ``fail`` it raises for exports of that entity."""

    def __init__(self, fail: Entity | None = None) -> None:
        self.fail = fail
        self.given: list[tuple[TransferOrder, Batch]] = []
        self.committed: list[Receipt] = []

    async def take(self, order: TransferOrder, batch: Batch) -> None:
        if order.job.entity is self.fail:
            raise ZeroDivisionError("my own fault")
        self.given.append((order, batch))

    async def commit(self, order: TransferOrder, receipt: Receipt) -> None:
        assert order.export_id == receipt.export_id
        self.committed.append(receipt)


async def take(order: TransferOrder, batch: Batch) -> None:
    """Do nothing, at a place that a pickle can name."""


async def test_every_batch_is_handed_on_with_its_order() -> None:
    """In order; the receipt counts and hashes the text as a sink that stores nothing does."""
    taking = Taking()
    receipt = await store(Callback(taking.take, committed=taking.commit), part_of(1))
    assert taking.given == [(part_of(1), batch) for batch in BATCHES]
    assert taking.committed == [receipt]
    plain = await store(Null(), part_of(1))
    assert (receipt.rows, receipt.bytes, receipt.sha256) == (plain.rows, len(TEXT), plain.sha256)
    assert receipt.location == "callback:campaigns/night/123/part-1"


async def test_who_wants_rows_alone_has_no_digest_of_their_text() -> None:
    """Making the text, only to hash it, would take as long as the rows."""
    taking = Taking()
    sink = Callback(taking.take, wants_rows=True)
    receipt = await store(sink)
    assert (receipt.rows, receipt.bytes, receipt.sha256) == (3, 0, "")
    assert isinstance(sink, WantsRows)
    assert (sink.wants_rows, Callback(take).wants_rows) == (True, False)


async def test_nothing_is_found_again() -> None:
    """Nothing is kept, so each run hands on what it is asked for."""
    sink = Callback(take)
    await store(sink)
    assert await sink.find(order()) is None


async def test_a_slow_function_is_waited_for() -> None:
    """No batch is taken while the one before it is still with the function."""
    may_go, given = asyncio.Event(), []

    async def slow(_order: TransferOrder, batch: Batch) -> None:
        given.append(batch)
        await may_go.wait()

    storing = asyncio.create_task(store(Callback(slow)))
    for _ in range(5):
        await asyncio.sleep(0)
    assert given == [BATCHES[0]]
    may_go.set()
    assert (await storing).rows == 3
    assert given == list(BATCHES)


async def test_an_export_that_is_not_whole_is_not_told_as_committed() -> None:
    """The rows of a download that breaks have been handed on; that they were all is never said."""
    taking = Taking()
    with pytest.raises(ZeroDivisionError):
        async with Callback(taking.take, committed=taking.commit).open(order()) as writer:
            await writer.write(BATCHES[0])
            raise ZeroDivisionError
    assert (len(taking.given), taking.committed) == (1, [])


@pytest.mark.emulator(profiles=2, accounts=1)
async def test_what_it_raises_fails_that_job_alone(emulator: EmulatorServer) -> None:
    """As a typed error that names the function's own; the other jobs are exported."""
    taking = Taking(fail=Entity.ADS)
    async with exporter(emulator) as pulling:
        outcomes = await pulled(pulling, await planned(pulling), Callback(taking.take))
    failed = [each for each in outcomes if isinstance(each, Failed)]
    assert {each.job.entity for each in failed} == {Entity.ADS}
    assert all(type(each.error) is SinkError for each in failed)
    assert {str(each.error) for each in failed} == {"Callback raised ZeroDivisionError: my own fault"}
    rows = sum(each.receipt.rows for each in outcomes if isinstance(each, Exported))
    assert rows == sum(batch.count for _, batch in taking.given)


async def test_a_commit_that_it_refuses_fails_the_job() -> None:
    """There is no receipt then."""

    async def refuse(_order: TransferOrder, _receipt: Receipt) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store(Callback(take, committed=refuse))


def test_it_stays_in_the_callers_process() -> None:
    """Pickled or not: another process has other objects under the function's hands."""
    sink = Callback(take)
    assert pickle.loads(pickle.dumps(sink)) == sink  # noqa: S301 - our own bytes
    assert not isinstance(sink, Travels)
