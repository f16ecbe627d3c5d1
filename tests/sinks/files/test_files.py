"""Files that appear whole or not at all, and paths that lead nowhere else."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from asyncexport.errors import SinkError, SinkLocked, SinkRejected
from asyncexport.sinks.files.disk import Files
from asyncexport.sinks.files.files import NewFile, make_path, open_path, write_whole
from tests.sinks.support import FaultyFiles

FILES = Files()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    """An open folder."""
    opened = FILES.open_root(str(tmp_path))
    yield opened
    FILES.close(opened)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_file_gets_its_name_when_it_is_published(folder: int, tmp_path: Path) -> None:
    """Until then there is only a ``.part``, afterwards only the file."""
    file = NewFile(FILES, folder, "data")
    file.create()
    file.write(b"content")
    file.sync()
    assert names(tmp_path) == ["data.part"]
    file.publish()
    assert names(tmp_path) == ["data"]
    assert (tmp_path / "data").read_bytes() == b"content"


def test_publishing_replaces_the_older_file(folder: int, tmp_path: Path) -> None:
    """The name always means a whole file, the older or the newer."""
    (tmp_path / "data").write_bytes(b"old")
    write_whole(FILES, folder, "data", b"new")
    assert (tmp_path / "data").read_bytes() == b"new"


def test_a_discarded_file_leaves_nothing(folder: int, tmp_path: Path) -> None:
    """Discarding removes the ``.part``, may be repeated, and does nothing to a published file."""
    file = NewFile(FILES, folder, "data")
    file.discard()
    file.create()
    file.discard()
    file.discard()
    assert names(tmp_path) == []
    write_whole(FILES, folder, "data", b"kept")
    assert names(tmp_path) == ["data"]


def test_a_dead_part_is_removed(folder: int, tmp_path: Path) -> None:
    """What a killed process left is replaced, not appended to."""
    (tmp_path / "data.part").write_bytes(b"half of an older fi")
    write_whole(FILES, folder, "data", b"new")
    assert (tmp_path / "data").read_bytes() == b"new"
    assert names(tmp_path) == ["data"]


def test_a_part_that_is_being_written_is_locked(folder: int, tmp_path: Path) -> None:
    """The second writer is told; the first one is not disturbed."""
    first, second = NewFile(FILES, folder, "data"), NewFile(FILES, folder, "data")
    first.create()
    first.write(b"first")
    with pytest.raises(SinkLocked, match=r"data\.part"):
        second.create()
    second.discard()
    first.publish()
    assert (tmp_path / "data").read_bytes() == b"first"


def test_a_part_that_somebody_swapped_is_not_published(folder: int, tmp_path: Path) -> None:
    """What is renamed is what was written, or nothing."""
    file = NewFile(FILES, folder, "data")
    file.create()
    (tmp_path / "data.part").unlink()
    (tmp_path / "data.part").write_bytes(b"not ours")
    with pytest.raises(SinkLocked):
        file.publish()
    file.discard()
    assert names(tmp_path) == ["data.part"], "what is not ours is not removed either"


class Contested(Files):
    """Another process takes each new ``.part`` for a dead one and removes it before we have locked it.

    It still has it locked when we try, or not any more.
    """

    def __init__(self, folder: Path, *, still_locked: bool, times: int) -> None:
        self.folder = folder
        self.still_locked = still_locked
        self.times = times
        self.rivals: list[int] = []

    def create(self, folder: int, name: str) -> int:
        file = super().create(folder, name)
        if len(self.rivals) < self.times:
            self.rivals.append(os.open(self.folder / name, os.O_RDWR))
            fcntl.flock(self.rivals[-1], fcntl.LOCK_EX if self.still_locked else fcntl.LOCK_UN)
            (self.folder / name).unlink()
        return file

    def end(self) -> None:
        for rival in self.rivals:
            os.close(rival)


@pytest.mark.parametrize("still_locked", [True, False])
def test_a_race_that_is_lost_is_run_again(still_locked: bool, folder: int, tmp_path: Path) -> None:
    """A ``.part`` that somebody removed under our hands is made anew, never published from nowhere."""
    contested = Contested(tmp_path, still_locked=still_locked, times=3)
    write_whole(contested, folder, "data", b"new")
    contested.end()
    assert (tmp_path / "data").read_bytes() == b"new"


def test_a_race_that_is_always_lost_ends(folder: int, tmp_path: Path) -> None:
    """However unlucky the timing, creating is tried a few times and then refused."""
    contested = Contested(tmp_path, still_locked=True, times=100)
    with pytest.raises(SinkLocked):
        NewFile(contested, folder, "data").create()
    assert len(contested.rivals) == 8
    contested.end()


class Vanishing(Files):
    """The file in the way is gone when it is looked at; the next try finds the place free."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open_file(self, folder: int, name: str, access: int = os.O_RDONLY) -> int:
        (self.folder / name).unlink()
        return super().open_file(folder, name, access)


def test_a_part_that_vanishes_is_no_obstacle(folder: int, tmp_path: Path) -> None:
    """Another writer may have finished in between."""
    (tmp_path / "data.part").touch()
    write_whole(Vanishing(tmp_path), folder, "data", b"new")
    assert names(tmp_path) == ["data"]


