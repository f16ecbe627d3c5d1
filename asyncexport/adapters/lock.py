"""One run at a time in a state folder.

``flock`` on ``lock`` in that folder: the kernel drops it when the process dies, however it dies, so nothing is ever
stale. The file stays; its content (the holder's process id) is for people.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import suppress
from pathlib import Path

from asyncexport.adapters.folders import make_private
from asyncexport.errors import LockHeld, StateError

_HELD = re.compile(r"FLOCK +ADVISORY +WRITE +\S+ +[0-9a-f]+:[0-9a-f]+:([0-9]+) ")


class StateLock:
    """The lock of ``state_dir``, held from :meth:`acquire` to :meth:`release`. Makes the folder, for us only."""

    def __init__(self, state_dir: str | os.PathLike[str]) -> None:
        self._path = Path(state_dir) / "lock"
        self._fd: int | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises :class:`LockHeld` at once if another run has it, :class:`StateError` if the folder cannot be used.
        """
        try:
            make_private(self._path.parent)
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise StateError(f"state folder {self._path.parent}: {error.strerror}; choose another state_dir") from None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            refusal = self._refusal(fd, error)
            os.close(fd)
            raise refusal from None
        self._fd = fd
        _sign(fd)

    def release(self) -> None:
        """Give the lock back, if it is held."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _refusal(self, fd: int, error: OSError) -> StateError:
        folder = self._path.parent
        if not isinstance(error, BlockingIOError):
            return StateError(f"state folder {folder}: {error.strerror}; choose a state_dir whose file system can lock")
        holder = os.pread(fd, 20, 0).strip()
        process = holder.decode("ascii") if holder.isdigit() else "unknown"
        return LockHeld(f"another run (process {process}) uses {folder}; wait for it to end")

    def __repr__(self) -> str:
        return f"<StateLock {self._path} {'held' if self._fd is not None else 'free'}>"


def is_held(state_dir: str | os.PathLike[str], locks: str | os.PathLike[str] = "/proc/locks") -> bool:
    """Tell whether a run, of this process or another, has the lock of ``state_dir`` now; False where nobody can say.

    The kernel's list is read, because to try the lock would refuse it to a run that begins in that moment.
    """
    try:
        inode = os.lstat(Path(state_dir) / "lock").st_ino
        held = Path(locks).read_text("ascii")
    except (OSError, ValueError):
        return False
    return any(int(found[1]) == inode for found in _HELD.finditer(held))


def _sign(fd: int) -> None:
    """Leave the process id for people. A full disk is no reason not to hold the lock."""
    with suppress(OSError):
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
