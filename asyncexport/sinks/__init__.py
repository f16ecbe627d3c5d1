"""Where rows go. A sink is a small frozen, picklable description; ``open()`` owns the resources.

Each is imported when it is first used.
"""

from typing import TYPE_CHECKING

from asyncexport._lazy import lazily

if TYPE_CHECKING:
    from asyncexport.sinks.callback import Callback
    from asyncexport.sinks.duckdb import DuckDB
    from asyncexport.sinks.jsonl import JsonLines
    from asyncexport.sinks.labels import check_label
    from asyncexport.sinks.memory import Memory, Null
    from asyncexport.sinks.parquet import Parquet
    from asyncexport.sinks.postgres import Postgres
    from asyncexport.sinks.stores.objects import ObjectStore
    from asyncexport.sinks.tee import Tee
else:
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "callback": "Callback",
            "duckdb": "DuckDB",
            "jsonl": "JsonLines",
            "labels": "check_label",
            "memory": "Memory Null",
            "stores.objects": "ObjectStore",
            "parquet": "Parquet",
            "postgres": "Postgres",
            "tee": "Tee",
        },
    )

__all__ = [
    "Callback",
    "DuckDB",
    "JsonLines",
    "Memory",
    "Null",
    "ObjectStore",
    "Parquet",
    "Postgres",
    "Tee",
    "check_label",
]
