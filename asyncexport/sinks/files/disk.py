"""The file system, as few operations as a sink needs: one method each, so that tests can make any of them fail.

Contract: names are looked up in an open folder, never by path, so that nothing is followed or swapped on the way;
links are never followed; what is created is 0600 (files) and 0700 (folders) whatever the umask. Methods block, raise
``OSError`` and keep no state, so that ``Files`` can be pickled with the sink that uses it.
:func:`failing_as_sink_error` turns the errors into the library's.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from asyncexport.errors import AsyncexportError, DiskFull, SinkError
from asyncexport.sansio.scarcity import no_descriptor

_FILE_MODE = 0o600
_FOLDER_MODE = 0o700
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NO_LOCKS_HERE = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})


class Storage:
    """What a place of files is besides its operations: whether other processes reach it, and whether it lags behind."""

    @property
    def travels(self) -> bool:
        """Whether a pickled copy in another process stores where this one does."""
        return True

    def identity(self, path: str) -> str:
        """Return what all paths of one place have in common."""
        return os.path.realpath(path)

    def is_behind(self, file: int) -> bool:  # noqa: ARG002 - the answer of those that never are
        """Whether :meth:`catch_up` should be called, in a thread, before more is written to an open file."""
        return False

    def catch_up(self, file: int) -> None:
        """Wait until most of what was written to an open file has been taken over."""


class Files(Storage):
    """The real file system. Folders and files are open descriptors, names are single path components."""

    def open_root(self, path: str) -> int:
        """Open a folder by path; the user's own path may lead over links."""
        return os.open(path, _FOLDER)

    def is_absent(self, path: str) -> bool:
        """Whether nothing can stand below ``path``, wherever links lead."""
        try:
            os.stat(path)  # noqa: PTH116
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            return False
        return False

    def open_folder(self, parent: int, name: str) -> int:
        """Open a folder inside a folder, unless it is a link or no folder."""
        return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=parent)

    def make_folder(self, parent: int, name: str) -> bool:
        """Create a folder, 0700; return whether it was not there before."""
        try:
            os.mkdir(name, _FOLDER_MODE, dir_fd=parent)
        except FileExistsError:
            return False
        return True

    def create(self, folder: int, name: str) -> int:
        """Create a file, 0600, that must not exist; open it for writing."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(name, flags, _FILE_MODE, dir_fd=folder)
        try:
            os.fchmod(file, _FILE_MODE)
        except BaseException:
            os.close(file)
            with suppress(OSError):
                os.unlink(name, dir_fd=folder)
            raise
        return file

    def open_file(self, folder: int, name: str, access: int = os.O_RDONLY) -> int:
        """Open a file that exists; a pipe does not block."""
        return os.open(name, access | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)

    def names(self, folder: int) -> list[str]:
        """Return what stands in an open folder."""
        return os.listdir(folder)

    def look(self, folder: int, name: str) -> os.stat_result | None:
        """Return what stands under ``name`` itself, None for nothing."""
        try:
            return os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def look_at(self, file: int) -> os.stat_result:
        """Return what an open file is."""
        return os.fstat(file)

    def lock(self, file: int) -> bool:
        """Lock an open file for as long as it stays open; return False if somebody else has it locked.

        A file system without locks counts as locked by us.
        """
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in _NO_LOCKS_HERE:
                raise
        return True

    def read(self, file: int, limit: int) -> bytes:
        """Read at most ``limit`` bytes from the beginning."""
        with open(file, "rb", buffering=0, closefd=False) as stream:
            return stream.read(limit)

    def digest(self, file: int) -> str:
        """Return the SHA-256 of the whole file, in hex."""
        with open(file, "rb", buffering=0, closefd=False) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def write(self, file: int, data: bytes) -> None:
        """Write everything, however many calls it takes."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(file, rest) :]

    def sync(self, file: int) -> None:
        """Make the content of a file, or the names in a folder, survive a power loss. Never called again on failure."""
        os.fsync(file)

    def rename(self, folder: int, old: str, new: str) -> None:
        """Give a file another name in the same folder, replacing what has it."""
        os.rename(old, new, src_dir_fd=folder, dst_dir_fd=folder)

    def unlink(self, folder: int, name: str) -> None:
        """Remove a name."""
        os.unlink(name, dir_fd=folder)

    def close(self, file: int) -> None:
        """Close a file or a folder."""
        os.close(file)

    def free(self, folder: int) -> int:
        """Return how many bytes may still be written by this user."""
        room = os.fstatvfs(folder)
        return room.f_bavail * room.f_frsize


def is_regular(found: os.stat_result) -> bool:
    """Return whether this is a plain file: no link, folder, pipe or device."""
    return stat.S_ISREG(found.st_mode)


@contextmanager
def failing_as_sink_error(path: str | Path, doing: str) -> Iterator[None]:
    """Turn an ``OSError`` into a :class:`SinkError` or :class:`TooManyOpenFiles` that names path, cause and fix."""
    try:
        yield
    except OSError as error:
        raise sink_error(error, path, doing) from None


def sink_error(error: OSError, path: str | Path, doing: str) -> AsyncexportError:
    """Return the library's error for it: :class:`DiskFull`, :class:`SinkError` or :class:`TooManyOpenFiles`."""
    if (scarcity := no_descriptor(error, f"{doing} {path} failed")) is not None:
        return scarcity
    code = error.errno or 0
    reason, fix = os.strerror(code), _FIXES.get(code, "see to the file system, then run again")
    kind = DiskFull if code in _FULL else SinkError
    return kind(f"{doing} {path} failed: {reason}; {fix}")


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

_FIXES = {
    errno.ENOSPC: "free some space or choose another folder, then run again",
    errno.EDQUOT: "free some of the quota or choose another folder, then run again",
    errno.EFBIG: "raise the limit for the size of a file (ulimit -f), then run again",
    errno.EACCES: "let this user write there or choose another folder",
    errno.EPERM: "let this user write there or choose another folder",
    errno.EROFS: "choose a folder that can be written",
    errno.ENOENT: "something removed it while it was in use; run again",
    errno.ENOTDIR: "a folder was expected there; move what is in the way or choose another folder",
    errno.EIO: "the disk reports an error; check it, then run again",
    errno.ENAMETOOLONG: "choose a folder with a shorter path",
}
