"""Sinks without a disk: transactional like the others."""

from __future__ import annotations

import hashlib
import pickle

import pytest

from asyncexport.batch import Batch
from asyncexport.errors import ConfigError, SinkError
from asyncexport.models import Filters, Receipt
from asyncexport.ports import KeepsManifests, KeepsParts, Travels
from asyncexport.sansio.scheduling.splitting import split
from asyncexport.sinks import Memory, Null
from tests.sinks.support import BATCHES, PARTS, TEXT, order, part_of, store


async def test_committed_rows_can_be_read() -> None:
    """As text and as objects, under their job."""
    sink = Memory()
    receipt = await store(sink)
    assert sink.text(order().job) == TEXT
    assert [row["campaignId"] for row in sink.rows(order().job)] == ["1", "2", "3"]
    assert (receipt.rows, receipt.bytes, receipt.sha256) == (3, len(TEXT), hashlib.sha256(TEXT).hexdigest())
    assert receipt.location == "memory:campaigns/night/123/part-0"


async def test_the_receipt_is_found_by_job_and_part() -> None:
    """Not for another part, other filters or another account."""
    sink = Memory()
    receipt = await store(sink)
    assert await sink.find(order()) == receipt
    for other in (order(part=1), order(account="b"), order(filters=Filters(states=("ENABLED",)))):
        assert await sink.find(other) is None


async def test_parts_of_a_job_are_read_together() -> None:
    """In the order of the parts, not of the commits; all of them together answer the job."""
    sink = Memory()
    third = await store(sink, part_of(2), ())
    second = await store(sink, part_of(1), BATCHES[1:])
    assert await sink.find(order()) is None
    first = await store(sink, part_of(0), BATCHES[:1])
    assert sink.text(order().job) == TEXT
    assert await sink.find(order()) == Receipt.of_parts((first, second, third))
    assert [await sink.find(part_of(number)) for number in range(3)] == [first, second, third]


async def test_parts_that_are_left_over() -> None:
    """A job in fewer parts, or in one, leaves none of an earlier split; other jobs keep theirs."""
    sink = Memory()
    assert isinstance(sink, KeepsParts)
    for number in range(3):
        await store(sink, part_of(number))
    await store(sink, order(account="b"))
    await sink.settle(order().job, 2)
    assert await sink.find(part_of(1)) is not None
    assert await sink.find(part_of(2)) is None
    receipt = await store(sink)
    assert await sink.find(order()) == receipt
    assert await sink.find(part_of(1)) is None
    assert await sink.find(order(account="b")) is not None


async def test_new_parts_wait_beside_what_stands() -> None:
    """No reader meets them until the job is settled; then they are all there is."""
    sink = Memory()
    await store(sink)
    receipts = [await store(sink, part_of(number), BATCHES[:1]) for number in range(3)]
    assert sink.text(order().job) == TEXT
    assert [await sink.find(part_of(number)) for number in range(3)] == receipts
    await sink.settle(order().job, 3)
    assert await sink.find(order()) == Receipt.of_parts(receipts)
    assert sink.text(order().job) == 3 * BATCHES[0].text
    assert sink.waiting == {}


async def test_a_part_beside_others_that_stand_waits_too() -> None:
    """Rows count, not numbers: a part of what stands as another part is not seen beside it."""
    sink = Memory()
    for number in range(3):
        await store(sink, part_of(number))
    deeper = split(PARTS[0].filters, order().job.entity)
    await store(sink, part_of(3, (*PARTS, order(filters=deeper[1]).job)))
    assert len(sink.text(order().job)) == 3 * len(TEXT)


async def test_the_old_rows_are_the_answer_while_new_parts_are_missing() -> None:
    """Who looks for the job finds what stands, and what waits beside it goes."""
    sink = Memory()
    receipt = await store(sink)
    await store(sink, part_of(1))
    assert await sink.find(order()) == receipt
    assert await sink.find(part_of(1)) is None


async def test_new_parts_that_another_run_has_removed() -> None:
    """What would not be the whole job is not settled: the old rows stay alone."""
    sink = Memory()
    await store(sink)
    await store(sink, part_of(1))
    with pytest.raises(SinkError, match="have gone"):
        await sink.settle(order().job, 3)
    assert sink.text(order().job) == TEXT


async def test_new_parts_that_a_whole_export_overtakes() -> None:
    """A job that comes in one export again leaves nothing that waits."""
    sink = Memory()
    await store(sink)
    await store(sink, part_of(1))
    await store(sink)
    assert sink.waiting == {}


async def test_a_part_that_waits_under_other_filters() -> None:
    """It is no answer; where the one that stands is, the one that waits goes."""
    sink = Memory()
    receipt = await store(sink, part_of(0))
    deeper = order(filters=split(PARTS[0].filters, order().job.entity)[0]).job
    await store(sink, part_of(0, (deeper,)))
    assert await sink.find(part_of(0)) == receipt
    assert not any(sink.waiting.values())


async def test_a_part_that_is_lost_is_stored_at_once() -> None:
    """Beside parts that ask for other rows a part need not wait."""
    sink = Memory()
    await store(sink, part_of(0))
    receipt = await store(sink, part_of(1))
    assert await sink.find(part_of(1)) == receipt
    assert sink.waiting == {}


async def test_an_export_without_rows_is_committed() -> None:
    """No rows is an answer, and is found again."""
    sink = Memory()
    await store(sink, batches=())
    assert sink.rows(order().job) == []
    assert await sink.find(order()) is not None


async def test_a_failed_export_leaves_what_was_there() -> None:
    """Nothing is seen before the commit."""
    sink = Memory()
    await store(sink)
    with pytest.raises(ZeroDivisionError):
        async with sink.open(order()) as writer:
            await writer.write(Batch(b"{}\n", 1))
            raise ZeroDivisionError
    assert sink.text(order().job) == TEXT


async def test_manifests_are_kept() -> None:
    """Under a name that could be a file's."""
    sink = Memory()
    assert isinstance(sink, KeepsManifests)
    assert await sink.keep("run-1", b"{}") == "memory:_runs/run-1.json"
    assert sink.manifests == {"run-1": b"{}"}
    with pytest.raises(ConfigError):
        await sink.keep("../x", b"{}")


def test_it_can_be_pickled() -> None:
    """A copy starts from what was stored and is its own from then on."""
    assert pickle.loads(pickle.dumps(Memory())) == Memory()  # noqa: S301 - our own bytes
    assert not isinstance(Memory(), Travels)
    assert Null().travels
    assert repr(Memory()) == "Memory()"


async def test_null_counts_and_hashes_and_stores_nothing() -> None:
    """The receipt is what a sink of plain text would give; nothing is found."""
    receipt = await store(Null())
    assert (receipt.rows, receipt.bytes, receipt.sha256) == (3, len(TEXT), hashlib.sha256(TEXT).hexdigest())
    assert receipt.location == "null:campaigns/night/123/part-0"
    assert await Null().find(order()) is None


async def test_null_gives_up_quietly() -> None:
    """There is nothing to discard."""
    with pytest.raises(ZeroDivisionError):
        async with Null().open(order()):
            raise ZeroDivisionError
