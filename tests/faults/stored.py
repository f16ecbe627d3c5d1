"""What stands in the sink after a schedule, read by readers that are not ours."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import orjson

from asyncexport.models import Entity
from tests.faults.bench import Observed

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


@dataclass(frozen=True, slots=True)
class Stored:
    """One committed export: its rows' text, the SHA-256 of what is stored, and what its own record says."""

    text: bytes
    sha256: str
    receipt: Any


def stored(seen: Observed) -> dict[tuple[str, Entity], Stored]:
    """Return everything that stands under a final name, by profile and entity."""
    if seen.folder is None:
        return {
            (key[3], Entity(key[4])): Stored(each.text, hashlib.sha256(each.text).hexdigest(), each.receipt)
            for key, parts in seen.memory.store.items()
            for each in parts.values()
        }
    found = {}
    for file in seen.folder.glob("entity=*/snapshot=*/profile_id=*/part-0.jsonl.zst"):
        content = file.read_bytes()
        record = SimpleNamespace(**orjson.loads(file.with_name("_part-0.receipt.json").read_bytes()))
        subject = (file.parts[-2].partition("=")[2], Entity(file.parts[-4].partition("=")[2]))
        found[subject] = Stored(zstd.decompress(content), hashlib.sha256(content).hexdigest(), record)
    return found
