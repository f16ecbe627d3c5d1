"""A tree of files: one for each part of an export, there only when whole, found again by the next run.

Contract: what every sink of files has in common; each adds how rows become bytes. The tree is what DuckDB, Spark and
others read as partitions; where a row is from stands in the path::

    exports/entity=campaigns/snapshot=2026-11-23/profile_id=1234567890/part-0.jsonl.zst
    exports/entity=campaigns/snapshot=2026-11-23/profile_id=1234567890/_part-0.receipt.json

Plan of a commit (:mod:`asyncexport.sinks.files.files` for the single file):

1. the rows are in ``part-0.jsonl.zst.part``, and on the disk (fsync);
2. the record ``_part-0.receipt.json`` is written the same way and renamed, over an older one, and the folder fsynced;
3. the data file is renamed to its final name, over an older one of the same job;
4. an older file of the same part in another format or compression is removed, and the folder fsynced;
5. if the job is not one of several parts, the parts that an earlier run left of it are removed
   (:mod:`asyncexport.sinks.files.leftovers`). A part whose rows stand already waits under another name until all
   parts are there (:mod:`asyncexport.sinks.files.staging`).

The record comes first, so that a data file under its final name always has one that describes it, or is somebody
else's; the fsync between the two renames holds that for a power loss too, which may otherwise keep the second without
the first. A kill between 2 and 3 of a replacement leaves the old file with the new record: :meth:`Tree.find` compares
the file's SHA-256, finds nothing, and the next run replaces the file, which its record still says is ours. A kill
before 2 leaves a ``.part``: the next writer of the same part removes it, and so does :meth:`Tree.find` where an older
file is still the answer.

Somebody else's file is never replaced unless ``overwrite`` says so: no record, a record of another job (two accounts
that see the same profile), a link, a folder, a pipe. Our own is: ``open()`` replaces, because the engine asks
``find()`` before it downloads.

Worst case: what a writer does with a batch is its own affair; opening, fsync, renaming and hashing happen in a thread
that is waited for even when cancelled.
"""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, suppress
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path

from asyncexport.adapters.threads import in_thread
from asyncexport.errors import ConfigError, SinkError, SinkRejected
from asyncexport.models import Evidence, Job, Receipt, SignedUrl, TransferOrder
from asyncexport.sinks.base import Writer, transaction
from asyncexport.sinks.files.disk import Files, failing_as_sink_error, is_regular
from asyncexport.sinks.files.files import NewFile, make_path, open_path, write_whole
from asyncexport.sinks.files.folders import MANIFESTS, keep_manifest, leave_mark, prepare_folder, see_mark
from asyncexport.sinks.files.found import find
from asyncexport.sinks.files.leftovers import remove_beyond, remove_staged
from asyncexport.sinks.files.places import Place, joined
from asyncexport.sinks.files.staging import finish, must_wait, publish
from asyncexport.sinks.records import Record, read_record, record_text
from asyncexport.sinks.stores.buckets import is_url