class Swapped(Files):
    """The dead part is replaced by somebody's new one between opening and locking it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.swaps = 0

    def lock(self, file: int) -> bool:
        if self.swaps == 0:
            (self.folder / "data.part").unlink()
            (self.folder / "data.part").write_bytes(b"newer")
        self.swaps += 1
        return super().lock(file)


def test_a_part_that_is_swapped_while_it_is_looked_at_is_looked_at_again(folder: int, tmp_path: Path) -> None:
    """Only the file that is locked is removed under its name."""
    (tmp_path / "data.part").touch()
    files = Swapped(tmp_path)
    write_whole(files, folder, "data", b"new")
    assert files.swaps == 3
    assert names(tmp_path) == ["data"]


@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_what_is_no_file_is_not_removed(kind: str, folder: int, tmp_path: Path) -> None:
    """A link, a folder or a pipe under the name of the ``.part`` is somebody's, and is left alone."""
    target, part = tmp_path / "target", tmp_path / "data.part"
    target.write_bytes(b"precious")
    match kind:
        case "link":
            part.symlink_to(target)
        case "folder":
            part.mkdir()
        case _:
            os.mkfifo(part)
    with pytest.raises(SinkRejected):
        NewFile(FILES, folder, "data").create()
    assert part.is_symlink() or part.exists()
    assert target.read_bytes() == b"precious"


def test_an_error_while_looking_at_a_part_is_itself(folder: int, tmp_path: Path) -> None:
    """Only what cannot be a file of ours is called that."""
    (tmp_path / "data.part").touch()
    with pytest.raises(OSError, match="Input/output error"):
        NewFile(FaultyFiles(at=1), folder, "data").create()


def test_a_failing_discard_keeps_quiet(folder: int) -> None:
    """Cleaning up must not hide what went wrong before."""
    file = NewFile(FaultyFiles(at=4), folder, "data")
    file.create()
    file.discard()
    assert repr(file) == "<NewFile data closed>"


def test_a_file_that_is_not_open_cannot_be_written() -> None:
    """Steps out of order are a typed error."""
    file = NewFile(FILES, 0, "data")
    assert repr(file) == "<NewFile data closed>"
    with pytest.raises(SinkError, match="not open"):
        file.write(b"x")


def test_repr_says_whether_it_is_open(folder: int) -> None:
    """One line."""
    file = NewFile(FILES, folder, "data")
    file.create()
    assert repr(file) == "<NewFile data open>"
    file.discard()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o277])
def test_rights_do_not_hang_on_the_umask(umask: int, tmp_path: Path) -> None:
    """Files are 0600 and folders 0700 for every usual umask."""
    before = os.umask(umask)
    try:
        folder = make_path(FILES, str(tmp_path / "root"), ()) if umask != 0o277 else FILES.open_root(str(tmp_path))
        write_whole(FILES, folder, "data", b"")
        FILES.close(folder)
    finally:
        os.umask(before)
    made = tmp_path / "root" if umask != 0o277 else tmp_path
    assert mode(made / "data") == 0o600
    assert mode(made) == 0o700


def test_missing_folders_are_made_and_synced(tmp_path: Path) -> None:
    """Every new name is synced in its parent, and a folder that is there is taken as it is."""
    files = FaultyFiles()
    files.close(make_path(files, str(tmp_path / "a" / "b"), ("c", "d")))
    assert (tmp_path / "a" / "b" / "c" / "d").is_dir()
    assert [name for name, _ in files.log].count("sync") == 4
    again = FaultyFiles()
    again.close(make_path(again, str(tmp_path / "a" / "b"), ("c", "d")))
    assert "sync" not in [name for name, _ in again.log]
    assert not files.opened | again.opened


def test_a_path_that_is_not_there_is_not_made_by_looking(tmp_path: Path) -> None:
    """Looking raises what the system says and leaves nothing open."""
    files = FaultyFiles()
    with pytest.raises(FileNotFoundError):
        open_path(files, str(tmp_path), ("a", "b"))
    assert not files.opened
    assert names(tmp_path) == []


@pytest.mark.parametrize("link", [True, False])
def test_no_link_is_followed_below_the_root(link: bool, tmp_path: Path) -> None:
    """A link or a file where a folder should be is refused by name; the root itself may be a link."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "elsewhere")
    way = tmp_path / "elsewhere" / "entity=ads"
    way.symlink_to(tmp_path) if link else way.touch()
    files = FaultyFiles()
    for enter in (open_path, make_path):
        with pytest.raises(SinkRejected, match="entity=ads"):
            enter(files, str(tmp_path / "root"), ("entity=ads", "x"))
    assert not files.opened


@pytest.mark.parametrize("at", range(1, 9))
def test_no_folder_stays_open_when_making_a_path_fails(at: int, tmp_path: Path) -> None:
    """Whichever operation fails, descriptors are given back."""
    files = FaultyFiles(at=at)
    with pytest.raises(OSError, match="Input/output error"):
        files.close(make_path(files, str(tmp_path / "a"), ("c", "d")))
    assert not files.opened


def test_a_path_without_any_root_is_an_error() -> None:
    """The search for a folder that exists ends at the top."""

    class Nowhere(Files):
        def open_root(self, path: str) -> int:
            raise FileNotFoundError(path)

    with pytest.raises(FileNotFoundError):
        make_path(Nowhere(), "/a/b", ())
