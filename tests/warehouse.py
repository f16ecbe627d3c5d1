"""dlt pipelines into DuckDB, pulled from an emulator beside them whose exports hold what a test says."""

from __future__ import annotations

import gzip
import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dlt
import dlt.load.load
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

import asyncexport.dlt
from asyncexport.emulator.server import EmulatorServer
from asyncexport.emulator.store.objects import ObjectKey
from asyncexport.models import Entity
from asyncexport.pytest_plugin import emulated
from tests.engine.pulling import BRISK, QUICK

Row = dict[str, Any]

BEYOND = "a number that no double holds"
"""A value that exports spell 1e400."""


class Night:
    """An emulator in a thread of its own. ``rows`` are what exports hold, by profile id and entity, others nothing.

    Without any, exports hold what the emulator makes.
    """

    def __init__(self, portal: BlockingPortal, server: EmulatorServer) -> None:
        self._portal = portal
        self.server = server
        self.rows: dict[tuple[str, Entity], list[Row]] = {}

    @property
    def profiles(self) -> list[str]:
        """The ids of all profiles."""
        return list(self.server.state.world.profiles)

    @property
    def requests(self) -> Counter[str]:
        """How many calls there were of each kind since the night began."""
        return self.server.state.counters.requests

    def source(self, *entities: Entity, **wishes: Any) -> Any:
        """Return the source of these entities, that does not wait long."""
        options = {"schedule": QUICK, "backoff": BRISK} | wishes.pop("options", {})
        wishes.setdefault("accounts", self.server.accounts())
        return asyncexport.dlt.source(entities=entities or Entity, options=options, **wishes)

    def begins(self, weather: str = "", **world: Any) -> None:
        """Let another night begin, with the rows as they are now and without memory of the one before."""
        shape = {"profiles": 2, "accounts": 1, **world}
        self._portal.call(self._become, emulated(weather=weather, **shape))

    async def _become(self, state: Any) -> None:
        await self.server.become(state, content=self._content if self.rows else None)

    def _content(self, key: ObjectKey) -> list[bytes]:
        rows = self.rows.get((key.profile_id, key.entity), [])
        return [gzip.compress(json.dumps(rows).replace(f'"{BEYOND}"', "1e400").encode())]


@contextmanager
def night() -> Iterator[Night]:
    """Run an emulator of one account with two profiles."""
    with start_blocking_portal() as portal:
        server = EmulatorServer(emulated(profiles=2, accounts=1))
        with portal.wrap_async_context_manager(server):
            yield Night(portal, server)


class Warehouse:
    """A DuckDB file that a pipeline loads into."""

    def __init__(self, folder: Path) -> None:
        self.pipeline = dlt.pipeline(
            "night",
            destination=dlt.destinations.duckdb(str(folder / "night.duckdb")),
            pipelines_dir=str(folder / "pipelines"),
            dataset_name="ads",
        )

    def load(self, source: Any, **how: Any) -> None:
        """Extract, normalise and load."""
        self.pipeline.run(source, **how)

    def query(self, sql: str, *values: str) -> list[tuple[Any, ...]]:
        """Return what the loaded tables answer."""
        with self.pipeline.sql_client() as client:
            return [tuple(row) for row in client.execute_sql(sql, *values) or ()]


class _Brisk(dlt.load.load.Load):
    """Looks after its jobs a hundred times a second, not once."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._run_loop_sleep_duration = 0.01


def settled_dlt(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let dlt be silent, write into ``folder`` only, and not wait."""
    patch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    patch.setenv("DLT_DATA_DIR", str(folder / "dlt"))
    patch.setenv("DLT_PROJECT_DIR", str(folder))
    patch.setattr(sys.modules["dlt.pipeline.pipeline"], "Load", _Brisk)
