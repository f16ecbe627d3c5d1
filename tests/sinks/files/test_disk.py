"""The file system's operations, and its errors in our words."""

from __future__ import annotations

import errno
import os
import pickle
from pathlib import Path

import pytest

from asyncexport.errors import DiskFull, SinkError, TooManyOpenFiles
from asyncexport.sinks.files.disk import Files, failing_as_sink_error, is_regular

FILES = Files()


def test_it_can_be_pickled() -> None:
    """It keeps no state, so a sink that holds it can travel to a worker."""
    assert isinstance(pickle.loads(pickle.dumps(FILES)), Files)  # noqa: S301 - our own bytes


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may take less than it was given."""
    folder = FILES.open_root(str(tmp_path))
    file = FILES.create(folder, "data")
    real = os.write
    monkeypatch.setattr(os, "write", lambda target, data: real(target, bytes(data[:3])))
    FILES.write(file, b"0123456789")
    FILES.close(file)
    FILES.close(folder)
    assert (tmp_path / "data").read_bytes() == b"0123456789"


def test_a_file_whose_rights_cannot_be_set_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its descriptor nor its name is left."""
    closed: list[int] = []
    real = os.close

    def close(file: int) -> None:
        closed.append(file)
        real(file)

    def refuse(_file: int, _mode: int) -> None:
        raise PermissionError

    folder = FILES.open_root(str(tmp_path))
    monkeypatch.setattr(os, "close", close)
    monkeypatch.setattr(os, "fchmod", refuse)
    with pytest.raises(PermissionError):
        FILES.create(folder, "data")
    assert len(closed) == 1
    assert list(tmp_path.iterdir()) == []
    FILES.close(folder)


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_locks_counts_as_locked(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where locks do not exist, nobody can hold one against us."""

    def refuse(_file: int, _how: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("fcntl.flock", refuse)
    assert FILES.lock(0)


def test_another_error_of_a_lock_is_an_error() -> None:
    """Only the absence of locks is forgiven."""
    with pytest.raises(OSError, match="Bad file descriptor"):
        FILES.lock(10**6)


def test_free_space_is_in_bytes(tmp_path: Path) -> None:
    """What the user may still write."""
    folder = FILES.open_root(str(tmp_path))
    room = os.statvfs(tmp_path)
    assert 0 < FILES.free(folder) <= room.f_blocks * room.f_frsize
    FILES.close(folder)


def test_only_a_plain_file_is_regular(tmp_path: Path) -> None:
    """Links, folders and pipes are not."""
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    folder = FILES.open_root(str(tmp_path))
    found = {name: FILES.look(folder, name) for name in ("file", "link", "pipe", ".", "nothing")}
    FILES.close(folder)
    assert [name for name, what in found.items() if what and is_regular(what)] == ["file"]
    assert found["nothing"] is None


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_no_space_left_has_its_own_error(code: int) -> None:
    """Space, quota and file size end the run, so they are told apart."""
    with (
        pytest.raises(DiskFull, match=r"writing /data failed: .*; (free|raise)"),
        failing_as_sink_error("/data", "writing"),
    ):
        raise OSError(code, "")


@pytest.mark.parametrize(
    "code",
    [
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR),
        *(errno.EIO, errno.ENAMETOOLONG, errno.EBUSY, 0),
    ],
)
def test_every_other_error_names_path_cause_and_fix(code: int) -> None:
    """What failed, why, and what a person can do."""
    with pytest.raises(SinkError) as caught, failing_as_sink_error("/data", "opening"):
        raise OSError(code, "secret")
    assert type(caught.value) is SinkError
    what, fix = str(caught.value).split("; ", 1)
    assert what == f"opening /data failed: {os.strerror(code)}"
    assert fix
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE])
def test_want_of_descriptors_is_no_fault_of_the_sink(code: int) -> None:
    """It passes by itself, so it has its own error."""
    with (
        pytest.raises(TooManyOpenFiles, match=r"opening /data failed: .*open"),
        failing_as_sink_error("/data", "opening"),
    ):
        raise OSError(code, "secret")


def test_an_error_without_a_number_is_mapped_too() -> None:
    """Not every OSError has an errno."""
    with pytest.raises(SinkError), failing_as_sink_error("/data", "opening"):
        raise OSError


def test_what_cannot_be_there(tmp_path: Path) -> None:
    """Only what is certain not to be there is absent: what a name or a right keeps from being seen is looked for."""
    files = Files()
    (tmp_path / "file").touch()
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing")

    assert [files.is_absent(str(tmp_path / name)) for name in ("file", "")] == [False, False]
    assert [files.is_absent(str(tmp_path / name)) for name in ("missing", "file/below", "nowhere")] == [True] * 3
    assert files.is_absent(str(tmp_path / ("x" * 300))) is False
