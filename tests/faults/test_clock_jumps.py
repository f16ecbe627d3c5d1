"""The clock on the wall jumps by years while a run goes on, and between two runs: nothing is lost or refused for it.

Waits and deadlines are measured on the monotonic clock, and ages of URLs on the server's own ``Date``; the wall decides
only whether an export is young enough to be collected, of which the server has the last word (C13).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from asyncexport import Exported, Exporter, Outcome, Summary, plan
from asyncexport.adapters.journal import SqliteJournal
from asyncexport.emulator.server import EmulatorServer
from asyncexport.sinks import JsonLines
from asyncexport.sinks.files.codecs import zstd
from tests.engine.support import true_text

DECADE = 10 * 365 * 86_400.0


def jumping(seed: int) -> Callable[[], float]:
    """Return a clock that shows another year each time it is read."""
    rng = Random(f"wall/{seed}")
    return lambda: 1_800_000_000.0 + rng.uniform(-DECADE, DECADE)


async def night(server: EmulatorServer, folder: Path) -> tuple[list[Outcome], Summary]:
    """Pull everything."""
    async with Exporter(server.accounts(), state_dir=folder / "state") as exporter:
        jobs = plan(await exporter.profiles(), snapshot="night")
        async with exporter.run(jobs, sink=JsonLines(folder / "exports")) as running:
            outcomes = [outcome async for outcome in running]
        return outcomes, exporter.summary


def stored(outcome: Exported) -> bytes:
    """Return the rows that were committed."""
    return zstd.decompress(Path(outcome.receipt.location).read_bytes())


@pytest.mark.parametrize("seed", range(3))
async def test_a_wall_clock_that_jumps_changes_no_row(
    seed: int, emulator: EmulatorServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every job is exported with the server's rows; the next run finds them all and asks for nothing."""
    monkeypatch.setitem(SqliteJournal.__init__.__kwdefaults__ or {}, "wall", jumping(seed))
    outcomes, _ = await night(emulator, tmp_path)
    for outcome in outcomes:
        assert isinstance(outcome, Exported)
        assert stored(outcome) == true_text(emulator, outcome.job)
    asked = len(emulator.state.journal)
    _, summary = await night(emulator, tmp_path)
    assert (summary.skipped, summary.failed) == (len(outcomes), 0)
    assert len(emulator.state.journal) == asked
