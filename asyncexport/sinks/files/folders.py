"""What a sink of files does in its folder besides the files of exports: manifests, trying it, knowing it again.

Contract: a manifest stands whole or not at all. Functions block and raise :class:`SinkError`, :class:`DiskFull` or
:class:`TooManyOpenFiles`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from asyncexport.errors import DiskFull, SinkError
from asyncexport.sinks.files.disk import Files, failing_as_sink_error
from asyncexport.sinks.files.files import NewFile, make_path, sweep, write_whole
from asyncexport.sinks.files.places import joined
from asyncexport.sinks.labels import check_label

MANIFESTS = "_runs"
_PROBE = "_probe-"
_MARK = "_mark-"


def keep_manifest(files: Files, root: str, name: str, manifest: bytes) -> str:
    """Store a run's manifest as ``root/_runs/NAME.json``; return its path."""
    file = check_label(name, what="manifest name") + ".json"
    path = joined(root, MANIFESTS, file)
    with failing_as_sink_error(path, "storing the manifest"):
        folder = make_path(files, root, (MANIFESTS,))
        try:
            sweep(files, folder)
            write_whole(files, folder, file, manifest)
            files.sync(folder)
        finally:
            files.close(folder)
    return path


def prepare_folder(files: Files, root: str, *, needed: int = 0) -> int:
    """Create the folder if it is not there, prove that it can be written, return the bytes that are free in it.

    Raises :class:`DiskFull` also if fewer than ``needed`` bytes are free.
    """
    free = _prove_writable(files, root)
    if free < needed:
        raise DiskFull(f"{root} has {free} bytes left and {needed} are needed; free some space first")
    return free


def _prove_writable(files: Files, root: str) -> int:
    with failing_as_sink_error(root, "preparing"):
        folder = make_path(files, root, ())
        try:
            sweep(files, folder, _PROBE)
            _write_probe(files, folder)
            return files.free(folder)
        finally:
            files.close(folder)


def leave_mark(files: Files, root: str, mark: str) -> Callable[[], None]:
    """Leave a mark in the folder, creating what is missing of it; return what takes it away."""
    with failing_as_sink_error(root, "marking"):
        folder = make_path(files, root, ())
        sweep(files, folder, _MARK)
        file = NewFile(files, folder, _MARK + mark)
        try:
            file.create()
        except BaseException:
            files.close(folder)
            raise

    def take_away() -> None:
        file.discard()
        files.close(folder)

    return take_away


def see_mark(files: Files, root: str, mark: str) -> None:
    """Raise :class:`SinkError` if this is not the folder where the mark is, or it cannot be written."""
    with failing_as_sink_error(root, "looking for a mark in"):
        try:
            folder = files.open_root(root)
        except FileNotFoundError:
            raise SinkError(f"{root} is not there") from None
        try:
            if files.look(folder, f"{_MARK}{mark}.part") is None:
                raise SinkError(f"{root} is there, but is another folder")
            _write_probe(files, folder)
        finally:
            files.close(folder)


def _write_probe(files: Files, folder: int) -> None:
    """Write a file under a name that nobody else takes: processes in containers often have the same number."""
    probe = NewFile(files, folder, _PROBE + secrets.token_hex(8))
    try:
        probe.create()
        probe.write(b"?")
    finally:
        probe.discard()
