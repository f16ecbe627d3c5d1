"""One run at a time in a state folder.

``flock`` on ``lock`` in that folder: the kernel drops it when the process dies, however it dies, so nothing is ever
stale. The file stays; its content (the holder's process id) is for people.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from asyncexport.errors import LockHeld, StateError


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
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise StateError(f"state folder {self._path.parent}: {error.strerror}; choose another state_dir") from None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(fd, 20, 0).decode("ascii", "replace").strip()
            os.close(fd)
            message = f"another run (process {holder or 'unknown'}) uses {self._path.parent}; wait for it to end"
            raise LockHeld(message) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd

    def release(self) -> None:
        """Give the lock back, if it is held."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __repr__(self) -> str:
        return f"<StateLock {self._path} {'held' if self._fd is not None else 'free'}>"