@dataclass(frozen=True, slots=True)
class Tree(ABC):
    """A :class:`~asyncexport.ports.Sink` of files below ``path``; also keeps manifests.

    ``home`` is the same place found from everywhere: a relative path is below the directory that was the current one
    when the sink was made. A path that is a URL (``s3://bucket/prefix``) is in an object store, reached by ``files``
    (:class:`~asyncexport.sinks.ObjectStore`). ``overwrite`` lets it replace files that are not its own. Raises
    :class:`ConfigError` for what cannot work.
    """

    path: str | os.PathLike[str]
    _: KW_ONLY
    overwrite: bool = False
    files: Files = field(default=Files(), repr=False, compare=False)
    home: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        path: object = os.fspath(self.path)
        if not isinstance(path, str) or not path or "\0" in path:
            raise ConfigError("a sink of files needs the path of a folder, as text")
        object.__setattr__(self, "path", path)
        object.__setattr__(self, "home", path if is_url(path) else _absolute(path))
        if is_url(path) and type(self.files) is Files:
            from asyncexport.sinks.stores.objects import ObjectStore  # noqa: PLC0415  most store in folders

            object.__setattr__(self, "files", ObjectStore())

    @property
    def travels(self) -> bool:
        """Whether transfers may run in worker processes."""
        return self.files.travels

    @asynccontextmanager
    async def marked(self, mark: str) -> AsyncIterator[None]:
        """Have a mark in the folder for the length of the block; an object store needs none. Raises as others do."""
        if is_url(self.home):
            yield
            return
        take_away = await in_thread(lambda: leave_mark(self.files, self.home, mark))
        try:
            yield
        finally:
            await in_thread(take_away)

    async def sees(self, mark: str) -> None:
        """Raise :class:`SinkError` unless the folder is the one where the mark is, and can be written."""
        if not is_url(self.home):
            await in_thread(lambda: see_mark(self.files, self.home, mark))

    @property
    @abstractmethod
    def suffix(self) -> str:
        """How the names of its data files end: one of :data:`asyncexport.sinks.files.places.SUFFIXES`."""

    @abstractmethod
    def _writer(self, order: TransferOrder) -> TreeWriter: ...

    def open(self, order: TransferOrder) -> AbstractAsyncContextManager[TreeWriter]:
        """Begin the transaction for one export.

        Entering raises :class:`SinkRejected`, :class:`SinkLocked`, :class:`DiskFull` or :class:`SinkError`; this call
        :class:`ConfigError` for a label or a profile id that cannot be part of a path.
        """
        return transaction(self._writer(order))

    async def find(self, order: TransferOrder) -> Receipt | None:
        """Return the receipt of what answers this job and part, if it is there and whole to the last bit.

        Of a job that is no part itself this may be several files: the parts that its split left. Then and when one file
        answers, what stands beyond is removed: it is left over.
        """
        self.place(order)
        return await in_thread(lambda: find(self.files, self.place, order))

    async def settle(self, job: Job, parts: int) -> None:
        """Give new parts the place of what an earlier run left of the job, and remove what is beyond them.

        Raises :class:`SinkError`.
        """
        order = TransferOrder(job, "", SignedUrl(""))
        place = self.place(order)
        await in_thread(lambda: _settle(self.files, place, order, parts))

    async def keep(self, name: str, manifest: bytes) -> str:
        """Store a run's manifest as ``_runs/NAME.json``, whole or not at all; return its path."""
        await in_thread(lambda: keep_manifest(self.files, self.home, name, manifest))
        return joined(os.fspath(self.path), MANIFESTS, f"{name}.json")

    async def prepare(self, *, needed: int = 0) -> int:
        """Create the folder if it is not there, prove that it can be written, return the bytes that are free in it.

        Raises :class:`SinkError` naming path and fix, :class:`DiskFull` if fewer than ``needed`` bytes are free.
        """
        return await in_thread(lambda: prepare_folder(self.files, self.home, needed=needed))

    def place(self, order: TransferOrder) -> Place:
        """Return where the order's part goes. Raises :class:`ConfigError` as :meth:`open` does."""
        return Place.of(os.fspath(self.path), self.suffix, order, home=self.home)


