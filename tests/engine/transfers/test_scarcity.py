"""Work that finds no descriptor left."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from asyncexport.emulator.server import EmulatorServer
from asyncexport.engine.transfers.scarcity import Scarcity
from asyncexport.errors import AsyncexportError, SinkError, TooManyOpenFiles
from asyncexport.models import Entity, Exported, Outcome
from asyncexport.sansio.pacing.backoff import Backoff
from asyncexport.sinks import JsonLines
from asyncexport.testing import FakeClock
from tests.engine.pulling import exporter, planned, pulled
from tests.engine.support import Events
from tests.sinks.support import FaultyFiles, tree


class Bench:
    """Work that fails with the errors given, one after the other, then succeeds."""

    def __init__(self, *errors: AsyncexportError, attempts: int = 10) -> None:
        self.clock = FakeClock()
        self.events = Events()
        self.began: list[float] = []
        self.places = 16
        self._errors = list(errors)
        self._backoff = Backoff(attempts=attempts)

    async def run(self) -> str:
        """Endure it."""
        scarcity = Scarcity(
            self._fewer, clock=self.clock, spread=lambda: 0.5, backoff=self._backoff, listener=self.events
        )
        return await scarcity.endured(self._work)

    async def _work(self) -> str:
        self.began.append(self.clock.now())
        if self._errors:
            raise self._errors.pop(0)
        return "done"

    def _fewer(self) -> None:
        self.places -= 1


async def test_work_that_finds_a_descriptor_in_the_end() -> None:
    """It is done again after delays that grow, with one place less each time, and somebody is told why."""
    bench = Bench(*[TooManyOpenFiles("m") for _ in range(3)])

    assert await bench.run() == "done"
    assert bench.began == [0.0, 0.5, 1.5, 3.5]
    assert bench.places == 13
    assert len(bench.events.of("oddity.noticed")) == 3


async def test_work_that_never_finds_one() -> None:
    """After as many attempts as the backoff allows the error comes out, which a later run gets over."""
    bench = Bench(*[TooManyOpenFiles("m") for _ in range(5)], attempts=4)

    with pytest.raises(TooManyOpenFiles) as caught:
        await bench.run()
    assert caught.value.temporary
    assert (len(bench.began), bench.places) == (4, 12)


async def test_any_other_error() -> None:
    """It comes out at once."""
    bench = Bench(SinkError("m"))

    with pytest.raises(SinkError):
        await bench.run()
    assert (len(bench.began), bench.places) == (1, 16)


async def _pulled(server: EmulatorServer, folder: Path, files: FaultyFiles) -> tuple[Outcome, Events]:
    events = Events()
    async with exporter(server, events) as pulling:
        jobs = (await planned(pulling, [Entity.CAMPAIGNS]))[:1]
        (outcome,) = await pulled(pulling, jobs, JsonLines(folder, files=files))
    return outcome, events


@pytest.mark.emulator(profiles=1, accounts=1)
async def test_any_operation_of_a_sink_without_a_descriptor(emulator: EmulatorServer, tmp_path: Path) -> None:
    """Wherever it happens the job is committed in the end, nothing is left open, and nothing is left half (C15)."""
    undisturbed = FaultyFiles()
    await _pulled(emulator, tmp_path / "undisturbed", undisturbed)
    expected = len(tree(tmp_path / "undisturbed"))

    for at in range(len(undisturbed.log)):
        files = FaultyFiles(at, errno.EMFILE)
        outcome, _ = await _pulled(emulator, tmp_path / str(at), files)
        assert isinstance(outcome, Exported), (undisturbed.log[at], outcome)
        assert not files.opened
        assert len(tree(tmp_path / str(at))) == expected


@pytest.mark.emulator(profiles=1, accounts=1)
async def test_what_is_committed_is_found_without_a_descriptor_at_first(
    emulator: EmulatorServer, tmp_path: Path
) -> None:
    """Nobody could look is not the same as nothing is there: the rows are not downloaded again (C15)."""
    await _pulled(emulator, tmp_path, FaultyFiles())
    undisturbed = FaultyFiles()
    await _pulled(emulator, tmp_path, undisturbed)
    opening = [at for at, (name, _) in enumerate(undisturbed.log) if name.startswith("open")]

    for at in opening:
        outcome, events = await _pulled(emulator, tmp_path, FaultyFiles(at, errno.ENFILE))
        assert isinstance(outcome, Exported)
        assert outcome.found
        assert events.of("transfer.started") == []
    assert len(opening) > 3
