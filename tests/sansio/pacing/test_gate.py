"""How fast calls may go to one host."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport.sansio.pacing.gate import Gate, Pace
from tests.support import steady


def used(pace: float, seconds: float = 120.0) -> Gate:
    """Return a gate that so many calls a second have passed, until a time of ``seconds``."""
    gate = Gate(lambda: 1.0)
    for at in range(int(pace * seconds)):
        assert gate.wait(at / pace) == 0.0
    return gate


def passing(gate: Gate, since: float, until: float, step: float = 0.01) -> list[float]:
    """Return when calls pass that come all the time."""
    count = round((until - since) / step)
    return [now for now in (since + at * step for at in range(count)) if gate.wait(now) == 0.0]


def test_an_open_gate() -> None:
    """It keeps nobody waiting, however many come at once."""
    gate = Gate(lambda: 0.5)
    assert gate.is_open
    assert not any(gate.wait(1.0) for _ in range(1000))
    assert gate.next_in(1.0) == 0.0


def test_a_closed_gate() -> None:
    """Single probes pass, at distances that double from two seconds to half a minute."""
    gate = Gate(lambda: 1.0 - 2**-53)
    gate.close(100.0)
    assert not gate.is_open
    assert gate.wait(100.0) == pytest.approx(2.0)

    assert gate.next_in(101.0) == pytest.approx(1.0)

    passed = passing(gate, 100.0, 250.0)
    assert passed == pytest.approx([102.0, 106.0, 114.0, 130.0, 160.0, 190.0, 220.0], abs=0.06)


def test_probes_of_several_programs() -> None:
    """Their distances differ by up to a half, so that they do not come together."""
    passed = []
    for fraction in (0.0, 0.5):
        gate = Gate(lambda fraction=fraction: fraction)  # type: ignore[misc]
        gate.close(0.0)
        passed.append(passing(gate, 0.0, 60.0)[:3])
    assert passed == [pytest.approx([1.0, 3.0, 7.0], abs=0.05), pytest.approx([1.5, 4.5, 10.5], abs=0.05)]


def test_half_an_hour() -> None:
    """It costs less than seventy probes if they are as close as may be half the time."""
    gate = Gate(lambda: 0.5)
    gate.close(0.0)
    assert 60 <= len(passing(gate, 0.0, 1800.0, step=0.1)) <= 85


def test_a_gate_that_is_ajar() -> None:
    """Those who waited pass one by one, at half the pace of before; it doubles in ten seconds and goes on to do so."""
    gate = used(pace=10.0)
    gate.close(120.0)
    passing(gate, 120.0, 1000.0, step=0.5)
    gate.open(1000.0)

    passed = passing(gate, 1000.0, 1030.0, step=0.001)
    in_first, in_second, in_third = (sum(a <= at < a + 2.0 for at in passed) for a in (1000.0, 1010.0, 1020.0))
    assert in_first == pytest.approx(10, abs=2)
    assert in_second == pytest.approx(20, abs=4)
    assert in_third == pytest.approx(40, abs=7)
    assert not gate.is_open


def test_a_gate_that_has_been_ajar_for_long() -> None:
    """When the pace is far above what is needed, it is open."""
    gate = used(pace=10.0)
    gate.close(120.0)
    gate.open(200.0)
    gate.wait(200.0)
    assert gate.wait(300.0) == 0.0
    assert gate.is_open


def test_a_second_outage_right_after_the_first() -> None:
    """The pace of before the first one is not forgotten."""
    gate = used(pace=10.0)
    gate.close(120.0)
    gate.open(1000.0)
    gate.close(1001.0)
    gate.open(3000.0)
    assert len(passing(gate, 3000.0, 3002.0)) == pytest.approx(10, abs=2)


def test_a_host_that_was_hardly_used() -> None:
    """One call a second is never too much."""
    gate = Gate(lambda: 0.5)
    gate.wait(0.0)
    gate.close(500.0)
    gate.open(600.0)
    assert gate.wait(600.0) == 0.0
    assert gate.wait(600.0) == pytest.approx(2.0)


@steady
@given(st.floats(1.5, 200.0), st.floats(5.0, 500.0))
def test_any_steady_pace(pace: float, seconds: float) -> None:
    """It is seen as what it is, soon and late."""
    counted = Pace()
    for at in range(int(pace * seconds)):
        counted.count(at / pace)
    assert counted.rate == pytest.approx(pace, rel=0.05)


def test_a_pace_that_changes() -> None:
    """After some minutes only the new one is known."""
    counted = Pace()
    assert counted.rate == 1.0
    for at in range(600):
        counted.count(at / 10)
    for at in range(600):
        counted.count(60 + at / 2)
    assert counted.rate == pytest.approx(2.0, rel=0.1)


@steady
@given(st.lists(st.tuples(st.sampled_from(["close", "open", "call"]), st.floats(0, 100)), max_size=60))
def test_waiting_as_long_as_it_says(steps: list[tuple[str, float]]) -> None:
    """Whoever waits that long passes, whatever has happened before."""
    gate, now = Gate(lambda: 0.7), 0.0
    for what, seconds in steps:
        now += seconds
        if what == "close":
            gate.close(now)
        elif what == "open":
            gate.open(now)
        elif wait := gate.wait(now):
            now += wait
            assert gate.wait(now) == 0.0


def test_a_gate_in_words() -> None:
    """It says how it stands."""
    gate = used(pace=5.0)
    assert repr(gate) == "<Gate open, 5.0 calls a second>"
    gate.close(120.0)
    assert repr(gate).startswith("<Gate closed")
    gate.open(120.0)
    assert repr(gate).startswith("<Gate ajar")
