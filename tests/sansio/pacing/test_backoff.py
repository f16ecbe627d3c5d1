"""When to try again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport import errors
from asyncexport.errors import AsyncexportError, ConnectError, ProtocolError, RequestRejected, ServerError, Throttled
from asyncexport.sansio.pacing.backoff import Attempts, Backoff, RetryBudget, is_held_back, is_passing, stretched
from tests.support import steady

PASSING = {"Throttled", "ServerError", "ConnectError", "ConnectionLost", "Stalled", "ProtocolError", "TooManyOpenFiles"}

FRACTIONS = st.floats(0, 1, exclude_max=True)
POLICIES = st.builds(Backoff, first=st.floats(0.01, 100), longest=st.floats(0.01, 1000), attempts=st.integers(1, 30))


@pytest.mark.parametrize("kind", [getattr(errors, name) for name in errors.__all__])
def test_what_passes(kind: type[AsyncexportError]) -> None:
    """Throttling, server errors, lost connections and garbled answers pass; a bad certificate and all else do not."""
    assert is_passing(kind("m")) == (kind.__name__ in PASSING)


def test_a_foreign_exception() -> None:
    """What is not ours is never tried again."""
    assert not is_passing(OSError("reset"))
    assert not is_passing(KeyboardInterrupt())


def test_what_was_never_sent() -> None:
    """A Throttled without a status is our own limiter's; whatever came over the wire has one."""
    assert is_held_back(Throttled("m", retry_after=3.0))
    assert not is_held_back(Throttled("m", status=429, retry_after=3.0))
    assert not is_held_back(ServerError("m"))


@steady
@given(POLICIES, st.data())
def test_delays(policy: Backoff, data: st.DataObject) -> None:
    """There is a delay between any two attempts, evenly from nothing to a ceiling that doubles up to the longest."""
    fractions = [data.draw(FRACTIONS) for _ in range(policy.attempts - 1)]
    attempts = Attempts(policy, iter(fractions).__next__)

    for tried, fraction in enumerate(fractions):
        assert attempts.failed(ServerError("m")) == fraction * min(policy.longest, policy.first * 2.0**tried)
    assert attempts.failed(ServerError("m")) is None


