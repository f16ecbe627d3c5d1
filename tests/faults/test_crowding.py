"""A client that is limited as a whole finds that out by itself."""

from __future__ import annotations

import asyncio
from functools import cache

import pytest

from tests.faults.crowding import Night, night

PROFILES = 60


@cache
def free(seed: int) -> Night:
    """Return the night without a limit."""
    return asyncio.run(night(PROFILES, None, seed=seed))


@pytest.mark.parametrize(("since", "seed"), [(60.0, 1), (0.0, 1), (0.0, 3)])
def test_a_limit_for_all_calls_of_a_client(since: float, seed: int) -> None:
    """Few calls are made in vain, nothing is lost, and the night takes little longer than without the limit.

    That also holds where the first 429s come before any look, so that they may be taken for those of the cap.
    """
    limited = asyncio.run(night(PROFILES, 4.0, since=since, seed=seed))
    assert (limited.jobs, limited.failed) == (4 * PROFILES, 0)
    assert limited.share <= 0.12
    assert limited.seconds <= 1.4 * free(seed).seconds


def test_no_such_limit() -> None:
    """Nothing is slowed where nothing is refused."""
    assert (free(1).failed, free(1).throttled) == (0, 0)
