"""The command into tables: every row of the server in its columns, after rough weather and after a kill."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from asyncexport.emulator.laws import Constant
from asyncexport.emulator.server import EmulatorServer
from asyncexport.models import Entity
from asyncexport.sansio.columns import PROVENANCE
from tests.sinks.tabular import in_columns
from tests.test_end_to_end import ROUGH, Desk

Stored = dict[tuple[str, str], list[dict[str, Any]]]


class TableDesk(Desk):
    """A configured folder whose sink is a table."""

    def __init__(self, server: EmulatorServer, folder: Path, sink: str) -> None:
        super().__init__(server, folder)
        self.config.write_text(f"{self.config.read_text()}\n[sink]\n{sink}\n")

    def expected(self) -> Stored:
        """What the server has, in columns."""
        return {
            (profile_id, entity): in_columns(text.splitlines(), Entity(entity))
            for (profile_id, entity), text in self.truth().items()
        }

    def rows(self) -> Iterator[dict[str, Any]]:
        """Read every row with a reader that is not ours."""
        for file in (self.folder / "exports").glob("entity=*/snapshot=*/profile_id=*/*.parquet"):
            yield from pq.ParquetFile(file).read().to_pylist()

    def found(self) -> Stored:
        """What was stored, by what the rows themselves say of where they are from."""
        found: Stored = {(profile_id, entity): [] for profile_id, entity in self.truth()}
        for row in self.rows():
            where_from = [row.pop(name) for name in PROVENANCE]
            found[where_from[2], where_from[3]].append(row)
        return found


PARQUET = 'type = "parquet"\npath = "exports"'


@pytest.mark.emulator(profiles=4, rows=2000, weather=ROUGH)
async def test_rough_weather_changes_no_row(emulator: EmulatorServer, tmp_path: Path) -> None:
    """Rows in are rows out, value for value."""
    desk = TableDesk(emulator, tmp_path, PARQUET)
    ended = await desk.run("run", "--json")
    assert ended.status == 0, ended.err
    assert desk.found() == desk.expected()


@pytest.mark.emulator(profiles=6, generation=Constant(0.3))
async def test_a_killed_run_is_completed_by_the_next(emulator: EmulatorServer, tmp_path: Path) -> None:
    """No row is lost and none stands twice."""
    desk = TableDesk(emulator, tmp_path, PARQUET)
    process = await desk.start("run", "--snapshot", "night")
    while not any(desk.rows()):  # noqa: ASYNC110  another process's progress has no event to wait for
        await asyncio.sleep(0.01)
    process.kill()
    await process.communicate()
    ended = await desk.run("run", "--json", "--snapshot", "night")
    assert ended.status == 0, ended.err
    assert desk.found() == desk.expected()
    assert ended.events[-1]["skipped"] > 0
    plan = await desk.run("plan", "--snapshot", "night", "--json")
    assert plan.events[-1]["there"] == 24


async def test_a_missing_library_ends_the_run_before_it_begins(emulator: EmulatorServer, tmp_path: Path) -> None:
    """Exit status 2, and what to install; nothing was asked for."""
    desk = TableDesk(emulator, tmp_path, PARQUET)
    (tmp_path / "pyarrow.py").write_text("raise ImportError")
    for command in ("run", "check"):
        ended = await desk.run(command)
        assert ended.status == 2
        assert "pip install 'asyncexport[parquet]'" in ended.out + ended.err
    assert emulator.state.counters.requests["request"] == 0
