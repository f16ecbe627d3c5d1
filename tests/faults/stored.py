"""What stands in the sink after a schedule, read by readers that are not ours.

A job stands in one part, or in the several that it was split into: each is an export of its own, with its own filters.
"""

from __future__ import annotations

import hashlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson

from asyncexport.models import Entity, Filters
from tests.faults.bench import Observed

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

DATA = re.compile(r"part-(0|[1-9]\d*)\.jsonl\.zst")
RECORD = re.compile(r"_part-(0|[1-9]\d*)\.receipt\.json")


@dataclass(frozen=True, slots=True)
class Part:
    """One committed export: its number within its job, what it asked for, its rows' text, what is stored of it.

    ``size`` (bytes) and ``sha256`` are of the stored form; ``receipt`` is what the sink's own record says.
    """

    number: int
    filters: Filters
    text: bytes
    size: int
    sha256: str
    receipt: Any


def stored(seen: Observed) -> dict[tuple[str, Entity], list[Part]]:
    """Return everything that stands under a final name with its record, by profile and entity, part 0 first."""
    found = _in_memory(seen) if seen.folder is None else _in_files(seen.folder)
    return {subject: sorted(parts, key=lambda part: part.number) for subject, parts in found.items()}


def _in_memory(seen: Observed) -> dict[tuple[str, Entity], list[Part]]:
    return {
        (key[3], Entity(key[4])): [
            _part(number, each.filters, each.text, each.text, each.receipt) for number, each in parts.items()
        ]
        for key, parts in seen.memory.store.items()
        if parts
    }


def _in_files(folder: Path) -> dict[tuple[str, Entity], list[Part]]:
    found: dict[tuple[str, Entity], list[Part]] = {}
    for file in folder.glob("entity=*/snapshot=*/profile_id=*/part-*.jsonl.zst"):
        name = DATA.fullmatch(file.name)
        record = file.with_name(f"_{file.name.partition('.')[0]}.receipt.json")
        if name is None or not record.exists():
            continue
        content, receipt = file.read_bytes(), SimpleNamespace(**orjson.loads(record.read_bytes()))
        filters = Filters(**{words: tuple(value) for words, value in receipt.filters.items()})
        subject = (file.parts[-2].partition("=")[2], Entity(file.parts[-4].partition("=")[2]))
        part = _part(int(name[1]), filters, zstd.decompress(content), content, receipt)
        found.setdefault(subject, []).append(part)
    return found


def _part(number: int, filters: Filters, text: bytes, content: bytes, receipt: Any) -> Part:
    return Part(number, filters, text, len(content), hashlib.sha256(content).hexdigest(), receipt)