def test_delays_by_default() -> None:
    """By default the ceilings go from one second to a minute, and there are ten attempts."""
    policy = Backoff()

    assert [policy.ceiling(tried) for tried in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert policy.attempts == 10


def test_the_ceiling_after_very_many_failures() -> None:
    """However many failures there were, the ceiling is a number."""
    assert Backoff(attempts=10**6).ceiling(10**6) == 60.0


@pytest.mark.parametrize(
    ("error", "tried", "garbled", "over"),
    [
        (ServerError("m"), 1, 0, False),
        (ServerError("m"), 9, 1, False),
        (ServerError("m"), 10, 0, True),
        (ConnectError("m"), 9, 0, False),
        (RequestRejected("m"), 1, 0, True),
        (errors.TlsError("m"), 1, 0, True),
        (ProtocolError("m"), 1, 1, False),
        (ProtocolError("m"), 5, 1, False),
        (ProtocolError("m"), 5, 2, True),
        (ProtocolError("m"), 10, 1, True),
    ],
)
def test_when_a_call_is_given_up(error: AsyncexportError, tried: int, garbled: int, over: bool) -> None:
    """A call ends with the last attempt, with what does not pass, and with the second garbled answer."""
    assert Backoff().gives_up(error, tried=tried, garbled=garbled) is over


def test_when_refusals_end_a_call() -> None:
    """They have a bound of their own, twenty by default, besides that of the attempts."""
    assert not Backoff().gives_up(Throttled("m"), tried=9, refused=19)
    assert Backoff().gives_up(Throttled("m"), tried=0, refused=20)
    assert Backoff(refusals=3).gives_up(Throttled("m"), tried=0, refused=3)


def test_a_policy_that_takes_garbled_answers_never_again() -> None:
    """Without patience for garbled answers other faults are tried again as before."""
    policy = Backoff(garbled=0)

    assert policy.gives_up(ProtocolError("m"), tried=1, garbled=1)
    assert not policy.gives_up(ServerError("m"), tried=1, garbled=0)


@steady
@given(st.floats(0, 100), st.floats(0, 10**9), FRACTIONS)
def test_a_delay_that_the_server_asked_for(delay: float, asked: float, fraction: float) -> None:
    """What the server asked for is obeyed in full, and lengthened by at most a second so that not all come at once."""
    wait = stretched(delay, Throttled("m", retry_after=asked), lambda: fraction)

    assert max(delay, asked) <= wait <= max(delay, asked) + min(1.0, 0.1 * asked)


def test_a_delay_that_nobody_asked_for() -> None:
    """Without a Retry-After the delay is the policy's own."""
    assert stretched(3.0, ServerError("m"), lambda: 0.9) == 3.0
    assert stretched(3.0, ConnectError("m"), lambda: 0.9) == 3.0


@steady
@given(st.floats(0.01, 1), st.integers(1, 50), st.lists(st.booleans(), max_size=300))
def test_a_budget(ratio: float, reserve: int, calls: list[bool]) -> None:
    """Retries never exceed the reserve and their share of the first tries."""
    budget = RetryBudget(ratio, float(reserve))
    firsts = retries = 0
    for is_first in calls:
        if is_first:
            budget.earn()
            firsts += 1
        else:
            retries += budget.spend()

    assert retries <= reserve + firsts * ratio + 1e-6


def test_a_budget_that_is_spent() -> None:
    """An empty budget says so, and a few first tries fill it again, never above the reserve."""
    budget = RetryBudget(ratio=0.5, reserve=2.0)

    assert [budget.spend() for _ in range(3)] == [True, True, False]
    budget.earn()
    assert not budget.spend()
    for _ in range(10):
        budget.earn()
    assert repr(budget) == "<RetryBudget 2.0 of 2 left>"
    assert [budget.spend() for _ in range(3)] == [True, True, False]


def test_the_attempts_of_a_call() -> None:
    """Between them lie the delays of the policy, a Retry-After at least; after the last there is none."""
    attempts = Attempts(Backoff(attempts=3), lambda: 0.5)

    assert attempts.failed(ServerError("m")) == 0.5
    assert attempts.failed(ServerError("m", retry_after=7.0)) == 7.35
    assert attempts.failed(ServerError("m")) is None


def test_429s_that_do_not_say_when_to_come_back() -> None:
    """They use up no attempt and have a bound of their own; the delays grow with all failures together."""
    attempts = Attempts(Backoff(attempts=2, refusals=4), lambda: 0.5)

    assert [attempts.failed(Throttled("m")) for _ in range(2)] == [0.5, 1.0]
    assert attempts.failed(ServerError("m")) == 2.0
    assert attempts.failed(Throttled("m", retry_after=0.5)) == 4.025
    assert attempts.failed(Throttled("m")) is None


def test_attempts_among_429s() -> None:
    """However many 429s came between, the last attempt is the last."""
    attempts = Attempts(Backoff(attempts=2), lambda: 0.5)

    assert attempts.failed(ServerError("m")) is not None
    assert [attempts.failed(Throttled("m")) is None for _ in range(19)] == [False] * 19
    assert attempts.failed(ServerError("m")) is None


def test_429s_that_say_when_to_come_back() -> None:
    """They are obeyed for as long as the caller's deadline lets them, and use up no attempt."""
    attempts = Attempts(Backoff(attempts=2), lambda: 0.5)

    assert [attempts.failed(Throttled("m", retry_after=30.0)) for _ in range(20)] == [30.5] * 20
    assert attempts.failed(ServerError("m")) == 0.5
    assert attempts.failed(ServerError("m")) is None


def test_failures_that_are_excused() -> None:
    """They use up no attempt, and lie further and further apart."""
    attempts = Attempts(Backoff(attempts=2, longest=4.0), lambda: 0.5)

    assert [attempts.excused() for _ in range(5)] == [0.5, 1.0, 2.0, 2.0, 2.0]
    assert attempts.failed(ServerError("m")) == 0.5
    assert attempts.failed(ServerError("m")) is None


def test_a_failure_for_good() -> None:
    """It is the last attempt, as is the second garbled answer, whatever came between."""
    assert Attempts(Backoff(), lambda: 0.5).failed(RequestRejected("m")) is None
    attempts = Attempts(Backoff(), lambda: 0.5)
    assert attempts.failed(ProtocolError("m")) is not None
    assert attempts.failed(ServerError("m")) is not None
    assert attempts.failed(ProtocolError("m")) is None


def test_attempts_that_begin_anew() -> None:
    """Failures that were nobody's fault are forgotten; garbled answers are not."""
    attempts = Attempts(Backoff(attempts=3), lambda: 0.5)
    attempts.failed(ProtocolError("m"))
    attempts.failed(ServerError("m"))
    attempts.begin_anew()

    assert repr(attempts) == "<Attempts 0 of 3>"
    assert attempts.failed(ServerError("m")) == 0.5
    assert attempts.failed(ProtocolError("m")) is None
