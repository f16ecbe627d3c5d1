"""A file system that fails, dies or loses its power at the N-th operation, and what the sink tests write with it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from asyncexport.accounts import Region
from asyncexport.batch import Batch
from asyncexport.models import Entity, Evidence, Filters, Job, Profile, Receipt, SignedUrl, TransferOrder
from asyncexport.ports import Sink
from asyncexport.sansio.scheduling.splitting import split
from asyncexport.sinks.files.disk import Files

BATCHES: Final = (Batch(b'{"campaignId":"1"}\n{"campaignId":"2"}\n', 2), Batch(b'{"campaignId":"3"}\n', 1, 2))
TEXT: Final = b"".join(batch.text for batch in BATCHES)
FOLDER: Final = "entity=campaigns/snapshot=night/profile_id=123"

OPERATIONS: Final = tuple(name for name in vars(Files) if not name.startswith("_"))
OPENING: Final = {"open_root", "open_folder", "create", "open_file"}


class Died(BaseException):
    """The process ended here: nothing of it runs any more, not even its cleaning up."""


class FaultyFiles(Files):
    """The real file system until operation number ``at``, which raises ``failure`` instead of happening.

    ``log`` holds the operations but ``close``, each with the file name where there is one. After :class:`Died` every
    operation dies; :meth:`end` closes what the dead process had open, as the system does.
    """

    def __init__(self, at: int | None = None, failure: int | type[Died] = errno.EIO) -> None:
        self.at = at
        self.failure = failure
        self.log: list[tuple[str, str]] = []
        self.opened: set[int] = set()
        self.unsynced: dict[int, int] = {}  # by descriptor, a copy that stays open when it is closed
        self.dead = False

    def end(self, *, power_lost: bool = False) -> None:
        """Close everything; if the power was lost, what was written and not synced is gone."""
        for copy in self.unsynced.values():
            if power_lost:
                os.ftruncate(copy, 0)
            os.close(copy)
        for file in self.opened:
            os.close(file)

    def perform(self, name: str, *args: Any) -> Any:
        """Count, fail or do one operation."""
        if name != "close":
            self.log.append((name, next((arg for arg in args if isinstance(arg, str)), "")))
        if self.dead or (name != "close" and len(self.log) - 1 == self.at):
            self._fail()
        result = getattr(Files, name)(self, *args)
        self._remember(name, args, result)
        return result

    def _fail(self) -> None:
        if isinstance(self.failure, int):
            raise OSError(self.failure, os.strerror(self.failure))
        self.dead = True
        raise self.failure

    def _remember(self, name: str, args: tuple[Any, ...], result: Any) -> None:
        if name in OPENING:
            self.opened.add(result)
        elif name == "close":
            self.opened.discard(args[0])
        elif name == "write" and args[0] not in self.unsynced:
            self.unsynced[args[0]] = os.dup(args[0])
        elif name == "sync" and args[0] in self.unsynced:
            os.close(self.unsynced.pop(args[0]))


def _operation(name: str) -> Callable[..., Any]:
    def operation(self: FaultyFiles, *args: Any) -> Any:
        return self.perform(name, *args)

    return operation


for _name in OPERATIONS:
    setattr(FaultyFiles, _name, _operation(_name))


def order(
    *,
    account: str = "acme",
    region: Region = Region.EU,
    profile_id: str = "123",
    snapshot: str = "night",
    filters: Filters | None = None,
    part: int = 0,
) -> TransferOrder:
    """Return a transfer order like any other."""
    job = Job(Profile(account, region, profile_id), Entity.CAMPAIGNS, filters or Filters(), snapshot)
    return TransferOrder(job, "export-1", SignedUrl("https://host/key?secret"), 99, "2026-11-23T02:00:00Z", part)


PARTS: Final = tuple(order(filters=part).job for part in split(Filters(), Entity.CAMPAIGNS))
"""The jobs that a job is split into."""


def part_of(number: int, parts: tuple[Job, ...] = PARTS) -> TransferOrder:
    """Return the order of one part of the usual job."""
    whole = order()
    return replace(whole, job=parts[number], export_id=f"export-{number}", part=number, split_from=whole.job)


async def store(sink: Sink, wanted: TransferOrder | None = None, batches: tuple[Batch, ...] = BATCHES) -> Receipt:
    """Write some rows and commit them."""
    async with sink.open(wanted or order()) as writer:
        for batch in batches:
            await writer.write(batch)
        writer.seal(Evidence(99, "gzip", ("an oddity",)))
    return writer.receipt


def tree(root: Path) -> dict[str, bytes]:
    """Return the content of every file below ``root`` by its relative path."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
