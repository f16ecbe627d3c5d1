"""What was aimed at, and whether it is reached."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.night.engine import Engine
from benchmarks.night.play import Setting, play
from benchmarks.night.reach import Claim, Played, claims, large_claims, night
from benchmarks.night.scenarios import SCENARIOS


def test_a_claim_holds_up_to_its_target() -> None:
    """What is reached may be the target itself, and the line says so or says no."""
    assert Claim("looks", 12, 12.0).holds
    assert not Claim("looks", 12, 12.01).holds
    assert Claim("looks", 12, 12.01, ".2f").row == ["looks", "<= 12.00", "12.01", "**no**"]


def test_every_claim_is_of_the_nights_that_were_played() -> None:
    """Figures are medians, refusals and failures the worst there was."""
    figures = play(Setting(profiles=6), Engine()).figures
    calm = {name: [replace(figures, looks=looks) for looks in (1.0, 5.0, 50.0)] for name in SCENARIOS}
    found = {claim.what: claim for claim in claims(Played(calm))}
    assert found["first night: looks per export"].reached == 5.0
    assert found["cap unknown: wall / bound beyond the first night's"].reached == 0.0
    assert found["outage of 30 minutes: requests, times the steady night's"].reached == 1.0

    bad = {**calm, "outage": [figures, replace(figures, failed=3, cap_429s=8)]}
    found = {claim.what: claim for claim in claims(Played(bad))}
    assert found["jobs without their rows, all scenarios"].reached == 3
    assert not found["cap told: 429s from the cap, most in a night"].holds


def test_scheduling_is_what_the_calls_do_not_cost() -> None:
    """A night in which nothing is decided is taken off."""
    figures = play(Setting(profiles=6), Engine()).figures
    memory, scheduling = large_claims(
        replace(figures, client_ms=2.5, peak_mib=150.0), replace(figures, client_ms=2.0), figures.jobs
    )
    assert (memory.reached, scheduling.reached) == (150.0, 0.5)
    assert "24 jobs" in memory.what


def test_a_night_is_played_by_name() -> None:
    """Scenario, size, seed and strategy are words and numbers, so that a process of its own can play it."""
    assert night("steady", 6, 1, "fixed:5").jobs == 24
