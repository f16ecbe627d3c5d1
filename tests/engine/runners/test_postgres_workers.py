"""PostgreSQL from several processes at once: the description goes there with its dsn, and each row stands once."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncexport import Entity, Exported
from asyncexport.emulator.server import EmulatorServer
from asyncexport.sinks.databases import TABLES
from tests.engine.pulling import planned, pulled
from tests.engine.runners.nights import all_are_large, in_processes
from tests.sinks.postgres_server import Schema
from tests.sinks.tabular import from_postgres, in_order, in_postgres

pytestmark = pytest.mark.postgres


@pytest.mark.emulator(profiles=2, accounts=1, rows=1000)
async def test_rows_in_are_rows_out(schema: Schema, emulator: EmulatorServer, tmp_path: Path) -> None:
    """Every export was transferred and committed elsewhere, all of them beside each other."""
    with all_are_large():
        async with in_processes(emulator, tmp_path, workers=2) as it:
            jobs = await planned(it.exporter)
            outcomes = await pulled(it.exporter, jobs, schema.sink())
            assert [outcome for outcome in outcomes if not isinstance(outcome, Exported)] == []
            assert not it.has_stayed
    for entity in Entity:
        found = schema.ask(f"select * from {TABLES[entity]}")  # noqa: S608
        truth = [line for job in jobs if job.entity is entity for line in it.truth([job])[job].splitlines()]
        assert in_order(from_postgres(row, entity) for row in found) == in_order(in_postgres(truth, entity))
    assert schema.ask("select count(*) as lines from ledger") == [{"lines": len(jobs)}]
