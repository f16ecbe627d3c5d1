"""The sink that the settings describe."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TypeAlias

from asyncexport.app.settings import SinkSettings
from asyncexport.sinks import DuckDB, JsonLines, Parquet
from asyncexport.sinks.tree import Tree

RunSink: TypeAlias = Tree | DuckDB
"""A sink that a run of the command line can write to: it can be tried before the run, and keeps manifests."""


def sink_of(settings: SinkSettings) -> RunSink:
    """Return the sink. Raises :class:`ConfigError` if a library for it is missing."""
    match settings.type:
        case "duckdb":
            return DuckDB(settings.path, mode=settings.mode)
        case "parquet":
            return Parquet(settings.path, compression=settings.compression)
        case _:
            return JsonLines(settings.path, compression=settings.compression)


def open_while(sink: RunSink) -> AbstractAsyncContextManager[object]:
    """Return a block in which a sink that is one file stays open, so that no export has to open it."""
    return sink if isinstance(sink, DuckDB) else nullcontext()
