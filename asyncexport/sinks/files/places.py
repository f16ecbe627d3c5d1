"""Where one part of one job stands below the folder of a file sink.

Contract: labels and ids are held to what may be part of a path; the same order always has the same place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from asyncexport.models import TransferOrder
from asyncexport.sinks.files import codecs
from asyncexport.sinks.labels import check_label

MARK: Final = "_settling.json"
"""Says that staged parts are getting their names."""

STAGED: Final = ".staged"

SUFFIXES: Final = (*codecs.SUFFIXES.values(), ".parquet")
"""How the name of a data file may end, whichever sink wrote it."""


def staged(name: str) -> str:
    """Return the name that a file or a record has as long as no reader may see it."""
    return f"_{name.removeprefix('_')}{STAGED}"


def stem_of(part: int) -> str:
    """Return how the name of a part's file begins."""
    return f"part-{part}"


def record_of(part: int) -> str:
    """Return the name of a part's record."""
    return f"_{stem_of(part)}.receipt.json"


def joined(root: str, *names: str) -> str:
    """Return the path of something below ``root``, which may be a URL."""
    return "/".join((root.rstrip("/"), *names)) if "://" in root else _below(root) + "/".join(names)


@lru_cache(maxsize=64)
def _below(root: str) -> str:
    """Return how paths below a folder begin: that is worked out twice for every export."""
    return str(Path(root, "_"))[:-1]


@dataclass(frozen=True, slots=True)
class Place:
    """Where one part of one job goes: ``root/parts.../file``, with its ``record`` and its ``rivals`` beside it.

    ``root`` is what people call ``home``, which is found from everywhere. Rivals are the names the same part has in
    another format or compression: one part never has two files.
    """

    root: str
    parts: tuple[str, ...]
    file: str
    record: str
    rivals: tuple[str, ...]
    home: str

    @classmethod
    def of(cls, root: str, suffix: str, order: TransferOrder, *, home: str) -> Place:
        """Return the place; raise :class:`ConfigError` for texts that cannot be part of a path."""
        job = order.job
        parts = (
            f"entity={job.entity.value}",
            f"snapshot={check_label(job.snapshot, what='snapshot label')}",
            f"profile_id={check_label(job.profile.profile_id, what='profile id')}",
        )
        stem = stem_of(order.part)
        rivals = tuple(stem + other for other in SUFFIXES if other != suffix)
        return cls(root, parts, stem + suffix, record_of(order.part), rivals, home)

    @property
    def staged(self) -> Place:
        """The same part out of every reader's sight."""
        return replace(self, file=staged(self.file), record=staged(self.record), rivals=tuple(map(staged, self.rivals)))

    @property
    def folder(self) -> Path:
        return Path(self.root, *self.parts)

    @property
    def location(self) -> str:
        return self.named(self.file)

    def named(self, name: str) -> str:
        """Return where something of that name is in the same folder, for people."""
        return joined(self.root, *self.parts, name)
