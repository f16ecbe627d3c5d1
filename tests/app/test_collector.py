"""The collector works less inside a command, and as before after it."""

from __future__ import annotations

import gc

import pytest

from asyncexport.app.collector import YOUNG, collecting_seldom


def test_the_collector_looks_less_often_and_not_at_what_was_there() -> None:
    """Inside the block the young are many, and what was there is frozen; afterwards all is as it was, also by error."""
    before, frozen = gc.get_threshold(), gc.get_freeze_count()

    with pytest.raises(ZeroDivisionError), collecting_seldom():
        inside, frozen_inside = gc.get_threshold(), gc.get_freeze_count()
        raise ZeroDivisionError
    assert inside == (YOUNG, *before[1:])
    assert frozen_inside > frozen
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_garbage_inside_the_block_goes() -> None:
    """Objects in cycles are collected as soon as there are enough of them."""
    with collecting_seldom():
        for _ in range(2 * YOUNG):
            cycle: list[object] = []
            cycle.append(cycle)
        assert gc.get_count()[0] < 2 * YOUNG
