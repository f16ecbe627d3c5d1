"""A token bucket that learns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport.sansio.pacing.bucket import Bucket
from tests.support import steady

RATES = st.floats(0.05, 1000)
BURSTS = st.integers(1, 50)


def grants(bucket: Bucket, now: float) -> int:
    """Take until there is nothing more at ``now``."""
    count = 0
    while bucket.take(now) == 0.0:
        count += 1
    return count


@steady
@given(RATES, BURSTS, st.lists(st.floats(0, 20), max_size=60))
def test_any_sequence_of_calls(rate: float, burst: int, steps: list[float]) -> None:
    """Whenever it is asked, it has never granted more than the burst and what flowed in since."""
    bucket, now, granted = Bucket(rate, burst), 0.0, 0
    for step in steps:
        now += step
        granted += bucket.take(now) == 0.0
        assert granted <= burst + rate * now + 1e-6


@steady
@given(
    RATES, BURSTS, st.lists(st.tuples(st.floats(0, 5), st.sampled_from(["take", "429", "429 5", "ok"])), max_size=60)
)
def test_any_sequence_of_answers(rate: float, burst: int, steps: list[tuple[float, str]]) -> None:
    """429s and successes in any order keep the rate between its floor and the promise, and nothing flows in a pause."""
    bucket, now, granted, paused_until = Bucket(rate, burst), 0.0, 0, 0.0
    for step, what in steps:
        now += step
        if what == "take":
            is_granted = bucket.take(now) == 0.0
            assert not (is_granted and now < paused_until)
            granted += is_granted
        elif what == "ok":
            bucket.succeeded(now)
        else:
            asked = 5.0 if what == "429 5" else None
            bucket.throttled(now, asked)
            paused_until = max(paused_until, now + (asked or 0.0))
        assert rate / 50 * (1 - 1e-9) <= bucket.rate <= rate
        assert granted <= burst + rate * now + 1e-6


@steady
@given(RATES, BURSTS, st.floats(0, 1e10))
def test_waiting_as_long_as_it_says(rate: float, burst: int, start: float) -> None:
    """Whoever waits as long as it says gets a permit after a few rounds, early or late in a clock's life."""
    bucket, now = Bucket(rate, burst), start
    grants(bucket, now)
    for _ in range(200):
        wait = bucket.take(now)
        if wait == 0.0:
            break
        assert now + wait > now
        now += wait
    else:
        pytest.fail("no permit came")


def test_a_burst() -> None:
    """A full bucket gives its burst at once and then one permit every 1/rate seconds."""
    bucket = Bucket(rate=4.0, burst=3)

    assert grants(bucket, 10.0) == 3
    assert bucket.take(10.0) == 0.25
    assert bucket.take(10.125) == 0.125
    assert bucket.take(10.25) == 0.0
    assert bucket.take(10.25) == 0.25


def test_a_long_silence() -> None:
    """Permits that nobody takes do not pile up beyond the burst."""
    bucket = Bucket(rate=10.0, burst=2)
    grants(bucket, 0.0)

    assert grants(bucket, 1_000_000.0) == 2


def test_a_429() -> None:
    """A 429 empties the bucket and halves the rate."""
    bucket = Bucket(rate=4.0, burst=5)

    bucket.throttled(0.0)

    assert bucket.rate == 2.0
    assert bucket.take(0.0) == 0.5


def test_several_429s_of_one_burst() -> None:
    """429s within a second count as one; the next one after it counts again."""
    bucket = Bucket(rate=8.0, burst=5)

    for now in (0.0, 0.1, 0.9):
        bucket.throttled(now)
    assert bucket.rate == 4.0
    bucket.throttled(1.0)
    assert bucket.rate == 2.0


def test_429s_without_end() -> None:
    """The rate never falls below a fiftieth of the promise, so that recovery is always noticed."""
    bucket = Bucket(rate=5.0, burst=5)

    for second in range(100):
        bucket.throttled(float(second))

    assert bucket.rate == pytest.approx(0.1)


def test_429s_to_calls_from_before_the_last_slow_down() -> None:
    """They say nothing new, however late they come: neither the rate nor the permits since then are taken away."""
    bucket = Bucket(rate=8.0, burst=5)
    bucket.throttled(10.0, sent_at=9.0)
    bucket.throttled(12.0, sent_at=9.5)
    assert bucket.rate == 4.0
    assert bucket.take(12.0) == 0.0

    bucket.throttled(12.0, 30.0, sent_at=9.5)
    assert (bucket.rate, bucket.pause(12.0)) == (4.0, 30.0)
    bucket.throttled(12.5, sent_at=10.5)
    assert bucket.rate == 2.0


