"""Snapshots of several nights in one tabular sink, told apart only by how its tables are read."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import duckdb

from asyncexport.batch import Batch
from asyncexport.models import AD_PRODUCTS, Filters, TransferOrder
from asyncexport.sinks import DuckDB, Postgres
from asyncexport.sinks.databases import Mode
from tests.sinks.postgres_server import Schema
from tests.sinks.support import order, store

Version: TypeAlias = tuple[str | None, str, str, str | None]
"""Id, name, and of the nights 1 to 9 the first that had it and the first that did not."""


class Nights(ABC):
    """A database, and snapshots that come in one after the other."""

    sink: DuckDB | Postgres

    def order(
        self, number: int, filters: Filters | None = None, profile: str = "1", generated: int | None = None
    ) -> TransferOrder:
        """Return the order of one snapshot, ``generated`` in the night of its label or in another."""
        wanted = order(profile_id=profile, snapshot=f"night-{number}", filters=filters)
        moment = f"2026-11-0{number if generated is None else generated}T02:00:00Z"
        return replace(wanted, generated_at=moment, export_id=f"export-{number}")

    async def night(
        self,
        number: int,
        filters: Filters | None = None,
        profile: str = "1",
        generated: int | None = None,
        **names: Any,
    ) -> None:
        """Store one snapshot: campaigns by id and name, or by id and fields."""
        rows = [
            {"campaignId": key, "adProduct": AD_PRODUCTS[0], "state": "ENABLED"}
            | ({"name": value} if isinstance(value, str) else value)
            for key, value in names.items()
        ]
        wanted = self.order(number, filters, profile, generated)
        text = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        await store(self.sink, wanted, (Batch(text, len(rows)),) if rows else ())

    @abstractmethod
    def versions(self, profile: str = "1") -> list[Version]:
        """Return every version of every row."""

    @abstractmethod
    def newest(self) -> list[tuple[str, str]]:
        """Return what the view shows."""


class DuckDBNights(Nights):
    """A DuckDB file."""

    def __init__(self, path: Path, mode: Mode) -> None:
        self.path = path
        self.sink = DuckDB(path, mode=mode)

    def versions(self, profile: str = "1") -> list[Version]:
        """Ask the file."""
        with duckdb.connect(self.path) as connection:
            return connection.execute(
                "select campaignId, name, strftime(valid_from, '%-d'), strftime(valid_to, '%-d') "
                "from snapshots.campaigns where profile_id = ? order by all",
                [profile],
            ).fetchall()

    def newest(self) -> list[tuple[str, str]]:
        """Ask the file."""
        with duckdb.connect(self.path) as connection:
            return connection.execute("select campaignId, name from campaigns order by all").fetchall()


class PostgresNights(Nights):
    """A PostgreSQL schema."""

    _VERSIONS: ClassVar = (
        "select campaignId, name, to_char(valid_from, 'FMDD') as first, to_char(valid_to, 'FMDD') as last "
        "from campaigns_rows where profile_id = '{profile}' order by 1, 2, 3, 4"
    )

    def __init__(self, schema: Schema, mode: Mode) -> None:
        self.schema = schema
        self.sink = schema.sink(mode)

    def versions(self, profile: str = "1") -> list[Version]:
        """Ask by ``psql``."""
        found = self.schema.ask(self._VERSIONS.format(profile=profile))
        return [(row["campaignid"], row["name"], row["first"], row["last"]) for row in found]

    def newest(self) -> list[tuple[str, str]]:
        """Ask by ``psql``."""
        found = self.schema.ask("select campaignId, name from campaigns order by 1, 2")
        return [(row["campaignid"], row["name"]) for row in found]
