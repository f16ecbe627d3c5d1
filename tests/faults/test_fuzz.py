"""The decoder against ``gzip`` and ``json`` on damaged exports: refused if and only if they refuse, else the same rows.

These are the same examples in every run; ``make fuzz`` searches for others, guided by coverage.
"""

from __future__ import annotations

import gzip

from hypothesis import given
from hypothesis import strategies as st

from asyncexport.emulator.records.data import EMPTY_EXPORT
from tests.faults.oracle import judge
from tests.support import steady

TEXT = (
    b'[{"campaignId":"1","name":"\xc3\xbc \\ud83d\\ude00","bid":0.5,"tags":[{"a":"},{"}]},'
    b'\n {"id":12345678901234567890},"{\\"a\\":1}"]'
)
FILES = (gzip.compress(TEXT, mtime=0), gzip.compress(TEXT[:40], mtime=0) + gzip.compress(TEXT[40:]), EMPTY_EXPORT, TEXT)
STEPS = st.sampled_from([1, 7, 65_536])
EDITS = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 3), st.binary(max_size=3)), min_size=1, max_size=4)


def edited(data: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    """Return ``data`` with some stretches replaced."""
    for at, removed, put in edits:
        place = at % (len(data) + 1)
        data = data[:place] + put + data[place + removed :]
    return data


@steady
@given(st.sampled_from(FILES), EDITS, STEPS)
def test_a_damaged_file(data: bytes, edits: list[tuple[int, int, bytes]], step: int) -> None:
    """Bytes of the file replaced, removed, put in."""
    judge(edited(data, edits), step)


@steady
@given(EDITS, STEPS)
def test_a_good_file_of_damaged_text(edits: list[tuple[int, int, bytes]], step: int) -> None:
    """Bytes of the text replaced, removed, put in, and all of it packed well."""
    judge(gzip.compress(edited(TEXT, edits), mtime=0), step)


@steady
@given(st.binary(max_size=60), STEPS)
def test_any_bytes(data: bytes, step: int) -> None:
    """Whatever they are, packed or not."""
    judge(data, step)
    judge(gzip.compress(data, mtime=0), step)
