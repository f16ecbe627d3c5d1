"""Where rows go. A sink is a small frozen, picklable description; ``open()`` owns the resources."""

from asyncexport.sinks.jsonl import JsonLines
from asyncexport.sinks.labels import check_label
from asyncexport.sinks.memory import Memory, Null
from asyncexport.sinks.parquet import Parquet

__all__ = ["JsonLines", "Memory", "Null", "Parquet", "check_label"]
