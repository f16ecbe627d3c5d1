"""Files that appear whole or not at all.

Contract: a :class:`NewFile` is written as ``NAME.part`` and gets its name by a rename after everything in it is on the
disk. Whatever happens before leaves nothing but a ``.part``, and the next writer removes that.

Plan: the writer holds a lock on its ``.part`` (``flock``: the system releases it when the process ends, however that
happens), so a ``.part`` that can be locked is a dead one and may go; :func:`sweep` removes those whose name nobody will
write again. Before a file is removed or renamed it is checked that the name still means the file that is locked; so two
writers never rename each other's half of a file.

Worst case: :class:`SinkLocked` for the second of two writers. After a failed fsync the file is given up: a second fsync
may report success for pages that were dropped.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from asyncexport.errors import SinkError, SinkLocked, SinkRejected
from asyncexport.sinks.files.disk import Files, is_regular

_PART = ".part"
_TRIES = 8
_NO_FOLDER = frozenset({errno.ELOOP, errno.ENOTDIR, errno.EMLINK})
NO_FILE = frozenset({errno.ELOOP, errno.EMLINK, errno.EISDIR, errno.ENXIO})


def open_path(files: Files, root: str, parts: tuple[str, ...]) -> int:
    """Open the folder ``root/parts...``; raise ``FileNotFoundError`` where there is none.

    Below ``root`` no link is followed: :class:`SinkRejected` names what is in the way.
    """
    folder = files.open_root(root)
    for name in parts:
        folder = _enter(files, folder, name, parts)
    return folder


def make_path(files: Files, root: str, parts: tuple[str, ...]) -> int:
    """Open the folder ``root/parts...``, creating what is missing so that it survives a power loss."""
    folder = _make_root(files, root)
    for name in parts:
        folder = _enter(files, folder, name, parts, make=True)
    return folder


def _make_root(files: Files, path: str) -> int:
    try:
        return files.open_root(path)
    except FileNotFoundError:
        root = Path(path)
        if root.parent == root:
            raise
    parent = _make_root(files, str(root.parent))
    try:
        files.make_folder(parent, root.name)
        files.sync(parent)
    finally:
        files.close(parent)
    return files.open_root(path)


def _enter(files: Files, folder: int, name: str, parts: tuple[str, ...], *, make: bool = False) -> int:
    try:
        return _made(files, folder, name) if make else files.open_folder(folder, name)
    except OSError as error:
        if error.errno not in _NO_FOLDER:
            raise
        raise SinkRejected(
            f"{name!r} of {'/'.join(parts)} is a link or no folder, and is not followed; move it away"
        ) from None
    finally:
        files.close(folder)


def _made(files: Files, parent: int, name: str) -> int:
    with suppress(FileNotFoundError):
        return files.open_folder(parent, name)
    if files.make_folder(parent, name):
        files.sync(parent)
    return files.open_folder(parent, name)


class NewFile:
    """A file on its way to its name, in an open folder that outlives it. Methods block and raise ``OSError``."""

    def __init__(self, files: Files, folder: int, name: str) -> None:
        self._files = files
        self._folder = folder
        self._name = name
        self._part = name + _PART
        self._file: int | None = None

    def __repr__(self) -> str:
        return f"<NewFile {self._name} {'closed' if self._file is None else 'open'}>"

    def create(self) -> None:
        """Create the ``.part``, removing a dead one. Raises :class:`SinkLocked` if somebody else writes it now."""
        for _ in range(_TRIES):
            try:
                self._file = self._files.create(self._folder, self._part)
            except FileExistsError:
                self.remove_dead()
                continue
            if self._files.lock(self._file) and self._is_still_named():
                return
            self._close()
        raise self._locked()

    def write(self, data: bytes) -> None:
        """Append ``data``."""
        self._files.write(self._open_file, data)

    @property
    def is_behind(self) -> bool:
        """Whether :meth:`catch_up` should be called before more is written."""
        return self._file is not None and self._files.is_behind(self._file)

    def catch_up(self) -> None:
        """Wait for a file system that takes over later what was written."""
        self._files.catch_up(self._open_file)

    def sync(self) -> None:
        """Put the content on the disk. After a failure the file can only be discarded."""
        self._files.sync(self._open_file)

    def publish(self) -> None:
        """Give the file its name, replacing what has it; the content must be on the disk."""
        if not self._is_still_named():
            raise SinkLocked(f"{self._part} is not the file that was written any more; see what else writes there")
        self._files.rename(self._folder, self._part, self._name)
        self._close()

    def discard(self) -> None:
        """Remove the file if it was not published. Raises nothing that the file system has to say."""
        if self._file is None:
            return
        with suppress(OSError):
            if self._is_still_named():
                self._files.unlink(self._folder, self._part)
        with suppress(OSError):
            self._close()

    @property
    def _open_file(self) -> int:
        if self._file is None:
            raise SinkError(f"{self._part} is not open")
        return self._file

    def _close(self) -> None:
        file, self._file = self._open_file, None
        self._files.close(file)

    def _is_still_named(self) -> bool:
        return _same(self._files, self._folder, self._part, self._open_file)

    def remove_dead(self) -> None:
        """Remove a ``.part`` whose writer has ended.

        Raises :class:`SinkLocked` for one that is written now, :class:`SinkRejected` for what is no file.
        """
        try:
            found = self._files.open_file(self._folder, self._part, os.O_RDWR)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno in NO_FILE:
                raise self._not_ours() from None
            raise
        try:
            if not is_regular(self._files.look_at(found)):
                raise self._not_ours()
            if not self._files.lock(found):
                raise self._locked()
            if _same(self._files, self._folder, self._part, found):
                self._files.unlink(self._folder, self._part)
        finally:
            self._files.close(found)

    def _locked(self) -> SinkLocked:
        return SinkLocked(f"somebody else writes {self._part} now; run again when they have finished")

    def _not_ours(self) -> SinkRejected:
        return SinkRejected(f"{self._part} is no file of ours; move it away")


def _same(files: Files, folder: int, name: str, file: int) -> bool:
    named, opened = files.look(folder, name), files.look_at(file)
    return named is not None and (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)


def sweep(files: Files, folder: int, prefix: str = "") -> None:
    """Remove every dead ``.part`` in an open folder whose name begins with ``prefix``; what is in use stays."""
    for name in files.names(folder):
        if name.startswith(prefix) and name.endswith(_PART):
            remove_dead(files, folder, name.removesuffix(_PART))


def remove_dead(files: Files, folder: int, name: str) -> None:
    """Remove ``NAME.part`` if there is one and nobody writes it any more. Raises nothing: it is in nobody's way."""
    with suppress(OSError, SinkError):
        if files.look(folder, name + _PART) is not None:
            NewFile(files, folder, name).remove_dead()


def write_whole(files: Files, folder: int, name: str, data: bytes) -> None:
    """Write a small file that appears whole or not at all, replacing an older one; the folder is not synced."""
    file = NewFile(files, folder, name)
    try:
        file.create()
        file.write(data)
        file.sync()
        file.publish()
    finally:
        file.discard()
