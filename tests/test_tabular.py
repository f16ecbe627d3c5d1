"""The command into tables: every row of the server in its columns, after rough weather and after a kill."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from asyncexport.emulator.laws import Constant
from asyncexport.emulator.server import EmulatorServer
from asyncexport.models import Entity
from asyncexport.sansio.tabular.columns import PROVENANCE
from asyncexport.sinks.databases import TABLES
from tests.sinks.postgres_server import PASSWORD, Schema
from tests.sinks.tabular import from_postgres, in_columns, in_order, in_postgres
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

    def left(self) -> list[bytes]:
        """What the run has left in files, but for the secret of ours."""
        paths = (path for path in self.folder.rglob("*") if path.is_file() and path.name != "dsn")
        return [path.read_bytes() for path in paths]

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


class PostgresDesk(TableDesk):
    """One whose rows go to a server."""

    def __init__(self, schema: Schema, server: EmulatorServer, folder: Path) -> None:
        super().__init__(
            server, folder, f'type = "postgres"\ndsn = {{ file = "dsn" }}\nschema = "{schema.name}"\nmode = "append"'
        )
        self.schema = schema
        (folder / "dsn").write_text(schema.server.dsn)
        (folder / "dsn").chmod(0o600)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Read the views by psql."""
        for entity, view in TABLES.items():
            if self.schema.has(view):
                for row in self.schema.ask(f"select * from {view}"):  # noqa: S608
                    yield {name: row[name] for name in PROVENANCE} | from_postgres(row, entity)

    def left(self) -> list[bytes]:
        """What the run has left, its manifest too."""
        return [*super().left(), *(line.encode() for line in self.schema.say("select manifest from runs"))]

    def expected(self) -> Stored:
        """What the server has, in columns, in order."""
        return {
            (profile_id, entity): in_order(in_postgres(text.splitlines(), Entity(entity)))
            for (profile_id, entity), text in self.truth().items()
        }

    def found(self) -> Stored:
        """What was stored, in order."""
        return {key: in_order(rows) for key, rows in super().found().items()}


MakeDesk: TypeAlias = Callable[[EmulatorServer, Path], TableDesk]


@pytest.fixture(params=["parquet", "duckdb", pytest.param("postgres", marks=pytest.mark.postgres)])
def kind(request: pytest.FixtureRequest) -> MakeDesk:
    """Return what makes a desk, of each kind."""
    if request.param == "postgres":
        return partial(PostgresDesk, request.getfixturevalue("schema"))
    return {"parquet": ParquetDesk, "duckdb": DuckDBDesk}[request.param]


@pytest.mark.emulator(profiles=4, rows=2000, weather=ROUGH)
async def test_rough_weather_changes_no_row(kind: MakeDesk, emulator: EmulatorServer, tmp_path: Path) -> None:
    """Rows in are rows out, value for value; nothing that is told or left shows how the server was entered."""
    desk = kind(emulator, tmp_path)
    ended = await desk.run("run", "--json")
    assert ended.status == 0, ended.err
    assert desk.found() == desk.expected()
    assert PASSWORD not in ended.out + ended.err
    assert not any(PASSWORD.encode() in text for text in desk.left())


@pytest.mark.emulator(profiles=6, generation=Constant(0.3))
async def test_a_killed_run_is_completed_by_the_next(kind: MakeDesk, emulator: EmulatorServer, tmp_path: Path) -> None:
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


@pytest.mark.parametrize(
    ("sink", "library"),
    [
        ('type = "parquet"', "pyarrow"),
        ('type = "duckdb"', "duckdb"),
        ('type = "postgres"\ndsn = "postgresql://host/ads"', "asyncpg"),
    ],
)
async def test_a_missing_library_ends_the_run_before_it_begins(
    sink: str, library: str, emulator: EmulatorServer, tmp_path: Path
) -> None:
    """Exit status 2, and what to install; nothing was asked for."""
    desk = Desk(emulator, tmp_path)
    desk.config.write_text(f"{desk.config.read_text()}\n[sink]\n{sink}\n")
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


@pytest.mark.postgres
async def test_a_server_that_refuses_or_is_not_there(schema: Schema, emulator: EmulatorServer, tmp_path: Path) -> None:
    """The run ends before it begins, with what to do: 74 for a wrong password, 75 where it may be there again."""
    desk = PostgresDesk(schema, emulator, tmp_path)
    (tmp_path / "dsn").write_text(schema.server.dsn.replace(PASSWORD, "canary-other-password"))
    ended = await desk.run("run")
    assert (ended.status, emulator.state.counters.requests["request"]) == (74, 0)
    assert "refuses this role or its password; check the dsn (28P01" in ended.err
    assert "canary" not in ended.err
    (tmp_path / "dsn").write_text(schema.server.dsn.replace(f":{schema.server.port}", ":1"))
    ended = await desk.run("check")
    assert ended.status == 75
    assert "is the server there?" in ended.out
    assert "canary" not in ended.out + ended.err
