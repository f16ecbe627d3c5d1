"""Nobody starves behind profiles that are throttled."""

from __future__ import annotations

from tests.faults.fairness import THROTTLED_SHARE, night


async def test_all_finish_and_nobody_waits_three_times_the_median() -> None:
    """30 % of calls throttled, 5 % of profiles shut out for ten minutes: everybody finishes, in fair time, in order.

    The night is a good deal longer than those ten minutes, since nobody can help a profile that is shut out.
    """
    figures = await night(profiles=300, seed=1)
    assert figures.jobs == 1200
    assert figures.failed == 0
    assert figures.throttled > figures.jobs * THROTTLED_SHARE
    assert figures.too_early == 0
    assert figures.cap_429s == 0
    assert figures.unfairness <= 3.0
