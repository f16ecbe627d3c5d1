"""The command into tables: every row of the server in its columns, after rough weather and after a kill."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from asyncexport.emulator.laws import Constant
from asyncexport.emulator.server import EmulatorServer
from asyncexport.models import Entity
from asyncexport.sansio.columns import PROVENANCE
from tests.sinks.tabular import in_columns
from tests.test_end_to_end import ROUGH, Desk

Stored = dict[tuple[str, str], list[dict[str, Any]]]


class TableDesk(Desk, ABC):
    """A configured folder whose sink is a table."""

    def __init__(self, server: EmulatorServer, folder: Path, sink: str) -> None:
        super().__init__(server, folder)
        self.config.write_text(f"{self.config.read_text()}\n[sink]\n{sink}\n")

    @abstractmethod
    def rows(self) -> Iterator[dict[str, Any]]:
        """Read every row with a reader that is not ours."""

    def expected(self) -> Stored:
        """What the server has, in columns."""
        return {
            (profile_id, entity): in_columns(text.splitlines(), Entity(entity))
            for (profile_id, entity), text in self.truth().items()
        }

    def found(self) -> Stored:
        """What was stored, by what the rows themselves say of where they are from."""
        found: Stored = {(profile_id, entity): [] for profile_id, entity in self.truth()}
        for row in self.rows():
            where_from = [row.pop(name) for name in PROVENANCE]
            found[where_from[2], where_from[3]].append(row)
        return found


class ParquetDesk(TableDesk):
    """One whose rows go to Parquet files."""

    def __init__(self, server: EmulatorServer, folder: Path) -> None:
        super().__init__(server, folder, 'type = "parquet"')

    def rows(self) -> Iterator[dict[str, Any]]:
        """Read the files by Arrow."""
        for file in (self.folder / "exports").glob("entity=*/snapshot=*/profile_id=*/*.parquet"):
            yield from pq.ParquetFile(file).read().to_pylist()


class DuckDBDesk(TableDesk):
    """One whose rows go to a database."""

    def __init__(self, server: EmulatorServer, folder: Path) -> None:
        super().__init__(server, folder, 'type = "duckdb"\npath = "ads.duckdb"')

    def rows(self) -> Iterator[dict[str, Any]]:
        """Read the views, as long as no run has the file."""
        if not (self.folder / "ads.duckdb").exists():
            return
        with duckdb.connect(self.folder / "ads.duckdb", read_only=True) as connection:
            for view in ("campaigns", "ad_groups", "targets", "ads"):
                yield from pa.table(connection.table(view)).to_pylist()


@pytest.mark.parametrize("kind", [ParquetDesk, DuckDBDesk])
@pytest.mark.emulator(profiles=4, rows=2000, weather=ROUGH)
async def test_rough_weather_changes_no_row(
    kind: Callable[[EmulatorServer, Path], TableDesk], emulator: EmulatorServer, tmp_path: Path
) -> None:
    """Rows in are rows out, value for value."""
    desk = kind(emulator, tmp_path)
    ended = await desk.run("run", "--json")
    assert ended.status == 0, ended.err
    assert desk.found() == desk.expected()


@pytest.mark.parametrize("kind", [ParquetDesk, DuckDBDesk])
@pytest.mark.emulator(profiles=6, generation=Constant(0.3))
async def test_a_killed_run_is_completed_by_the_next(
    kind: Callable[[EmulatorServer, Path], TableDesk], emulator: EmulatorServer, tmp_path: Path
) -> None:
    """No row is lost and none stands twice."""
    desk = kind(emulator, tmp_path)
    process = await desk.start("run", "--json", "--snapshot", "night")
    assert process.stdout is not None
    told: list[dict[str, Any]] = []
    while sum(event["rows"] for event in told) == 0:
        told.append(json.loads(await process.stdout.readline()))
    process.kill()
    await process.communicate()
    before = desk.found()
    assert sum(map(len, before.values())) >= sum(event["rows"] for event in told)
    assert all(not rows or rows == desk.expected()[key] for key, rows in before.items())
    ended = await desk.run("run", "--json", "--snapshot", "night")
    assert ended.status == 0, ended.err
    assert desk.found() == desk.expected()
    assert ended.events[-1]["skipped"] >= len(told)
    plan = await desk.run("plan", "--snapshot", "night", "--json")
    assert plan.events[-1]["there"] == 24


@pytest.mark.parametrize(("kind", "library"), [(ParquetDesk, "pyarrow"), (DuckDBDesk, "duckdb")])
async def test_a_missing_library_ends_the_run_before_it_begins(
    kind: Callable[[EmulatorServer, Path], TableDesk], library: str, emulator: EmulatorServer, tmp_path: Path
) -> None:
    """Exit status 2, and what to install; nothing was asked for."""
    desk = kind(emulator, tmp_path)
    (tmp_path / f"{library}.py").write_text("raise ImportError")
    for command in ("run", "check"):
        ended = await desk.run(command)
        assert ended.status == 2
        assert "pip install 'asyncexport[" in ended.out + ended.err
    assert emulator.state.counters.requests["request"] == 0


async def test_a_locked_database_ends_the_run_before_it_begins(emulator: EmulatorServer, tmp_path: Path) -> None:
    """Exit status 75: it will be free again. Its manifests stand beside it, and ``status`` finds them."""
    desk = DuckDBDesk(emulator, tmp_path)
    with duckdb.connect(tmp_path / "ads.duckdb"):
        ended = await desk.run("run")
    assert (ended.status, emulator.state.counters.requests["request"]) == (75, 0)
    assert "ads.duckdb is open in another process" in ended.err
    assert (await desk.run("run", "--snapshot", "night")).status == 0
    assert (await desk.run("status")).status == 0
    assert len(list((tmp_path / "_runs").iterdir())) == 1