class TreeWriter(Writer):
    """The open transaction for one export. A format fills in ``_store`` and ``_flush``, which hand on to ``_append``.

    Format and file system are told apart in what they raise: ``_failing`` maps the file system's errors.
    """

    def __init__(self, sink: Tree, order: TransferOrder) -> None:
        super().__init__(order)
        self._sink = sink
        self._files = sink.files
        self._place = sink.place(order)
        self._goal = self._place
        self._size = 0
        self._sha256 = hashlib.sha256()
        self._folder: int | None = None
        self._data: NewFile | None = None

    async def _begin(self) -> None:
        await in_thread(self._open)

    @abstractmethod
    def _flush(self) -> None:
        """Append what is still held, in a thread; the file is whole afterwards."""

    async def _commit(self, evidence: Evidence) -> Receipt:
        return await in_thread(lambda: self._publish(evidence))

    def _discard(self) -> None:
        if self._data is not None:
            self._data.discard()
        if self._folder is not None:
            folder, self._folder = self._folder, None
            with suppress(OSError):
                self._files.close(folder)

    def _open(self) -> None:
        with self._failing("opening"):
            self._folder = make_path(self._files, self._place.home, self._place.parts)
            if self._order.is_part:
                self._choose_goal(self._folder)
            self._data = NewFile(self._files, self._folder, self._goal.file)
            self._data.create()
            if not self._sink.overwrite:
                names = set(self._files.names(self._folder))
                for place in {self._place, self._goal}:
                    self._refuse_what_is_not_ours(self._folder, place, names & {place.file, *place.rivals})

    def _choose_goal(self, folder: int) -> None:
        finish(self._files, folder, self._order)
        if must_wait(self._files, folder, self._place, self._order):
            self._goal = self._place.staged

    def _refuse_what_is_not_ours(self, folder: int, place: Place, names: Collection[str]) -> None:
        record = read_record(self._files, folder, place.record) if names else None
        for name in names:
            found = self._files.look(folder, name)
            if found is not None and (reason := _why_not_ours(found, record, self._order)):
                raise SinkRejected(
                    f"{self._place.named(name)} is in the way: it {reason}; "
                    "move it away, choose another folder or label, or allow overwriting"
                )

    async def _caught_up(self) -> None:
        """Wait for storage that is behind: called after what is appended in the loop, which must never wait."""
        if self._data is not None and self._data.is_behind:
            await in_thread(self._data.catch_up)

    def _append(self, stored: bytes) -> None:
        if stored and self._data is not None:
            self._data.write(stored)
            self._sha256.update(stored)
            self._size += len(stored)

    def _publish(self, evidence: Evidence) -> Receipt:
        if self._data is None or self._folder is None:
            raise SinkError(f"{self._place.location} is not open")
        with self._failing("committing"):
            self._flush()
            self._data.sync()
            receipt = self._receipt_of(
                evidence, size=self._size, sha256=self._sha256.hexdigest(), location=self._place.location
            )
            record = Record.of(self._order, receipt, self._place.file)
            write_whole(self._files, self._folder, self._goal.record, record_text(record))
            self._files.sync(self._folder)
            self._data.publish()
            names = self._files.names(self._folder)
            for name in set(names) & set(self._goal.rivals):
                self._files.unlink(self._folder, name)
            self._files.sync(self._folder)
            if not self._order.is_part:
                remove_beyond(self._files, self._folder, self._order, 1, names=names)
            elif self._goal is self._place:
                remove_staged(self._files, self._folder, self._order)
        self._discard()
        return receipt if self._goal is self._place else replace(receipt, waits_at=self._goal.location)

    def _failing(self, doing: str) -> AbstractContextManager[None]:
        return failing_as_sink_error(self._place.location, doing)


def _absolute(path: str) -> str:
    try:
        return str(Path(path).absolute())
    except OSError as error:
        raise ConfigError(f"{path} is below the current directory, which is not there: {error.strerror}") from None


def _why_not_ours(found: os.stat_result, record: Record | None, order: TransferOrder) -> str:
    if not is_regular(found):
        return "is a link, a folder or something else that is no plain file"
    if record is None:
        return "has no record that says it is ours"
    if not record.is_about(order):
        return f"holds {record.entity} of account {record.account!r} ({record.region}), profile {record.profile_id}"
    return ""


def _settle(files: Files, place: Place, order: TransferOrder, parts: int) -> None:
    folder_path = joined(place.root, *place.parts)
    with failing_as_sink_error(folder_path, "removing left-over parts"), suppress(FileNotFoundError):
        folder = open_path(files, place.home, place.parts)
        try:
            publish(files, folder, order, parts)
            remove_beyond(files, folder, order, parts)
        finally:
            files.close(folder)
