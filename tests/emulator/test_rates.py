"""Token buckets per profile."""

from __future__ import annotations

import pytest

from asyncexport.emulator.rates import Buckets


def test_the_burst_passes_and_the_next_is_told_to_wait() -> None:
    """A full bucket lets a burst pass at once; the next call is told when there will be one."""
    buckets = Buckets(2.0, 3)
    assert [buckets.take("a", 0.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert buckets.take("a", 0.0) == pytest.approx(0.5)
    assert buckets.take("a", 0.5) == 0.0


def test_refused_calls_cost_nothing() -> None:
    """Asking while the bucket is empty does not put the next call off."""
    buckets = Buckets(1.0, 1)
    buckets.take("a", 0.0)
    assert all(buckets.take("a", 0.5) for _ in range(10))
    assert buckets.take("a", 1.0) == 0.0


def test_profiles_do_not_share_a_bucket() -> None:
    """One that calls too often leaves the others alone."""
    buckets = Buckets(1.0, 1)
    buckets.take("a", 0.0)
    assert buckets.take("b", 0.0) == 0.0
    assert buckets.take("a", 0.0) > 0


def test_a_bucket_never_holds_more_than_the_burst() -> None:
    """A long silence saves up no more than one burst."""
    buckets = Buckets(10.0, 2)
    buckets.take("a", 0.0)
    assert [bool(buckets.take("a", 1_000.0)) for _ in range(3)] == [False, False, True]


def test_without_a_rate_everything_passes() -> None:
    """None stands for no limit."""
    assert not any(Buckets(None, 1).take("a", 0.0) for _ in range(100))
