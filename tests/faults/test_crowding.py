"""A client that is limited as a whole finds that out by itself."""

from __future__ import annotations

from tests.faults.crowding import night

PROFILES = 60


async def test_a_limit_for_all_calls_of_a_client() -> None:
    """Few calls are made in vain, nothing is lost, and the night takes little longer than without the limit."""
    free = await night(PROFILES, None)
    limited = await night(PROFILES, 4.0)
    assert (limited.jobs, limited.failed) == (4 * PROFILES, 0)
    assert limited.share <= 0.12
    assert limited.seconds <= 1.3 * free.seconds


async def test_no_such_limit() -> None:
    """Nothing is slowed where nothing is refused."""
    free = await night(PROFILES, None)
    assert (free.failed, free.throttled) == (0, 0)
