"""The commit of a file, failed and killed at every operation: whole, or not there, and always to be done again."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from asyncexport.errors import DiskFull, SinkError
from asyncexport.models import Filters
from asyncexport.sinks import JsonLines
from asyncexport.sinks.files.codecs import Compression
from tests.sinks.support import BATCHES, Died, FaultyFiles, order, store, tree

OLDER = order(filters=Filters(states=("ENABLED",)))
ERRORS = {errno.EIO: SinkError, errno.ENOSPC: DiskFull, errno.EACCES: SinkError}


async def scene(root: Path, before: str) -> dict[str, bytes]:
    """Prepare the folder: empty, with an older file of the same job, or with one under another compression."""
    if before != "nothing":
        older: Compression = "zstd" if before == "an older file" else "gzip"
        await store(JsonLines(root, compression=older), OLDER, BATCHES[:1])
    return tree(root)


async def operations(root: Path, before: str) -> int:
    """Return how many operations an undisturbed commit takes."""
    await scene(root, before)
    files = FaultyFiles()
    await store(JsonLines(root, files=files))
    return len(files.log)


async def goal(root: Path) -> dict[str, bytes]:
    """Return the tree that every history must end in."""
    await store(JsonLines(root))
    return tree(root)


def assert_whole(root: Path, *histories: dict[str, bytes]) -> None:
    """Hold that whatever has its final name is, byte for byte, what it was before or shall be."""
    for path, content in tree(root).items():
        if not path.endswith(".part"):
            assert content in [history.get(path) for history in histories], path


SCENES = ["nothing", "an older file", "another compression"]


@pytest.mark.parametrize("before", SCENES)
@pytest.mark.parametrize("power_lost", [False, True])
async def test_killed_at_any_operation_nothing_partial_is_seen(before: str, power_lost: bool, tmp_path: Path) -> None:
    """For every N: the process ends (or the power) before operation N; the next run ends in the very same tree."""
    expected = await goal(tmp_path / "goal")
    for at in range(await operations(tmp_path / "count", before)):
        root = tmp_path / f"{at}"
        older = await scene(root, before)
        files = FaultyFiles(at=at, failure=Died)
        with pytest.raises(Died):
            await store(JsonLines(root, files=files))
        files.end(power_lost=power_lost)
        assert_whole(root, older, expected)
        if await JsonLines(root).find(order()) is None:
            await store(JsonLines(root))
        assert tree(root) == expected


@pytest.mark.parametrize("before", SCENES)
@pytest.mark.parametrize("code", ERRORS)
async def test_failing_at_any_operation_is_a_typed_error(before: str, code: int, tmp_path: Path) -> None:
    """For every N: operation N fails; no ``.part`` and no descriptor stays, and the next run ends in the same tree."""
    expected = await goal(tmp_path / "goal")
    for at in range(await operations(tmp_path / "count", before)):
        root = tmp_path / f"{at}"
        older = await scene(root, before)
        files = FaultyFiles(at=at, failure=code)
        with pytest.raises(ERRORS[code]) as caught:
            await store(JsonLines(root, files=files))
        assert type(caught.value) is ERRORS[code]
        assert not files.opened
        files.end()
        assert not [path for path in tree(root) if path.endswith(".part")]
        assert_whole(root, older, expected)
        await store(JsonLines(root))
        assert tree(root) == expected


async def test_after_a_failed_sync_the_file_is_never_synced_again(tmp_path: Path) -> None:
    """A second fsync may report success for data that was dropped."""
    undisturbed = FaultyFiles()
    await store(JsonLines(tmp_path / "a", files=undisturbed))
    at = next(n for n, (name, _) in enumerate(undisturbed.log) if name == "write") + 1
    while undisturbed.log[at][0] != "sync":
        at += 1
    files = FaultyFiles(at=at)
    with pytest.raises(SinkError, match="Input/output error"):
        await store(JsonLines(tmp_path / "b", files=files))
    assert [name for name, _ in files.log[at + 1 :]] == ["look", "look_at", "unlink"]
    assert tree(tmp_path / "b") == {}


async def test_a_kill_between_the_two_renames_of_a_replacement_is_harmless(tmp_path: Path) -> None:
    """The new record describes a file that is not there yet: nothing is found, and the old file is still ours."""
    undisturbed = FaultyFiles()
    await scene(tmp_path / "count", "an older file")
    await store(JsonLines(tmp_path / "count", files=undisturbed))
    last_rename = max(at for at, (name, _) in enumerate(undisturbed.log) if name == "rename")
    sink, dying = JsonLines(tmp_path / "kill"), FaultyFiles(at=last_rename, failure=Died)
    await scene(tmp_path / "kill", "an older file")
    with pytest.raises(Died):
        await store(JsonLines(tmp_path / "kill", files=dying))
    dying.end()
    assert [await sink.find(wanted) for wanted in (order(), OLDER)] == [None, None]
    receipt = await store(sink)
    assert await sink.find(order()) == receipt
