"""One run at a time in a state folder."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from asyncexport.adapters.lock import StateLock, is_held
from asyncexport.errors import LockHeld, StateError

HOLDER = """
import sys
from asyncexport.adapters.lock import StateLock
lock = StateLock(sys.argv[1])
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def open_files() -> set[Path]:
    """The file descriptors that were open before the test."""
    return set(Path("/proc/self/fd").iterdir())


def test_a_folder_that_nobody_uses(tmp_path: Path) -> None:
    """The folder is made for us only, and so is the file, which names the process that holds the lock."""
    lock = StateLock(tmp_path / "deep" / "state")
    lock.acquire()

    folder = tmp_path / "deep" / "state"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "lock").stat().st_mode) == 0o600
    assert (folder / "lock").read_text() == f"{os.getpid()}\n"
    assert repr(lock) == f"<StateLock {folder / 'lock'} held>"
    lock.release()
    assert repr(lock) == f"<StateLock {folder / 'lock'} free>"


def test_two_locks_in_one_process(tmp_path: Path) -> None:
    """A second exporter on the same folder is refused, and may have it once the first has let go."""
    first, second = StateLock(tmp_path), StateLock(str(tmp_path))
    first.acquire()

    with pytest.raises(LockHeld, match=rf"another run \(process {os.getpid()}\) uses .*; wait for it to end"):
        second.acquire()
    first.release()
    second.acquire()
    second.release()


def test_a_lock_that_is_not_held(tmp_path: Path) -> None:
    """Letting go twice, or of what was never held, changes nothing."""
    lock = StateLock(tmp_path)
    lock.release()
    lock.acquire()
    assert repr(lock).endswith("held>")
    lock.release()
    lock.release()
    assert repr(lock).endswith("free>")


def test_another_process(tmp_path: Path) -> None:
    """The lock holds between processes, and falls when its holder is killed: nothing is ever stale."""
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LockHeld, match=rf"\(process {holder.pid}\)"):
            StateLock(tmp_path).acquire()
        holder.kill()
        holder.wait()

    lock = StateLock(tmp_path)
    lock.acquire()
    lock.release()


@pytest.mark.parametrize("content", [b"", b"\x1b[2J", b"12 34", b"\xff", "١٢".encode()])
def test_what_stands_in_a_lock_that_is_held(tmp_path: Path, content: bytes) -> None:
    """Of the file's content only a number is shown: it is input like any other."""
    with (tmp_path / "lock").open("wb+") as held:
        held.write(content)
        held.flush()
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(LockHeld, match=r"\(process unknown\)"):
            StateLock(tmp_path).acquire()


def test_a_longer_content_from_before(tmp_path: Path) -> None:
    """What an earlier holder left is replaced whole."""
    (tmp_path / "lock").write_text("9" * 50)
    lock = StateLock(tmp_path)
    lock.acquire()

    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    lock.release()


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    """What cannot be a folder is refused with its path and what to do."""
    (tmp_path / "state").write_text("")

    with pytest.raises(StateError, match=r"state folder .*/state: File exists; choose another state_dir"):
        StateLock(tmp_path / "state").acquire()


def test_a_lock_that_is_a_symlink(tmp_path: Path) -> None:
    """A symlink in the lock's place is not followed, and what it points to is untouched."""
    (tmp_path / "target").write_text("precious")
    (tmp_path / "lock").symlink_to(tmp_path / "target")

    with pytest.raises(StateError, match="symbolic links; choose another state_dir"):
        StateLock(tmp_path).acquire()
    assert (tmp_path / "target").read_text() == "precious"


def test_a_file_system_that_cannot_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_files: set[Path]) -> None:
    """A file system without locks is told as that, not as another run, and leaves no file open."""

    def flock(*_: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("asyncexport.adapters.lock.fcntl.flock", flock)
    with pytest.raises(StateError, match="No locks available; choose a state_dir whose file system can lock") as caught:
        StateLock(tmp_path).acquire()

    assert not isinstance(caught.value, LockHeld)
    assert set(Path("/proc/self/fd").iterdir()) == open_files


def test_a_lock_that_is_refused(tmp_path: Path, open_files: set[Path]) -> None:
    """A refusal leaves no file open."""
    lock = StateLock(tmp_path)
    lock.acquire()
    with pytest.raises(LockHeld):
        StateLock(tmp_path).acquire()
    lock.release()

    assert set(Path("/proc/self/fd").iterdir()) == open_files


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The content is for people: where it cannot be written the lock holds all the same."""

    def pwrite(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("asyncexport.adapters.lock.os.pwrite", pwrite)
    lock = StateLock(tmp_path)
    lock.acquire()

    with pytest.raises(LockHeld, match=r"\(process unknown\)"):
        StateLock(tmp_path).acquire()
    lock.release()


def test_whether_a_run_is_going_on(tmp_path: Path) -> None:
    """It is told without trying the lock; where there is none, or no list of locks, nothing is going on."""
    lock = StateLock(tmp_path)
    assert not is_held(tmp_path)
    lock.acquire()
    assert is_held(tmp_path)
    assert not is_held(tmp_path, locks=tmp_path / "no-such-list")
    lock.release()
    assert not is_held(tmp_path)