def test_successes_after_a_429() -> None:
    """Each second of quiet but the first wins back a twentieth of the promise, when a success has ended it."""
    bucket = Bucket(rate=10.0, burst=5)
    bucket.throttled(0.0)

    for now, rate in ((0.5, 5.0), (1.0, 5.0), (3.0, 6.0), (3.0, 6.0), (5.0, 7.0), (100.0, 10.0), (200.0, 10.0)):
        bucket.succeeded(now)
        assert bucket.rate == pytest.approx(rate)


def test_a_429_in_the_quiet() -> None:
    """It begins the quiet anew, also if it does not slow down any more."""
    bucket = Bucket(rate=10.0, burst=5)
    bucket.throttled(0.0)
    bucket.throttled(0.5)
    bucket.succeeded(1.5)
    assert bucket.rate == 5.0
    bucket.succeeded(2.5)
    assert bucket.rate == pytest.approx(5.5)


def test_a_pause_is_no_quiet() -> None:
    """While nothing may be sent nothing is learned: the quiet counts from the end of the pause."""
    bucket = Bucket(rate=10.0, burst=5)
    bucket.throttled(0.0, retry_after=60.0)
    bucket.succeeded(1.0)
    bucket.succeeded(60.0)
    assert bucket.rate == 5.0
    bucket.succeeded(62.0)
    assert bucket.rate == pytest.approx(6.0)


def test_a_pause() -> None:
    """Nothing is granted before the end of a pause, and nothing flows in while it lasts."""
    bucket = Bucket(rate=2.0, burst=5)
    bucket.throttled(100.0, retry_after=30.0)

    assert bucket.take(100.0) == 30.0
    assert bucket.take(129.0) == 1.0
    assert bucket.take(130.0) == 1.0
    assert grants(bucket, 132.0) == 2


def test_a_shorter_pause_within_a_longer_one() -> None:
    """The longest of all pauses counts; a Retry-After of nothing shortens none."""
    bucket = Bucket(rate=1.0, burst=1)
    bucket.throttled(0.0, retry_after=60.0)
    bucket.throttled(10.0, retry_after=5.0)
    bucket.throttled(11.0, retry_after=0.0)

    assert bucket.pause(20.0) == 40.0
    assert bucket.take(20.0) == 40.0
    assert bucket.pause(60.0) == bucket.pause(99.0) == 0.0


def test_a_bucket_that_was_never_paused() -> None:
    """Without a Retry-After there is no pause."""
    bucket = Bucket(rate=1.0, burst=1)
    bucket.throttled(5.0)

    assert bucket.pause(5.0) == 0.0


def test_how_long_several_would_wait() -> None:
    """It says when the last of them would have a permit, a pause before all else, and takes none."""
    bucket = Bucket(rate=2.0, burst=3)

    assert [bucket.wait(0.0, permits) for permits in (1, 3, 5)] == [0.0, 0.0, pytest.approx(1.0)]
    bucket.throttled(0.0, retry_after=10.0)
    assert bucket.wait(4.0, 2) == pytest.approx(6.0 + 2.0)
    assert bucket.take(10.0) == 1.0


def test_a_bucket_in_words() -> None:
    """It says what is left and what it believes."""
    bucket = Bucket(rate=5.0, burst=5)
    bucket.take(0.0)
    bucket.throttled(0.0)

    assert repr(bucket) == "<Bucket 0.0/5 permits, 2.50 of 5.00 a second>"


def test_a_429_where_429s_are_common() -> None:
    """One alone slows nobody; so many in a row that chance hardly brings them do, and each further one does."""
    bucket = Bucket(rate=8.0, burst=5)

    rates = []
    for second in range(6):
        bucket.throttled(float(second), chance=0.3)
        rates.append(bucket.rate)
    assert rates == [8.0, 8.0, 8.0, 4.0, 2.0, 1.0]


def test_a_success_between_429s_where_429s_are_common() -> None:
    """The row is over: counting begins anew."""
    bucket = Bucket(rate=8.0, burst=5)

    for second in range(9):
        bucket.throttled(float(second), chance=0.3)
        if second % 3 == 2:
            bucket.succeeded(float(second))
    assert bucket.rate == 8.0
    assert bucket.take(8.0) == 0.0


def test_a_retry_after_where_429s_are_common() -> None:
    """It speaks of this profile: it is obeyed in full, and slows."""
    bucket = Bucket(rate=8.0, burst=5)

    bucket.throttled(0.0, 30.0, chance=0.9)
    assert bucket.rate == 4.0
    assert bucket.take(0.0) == 30.0
