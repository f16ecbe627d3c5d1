"""Small nights of the simulation, which are the same every time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from asyncexport.sansio.looks.polling import Schedule
from benchmarks.night.caps import Cap
from benchmarks.night.engine import Engine
from benchmarks.night.figures import Figures, in_use
from benchmarks.night.play import Setting, play
from benchmarks.night.scenarios import SCENARIOS, Scenario, law_of


def a_night(scenario: str = "steady", *, seed: int = 1, **changes: Any) -> Figures:
    """Play a night of a few profiles."""
    _, change = SCENARIOS[scenario]
    setting = Setting(replace(change(Scenario()), **changes), profiles=12, seed=seed)
    return play(setting, Engine(looks=lambda: Schedule(2.0, 1.0, 2.0, jitter=0.0))).figures


def course(figures: Figures) -> Figures:
    """Leave out what is the machine's: processor time, real time, memory."""
    return replace(figures, client_ms=0.0, server_ms=0.0, seconds=0.0, peak_mib=0.0)


def test_a_seed_is_a_night() -> None:
    """The same seed takes the same course, another one another."""
    assert course(a_night()) == course(a_night())
    assert a_night(seed=2).lines != a_night().lines


def test_a_night_of_constant_times_by_hand() -> None:
    """Twelve exports of 9 s through 5 slots, looked at every 2 s: three rounds, each seen in the fifth look."""
    figures = a_night(law=law_of("constant:9"))
    one_round = 0.05 + 5 * (2.0 + 0.05)
    assert {line.exports for line in figures.lines} == {12}
    assert figures.looks == pytest.approx(5.0)
    assert [line.wall for line in figures.lines] == pytest.approx([3 * one_round] * 4)
    assert [line.bound for line in figures.lines] == pytest.approx([12 * 9.0 / 5] * 4)
    assert figures.late == pytest.approx(5 * 2.05 - 9.0)
    assert figures.ratio == pytest.approx(3 * one_round / 21.6)


@pytest.mark.parametrize("name", ["shut-out", "throttled", "lost-answers", "outage"])
def test_a_night_of_trouble(name: str) -> None:
    """Trouble is met, and every job has an outcome."""
    changes: dict[str, dict[str, Any]] = {"outage": {"away": (10.0, 40.0)}, "lost-answers": {"lost": 0.2}}
    figures = a_night(name, **changes.get(name, {}))
    assert figures.jobs == 48
    assert figures.failed == 0
    assert figures.lines != a_night().lines
    assert (figures.other_429s > 0) == (name in {"shut-out", "throttled"})
    assert (figures.orphans > 0) == (name == "lost-answers")


@pytest.mark.parametrize("how", ["refused", "503", "timeout"])
def test_how_an_outage_looks(how: str) -> None:
    """Whatever the absence looks like, the exports are collected afterwards."""
    figures = a_night("outage", away=(10.0, 25.0), away_as=how)
    assert figures.failed == 0
    assert max(line.wall for line in figures.lines) > 25.0


def test_a_cap_that_moves_is_in_the_bound() -> None:
    """Fewer slots put the bound up; the server's cap is what the bound is reckoned with."""
    calm, moved = a_night(), a_night(cap=Cap.parse("5,1@10"))
    assert sum(line.bound for line in moved.lines) > 1.5 * sum(line.bound for line in calm.lines)
    assert moved.cap_429s > 0 == calm.cap_429s


def test_no_more_slots_are_in_use_than_there_are() -> None:
    """The staircase of the slots in use ends at nought and never rises above the cap."""
    night = play(Setting(profiles=12), Engine())
    assert max(level for _, level in night.in_use) == 4 * 5
    assert night.in_use[-1][1] == 0
    assert in_use([], {}) == []


@pytest.mark.parametrize("text", ["lognormal:15:1", "lognormal:15:1:0.96", "constant:3", "bimodal:1:60:0.2", "pareto"])
def test_a_law_is_read(text: str) -> None:
    """A law is its name and its numbers."""
    assert law_of(text).seconds(1, "7/ads", 0) > 0


def test_an_unknown_law() -> None:
    """The message says which laws there are."""
    with pytest.raises(ValueError, match="lognormal"):
        law_of("normal:3")
