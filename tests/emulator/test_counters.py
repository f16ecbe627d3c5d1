"""What is counted."""

from __future__ import annotations

from asyncexport.emulator.counters import Counters


def test_counting_begins_at_nothing_for_each_server() -> None:
    """Two servers share no count."""
    one, other = Counters(), Counters()
    one.requests["token"] += 1
    assert other.requests["token"] == other.bytes_served == 0
