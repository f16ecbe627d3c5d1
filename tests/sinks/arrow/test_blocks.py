"""Rows held together."""

from __future__ import annotations

import pytest

from asyncexport.batch import Batch
from asyncexport.sinks.arrow import blocks
from asyncexport.sinks.arrow.blocks import Block

ROW = Batch(b'{"a":1}\n', 1)


@pytest.mark.parametrize(("bound", "name"), [(3, "ROWS"), (24, "BLOCK")])
def test_a_block_is_full(bound: int, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its rows or by the bytes of their text."""
    monkeypatch.setattr(blocks, name, bound)
    block = Block()
    assert [block.add(ROW) for _ in range(3)] == [False, False, True]


def test_a_block_is_taken_once() -> None:
    """Then it holds nothing."""
    block = Block()
    assert not block
    block.add(ROW)
    block.add(ROW)
    assert repr(block) == "<Block of 2 rows, 16 bytes>"
    assert block.take() == (ROW.text * 2, 2)
    assert not block
    assert block.take() == (b"", 0)
