"""The tree of files whatever their format: one that holds all rows until the end is whole or not there, too."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from asyncexport.batch import Batch
from asyncexport.errors import SinkError
from asyncexport.models import TransferOrder
from asyncexport.sinks import JsonLines, ObjectStore
from asyncexport.sinks.files.tree import Tree, TreeWriter
from tests.sinks.support import BATCHES, FOLDER, TEXT, FaultyFiles, order, store, tree

FILE = f"{FOLDER}/part-0.jsonl"


@dataclass(frozen=True, slots=True)
class Backwards(Tree):
    """A format that is known when the last row is: the rows in the opposite order."""

    broken: bool = False

    @property
    def suffix(self) -> str:
        return ".jsonl"

    def _writer(self, order: TransferOrder) -> BackwardsWriter:
        return BackwardsWriter(self, order, broken=self.broken)


class BackwardsWriter(TreeWriter):
    def __init__(self, sink: Tree, order: TransferOrder, *, broken: bool) -> None:
        super().__init__(sink, order)
        self._lines: list[bytes] = []
        self._broken = broken

    async def _store(self, batch: Batch) -> None:
        self._lines += batch.text.splitlines(keepends=True)

    def _flush(self) -> None:
        if self._broken:
            raise ValueError("this format has no end")
        self._append(b"".join(reversed(self._lines)))


async def test_what_a_format_holds_until_the_end_is_in_the_file(tmp_path: Path) -> None:
    """Its bytes are those that the receipt speaks of, and that are found again."""
    receipt = await store(Backwards(tmp_path), order(), BATCHES)
    content = (tmp_path / FILE).read_bytes()
    assert content == b"".join(reversed(TEXT.splitlines(keepends=True)))
    assert receipt.bytes == len(content)
    assert await Backwards(tmp_path).find(order()) == receipt


async def test_a_format_that_breaks_at_the_end_commits_nothing(tmp_path: Path) -> None:
    """What stood before stands afterwards, and nothing beside it."""
    await store(JsonLines(tmp_path, compression="none"), order(), BATCHES)
    before = tree(tmp_path)
    with pytest.raises(ValueError, match="no end"):
        await store(Backwards(tmp_path, broken=True), order(), BATCHES)
    assert tree(tmp_path) == before


async def test_a_failing_operation_never_leaves_half_a_file(tmp_path: Path) -> None:
    """For every N: operation N fails; a final name is there with all rows or not at all, and no ``.part`` is."""
    undisturbed = FaultyFiles()
    await store(Backwards(tmp_path / "count", files=undisturbed), order(), BATCHES)
    undisturbed.end()
    whole = b"".join(reversed(TEXT.splitlines(keepends=True)))
    failed = 0
    for at in range(len(undisturbed.log)):
        root, files = tmp_path / f"{at}", FaultyFiles(at=at)
        root.mkdir()
        try:
            await store(Backwards(root, files=files), order(), BATCHES)
        except SinkError:
            failed += 1
        files.end()
        found = tree(root)
        assert found.get(FILE, whole) == whole
        assert not any(name.endswith("part-0.jsonl.part") for name in found)
    assert failed > len(undisturbed.log) // 2


def test_a_url_is_in_an_object_store() -> None:
    """It gets one that looks its credentials up by itself, and then stays in this process."""
    assert isinstance(JsonLines("s3://bucket/x").files, ObjectStore)
    assert (JsonLines("s3://bucket/x").travels, JsonLines("exports").travels) == (False, True)
