"""The sink that the settings describe."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TypeAlias

from asyncexport.app.settings import SinkSettings
from asyncexport.sinks import DuckDB, JsonLines, ObjectStore, Parquet, Postgres
from asyncexport.sinks.files.disk import Files
from asyncexport.sinks.files.tree import Tree

RunSink: TypeAlias = Tree | DuckDB | Postgres
"""A sink that a run of the command line can write to: it can be tried before the run, and keeps manifests."""


def sink_of(settings: SinkSettings) -> RunSink:
    """Return the sink. Raises :class:`ConfigError` if a library for it is missing."""
    if settings.type == "duckdb":
        return DuckDB(settings.path, mode=settings.mode)
    if settings.dsn is not None:
        return Postgres(settings.dsn, schema=settings.schema, mode=settings.mode)
    kind = Parquet if settings.type == "parquet" else JsonLines
    files = ObjectStore(**settings.store) if settings.url else Files()
    return kind(settings.place, compression=settings.compression, files=files)


def open_while(sink: RunSink) -> AbstractAsyncContextManager[object]:
    """Return a block in which a database stays open, so that no export has to open it."""
    return sink if isinstance(sink, DuckDB | Postgres) else nullcontext()
