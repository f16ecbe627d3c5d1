"""Where rows go. A sink is a small frozen, picklable description; ``open()`` owns the resources."""

from asyncexport.sinks.jsonl import JsonLines
from asyncexport.sinks.labels import check_label
from asyncexport.sinks.memory import Memory, Null

__all__ = ["JsonLines", "Memory", "Null", "check_label"]
