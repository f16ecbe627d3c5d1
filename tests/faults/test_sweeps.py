"""Monsters are refused with flat memory, and no damaged real export is accepted; the rest is ``make sweeps``."""

from __future__ import annotations

import pytest

from tests.faults.sweeps import (
    ALLOWED_GROWTH,
    CASES,
    decoded_text,
    flips,
    in_a_process,
    judged,
    prefixes,
    real_export,
)

DATA = real_export(rows=8)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.quick])
def test_a_monster(name: str) -> None:
    """It ends in its typed error, and resident memory grows by less than 32 MiB."""
    found = in_a_process(name)
    assert found.error == CASES[name].error
    assert found.growth < ALLOWED_GROWTH


def test_every_beginning_of_a_real_export() -> None:
    """A file as the API serves it, cut anywhere, is refused."""
    assert judged(prefixes(DATA), b"", 65_536) == (len(DATA), 0)


def test_every_flipped_bit_of_a_real_export() -> None:
    """One bit turned round is refused, or stands where nothing hangs on it: time, level or system in the header."""
    refused, same = judged(flips(DATA), decoded_text(DATA, len(DATA)), 65_536)
    assert refused + same == 8 * len(DATA)
    assert same <= 8 * 6 + 1
