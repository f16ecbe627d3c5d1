"""The border to a sink: whose error is whose."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from asyncexport.batch import Batch
from asyncexport.engine.transfers.border import GuardedSink
from asyncexport.errors import DiskFull, SinkError, TooManyOpenFiles
from asyncexport.models import Evidence, Job, Receipt, TransferOrder
from asyncexport.ports import Sink, SinkWriter
from asyncexport.testing import FakeClock
from tests.engine.support import JOB, Events, Shelf, order

EVIDENCE = Evidence(1, "gzip")


class Faulty:
    """A sink that raises ``error`` at ``where``."""

    def __init__(self, where: str, error: Exception) -> None:
        self._where = where
        self._error = error

    def at(self, where: str) -> None:
        """Raise if it is here."""
        if where == self._where:
            raise self._error

    @asynccontextmanager
    async def open(self, order: TransferOrder) -> AsyncIterator[SinkWriter]:
        """Begin."""
        self.at("enter")
        yield _FaultyWriter(self, order)
        self.at("commit")

    async def find(self, order: TransferOrder) -> Receipt | None:
        """Look."""
        self.at("find")
        return Receipt(order.export_id, 0, 0, "", "")


class _FaultyWriter:
    def __init__(self, sink: Faulty, order: TransferOrder) -> None:
        self._sink = sink
        self._order = order

    async def write(self, batch: Batch) -> None:
        assert batch.count == 1
        self._sink.at("write")

    def seal(self, evidence: Evidence) -> None:
        assert evidence is EVIDENCE
        self._sink.at("seal")

    @property
    def receipt(self) -> Receipt:
        self._sink.at("receipt")
        return Receipt(self._order.export_id, 0, 0, "", "")


def guarded_sink(sink: Sink) -> GuardedSink:
    """Guard it, with plenty of time."""
    return GuardedSink(sink, clock=FakeClock(), seconds=600.0, listener=Events())


async def use(sink: Faulty) -> Receipt:
    """Go through every call of a sink."""
    guarded = guarded_sink(sink)
    assert await guarded.find(order()) is not None
    async with guarded.open(order()) as writer:
        await writer.write(Batch(b"{}\n", 1))
        writer.seal(EVIDENCE)
    return writer.receipt


@pytest.mark.parametrize("where", ["find", "enter", "write", "seal", "commit", "receipt"])
async def test_a_foreign_error_becomes_a_sink_error_with_its_cause(where: str) -> None:
    """Wherever a sink raises, it fails its own export as our error; secrets in its text are blanked."""
    with pytest.raises(SinkError, match="Faulty raised ValueError: no Atza\\|\\*\\*\\*") as caught:
        await use(Faulty(where, ValueError("no Atza|abc")))
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize("where", ["find", "enter", "write", "seal", "commit", "receipt"])
async def test_an_error_of_ours_passes_unchanged(where: str) -> None:
    """A sink that speaks our language is not translated."""
    error = DiskFull("full")
    with pytest.raises(DiskFull) as caught:
        await use(Faulty(where, error))
    assert caught.value is error


async def test_what_passes_through_the_block_is_not_the_sinks_fault() -> None:
    """An exception from inside the block leaves it as itself."""
    with pytest.raises(KeyError, match="mine"):
        async with guarded_sink(Faulty("nowhere", ValueError())).open(order()):
            raise KeyError("mine")


async def test_a_sink_without_faults_is_passed_through() -> None:
    """The border adds nothing."""
    assert (await use(Faulty("nowhere", ValueError()))).export_id == "export-1"


class Swallowing(Faulty):
    """A sink whose block swallows what passes through it."""

    @asynccontextmanager
    async def open(self, order: TransferOrder) -> AsyncIterator[SinkWriter]:
        """Begin."""
        with suppress(Exception):
            yield _FaultyWriter(self, order)


async def test_a_write_may_be_anything_that_can_be_awaited() -> None:
    """Not only a coroutine; what it comes to is the sink's own affair either way."""

    class Writer(_FaultyWriter):
        write: Any

        def __init__(self, sink: Faulty, order: TransferOrder) -> None:
            super().__init__(sink, order)
            self.write = lambda batch: asyncio.ensure_future(_FaultyWriter.write(self, batch))

    class Lending(Faulty):
        @asynccontextmanager
        async def open(self, order: TransferOrder) -> AsyncIterator[SinkWriter]:
            yield Writer(self, order)

    assert (await use(Lending("nowhere", ValueError()))).export_id == "export-1"
    with pytest.raises(SinkError, match="Lending raised ValueError"):
        await use(Lending("write", ValueError()))


async def test_a_sink_cannot_swallow_what_passes_through_its_block() -> None:
    """A failed transfer never looks like a whole one."""
    with pytest.raises(KeyError, match="mine"):
        async with guarded_sink(Swallowing("nowhere", ValueError())).open(order()):
            raise KeyError("mine")


async def test_a_sink_that_settles() -> None:
    """A sink that keeps parts apart is asked to remove those that are left over, guarded; another is not asked."""

    class Settling(Shelf):
        async def settle(self, job: Job, parts: int) -> None:
            raise LookupError(f"{parts} of {job.entity}")

    with pytest.raises(SinkError, match="Settling raised LookupError: 3 of campaigns"):
        await guarded_sink(Settling()).settle(JOB, 3)
    await guarded_sink(Shelf()).settle(JOB, 3)


async def test_a_sink_that_keeps_manifests() -> None:
    """A manifest is handed on, guarded; a sink that keeps none says so."""

    class Keeping(Shelf):
        async def keep(self, name: str, manifest: bytes) -> str:
            return f"{name}: {manifest.decode()}" if manifest else str(1 / 0)

    assert await guarded_sink(Keeping()).keep("run-1", b"{}") == "run-1: {}"
    with pytest.raises(SinkError, match="Keeping raised ZeroDivisionError"):
        await guarded_sink(Keeping()).keep("run-1", b"")
    with pytest.raises(SinkError, match=r"^Shelf keeps no manifests$"):
        await guarded_sink(Shelf()).keep("run-1", b"{}")


async def test_a_sink_that_finds_no_descriptor() -> None:
    """It is not the sink's fault, and passes by itself (C15)."""
    with pytest.raises(TooManyOpenFiles, match="Faulty: too many files") as caught:
        await guarded_sink(Faulty("find", OSError(errno.EMFILE, "m"))).find(order())
    assert isinstance(caught.value.__cause__, OSError)
