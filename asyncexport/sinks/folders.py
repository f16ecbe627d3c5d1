"""What a sink of files does in its folder besides the files of exports: manifests of runs, and trying the folder.

Contract: a manifest stands whole or not at all. Functions block and raise :class:`SinkError`, :class:`DiskFull` or
:class:`TooManyOpenFiles`.
"""

from __future__ import annotations

import os

from asyncexport.errors import DiskFull
from asyncexport.sinks.disk import Files, failing_as_sink_error
from asyncexport.sinks.files import NewFile, make_path, sweep, write_whole
from asyncexport.sinks.labels import check_label
from asyncexport.sinks.places import joined

MANIFESTS = "_runs"
_PROBE = "_probe-"


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
            probe = NewFile(files, folder, f"{_PROBE}{os.getpid()}")
            try:
                probe.create()
                probe.write(b"?")
            finally:
                probe.discard()
            return files.free(folder)
        finally:
            files.close(folder)
