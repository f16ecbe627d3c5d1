"""The commit of a file when the power goes: in every state that its syncs allow, nothing partial is taken for whole.

The states are those of :mod:`tests.faults.power`. In each, whatever has a final name is whole, ``find`` gives the
receipt of what is there or nothing, and storing again ends in the very same tree (C6).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from asyncexport.sinks import JsonLines
from asyncexport.sinks.files.codecs import Compression
from tests.faults.power import RecordedFiles, Tree
from tests.sinks.support import order, store, tree
from tests.sinks.test_jsonl_faults import SCENES, assert_whole, scene


async def recorded(
    root: Path, before: str, compression: Compression, files: type[RecordedFiles] = RecordedFiles
) -> RecordedFiles:
    """Commit once over what was there before, and record it."""
    record = files(str(root), await scene(root, before))
    await store(JsonLines(root, compression=compression, files=record))
    return record


def put(root: Path, content: Tree) -> None:
    """Make the world real."""
    for path, text in content.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(text)


@pytest.mark.parametrize("compression", ["zstd", "none"])
@pytest.mark.parametrize("before", SCENES)
async def test_the_power_may_go_at_any_moment(
    before: str, compression: Compression, tmp_path: Path, figure: Callable[[str], None]
) -> None:
    """For every state that a power loss may leave: nothing partial, and storing again ends as if nothing had been."""
    await store(JsonLines(tmp_path / "goal", compression=compression))
    expected = tree(tmp_path / "goal")
    record = await recorded(tmp_path / "record", before, compression)
    worlds = list(record.worlds())
    figure(f"{len(worlds)} states after {len(record.steps)} operations")
    assert len(worlds) > 10
    for number, world in enumerate(worlds):
        root = tmp_path / f"{number}"
        put(root, world)
        assert_whole(root, dict(record.before), expected)
        sink = JsonLines(root, compression=compression)
        receipt = await sink.find(order())
        assert receipt is None or expected.items() <= tree(root).items()
        if receipt is None:
            await store(sink)
        assert tree(root) == expected


@pytest.mark.parametrize("before", SCENES)
async def test_what_was_acknowledged_survives(before: str, tmp_path: Path) -> None:
    """Once the commit has returned there is only one state left."""
    record = await recorded(tmp_path / "record", before, "zstd")
    assert list(record.worlds(len(record.steps))) == [tree(tmp_path / "record")]


class Unsynced(RecordedFiles):
    """Files whose content nobody syncs: the defect that the model must see."""

    def sync(self, file: int) -> None:
        """Sync folders only."""
        if isinstance(self._open[file], str):
            super().sync(file)


async def test_the_model_sees_a_missing_sync(tmp_path: Path) -> None:
    """Without the fsync before the rename some states have a final name for half a file."""
    record = await recorded(tmp_path / "record", "nothing", "zstd", Unsynced)
    final = "entity=campaigns/snapshot=night/profile_id=123/part-0.jsonl.zst"
    whole = tree(tmp_path / "record")[final]
    assert {world[final] for world in record.worlds() if final in world} > {whole}
