"""The transaction around every writer."""

from __future__ import annotations

import asyncio
from typing import Final

import pytest

from asyncexport.batch import Batch
from asyncexport.errors import SinkError
from asyncexport.models import Evidence, Receipt
from asyncexport.sinks.base import Writer, transaction
from tests.sinks.support import BATCHES, order

EVIDENCE: Final = Evidence(99, "gzip", ("an oddity",))


class Recorder(Writer):
    """Remembers the steps; each can be made to fail."""

    def __init__(self, failing: str = "", failure: BaseException | None = None) -> None:
        super().__init__(order())
        self.steps: list[str] = []
        self.stored: list[Batch] = []
        self.failing = failing
        self.failure = failure or SinkError("no")

    def step(self, name: str) -> None:
        self.steps.append(name)
        if name == self.failing:
            raise self.failure

    async def _begin(self) -> None:
        self.step("begin")

    async def _store(self, batch: Batch) -> None:
        self.step("store")
        self.stored.append(batch)

    async def _commit(self, evidence: Evidence) -> Receipt:
        self.step("commit")
        return self._receipt_of(evidence, size=7, sha256="ab", location="here")

    def _discard(self) -> None:
        self.step("discard")


async def run(writer: Recorder) -> None:
    async with transaction(writer):
        for batch in BATCHES:
            await writer.write(batch)
        writer.seal(EVIDENCE)


async def test_a_sealed_block_commits() -> None:
    """Rows, evidence and order make the receipt."""
    writer = Recorder()
    await run(writer)
    assert writer.steps == ["begin", "store", "store", "commit"]
    assert writer.stored == list(BATCHES)
    assert writer.receipt == Receipt("export-1", 3, 7, "ab", "here", 99, "gzip", ("an oddity",), "2026-11-23T02:00:00Z")


async def test_without_a_seal_nothing_is_committed() -> None:
    """Leaving the block early by mistake is no success."""
    writer = Recorder()
    with pytest.raises(SinkError, match="never sealed"):
        async with transaction(writer):
            await writer.write(BATCHES[0])
    assert writer.steps == ["begin", "store", "discard"]


@pytest.mark.parametrize("failing", ["begin", "store", "commit"])
@pytest.mark.parametrize("failure", [SinkError("no"), asyncio.CancelledError(), KeyboardInterrupt()])
async def test_whatever_fails_is_discarded(failing: str, failure: BaseException) -> None:
    """An error or a cancellation at any step discards, and comes out as itself."""
    writer = Recorder(failing, failure)
    with pytest.raises(type(failure)):
        await run(writer)
    assert writer.steps[-2:] == [failing, "discard"]


async def test_an_error_of_the_caller_discards() -> None:
    """A sealed block that is left by an exception is not committed."""
    writer = Recorder()
    with pytest.raises(ZeroDivisionError):
        async with transaction(writer):
            writer.seal(EVIDENCE)
            raise ZeroDivisionError
    assert writer.steps == ["begin", "discard"]


async def test_a_failed_write_that_was_swallowed_is_not_committed() -> None:
    """Rows are missing, whatever the caller believes, and later writes do not heal it."""
    writer = Recorder("store")
    with pytest.raises(SinkError, match="rows are missing"):
        async with transaction(writer):
            with pytest.raises(SinkError, match="no"):
                await writer.write(BATCHES[0])
            writer.failing = ""
            await writer.write(BATCHES[1])
            writer.seal(EVIDENCE)
    assert writer.steps[-1] == "discard"


async def test_nothing_is_written_behind_the_seal() -> None:
    """The seal says that every row is there."""
    writer = Recorder()
    with pytest.raises(SinkError, match="after seal"):
        async with transaction(writer):
            writer.seal(EVIDENCE)
            await writer.write(BATCHES[0])


async def test_there_is_no_receipt_before_the_commit() -> None:
    """Asking too early is a typed error."""
    writer = Recorder()
    async with transaction(writer):
        writer.seal(EVIDENCE)
        with pytest.raises(SinkError, match="before the commit"):
            _ = writer.receipt


async def test_repr_says_how_far_it_is() -> None:
    """One line: job, part, state, rows."""
    writer, seen = Recorder(), []
    async with transaction(writer):
        seen.append(repr(writer))
        await writer.write(BATCHES[0])
        writer.seal(EVIDENCE)
        seen.append(repr(writer))
    assert [*seen, repr(writer)] == [
        "<Recorder campaigns of acme/EU/123 part 0 open, 0 rows>",
        "<Recorder campaigns of acme/EU/123 part 0 sealed, 2 rows>",
        "<Recorder campaigns of acme/EU/123 part 0 committed, 2 rows>",
    ]
