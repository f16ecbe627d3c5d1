"""Ten thousand schedules in every run: nothing lost, nothing doubled, nothing altered, whatever the weather."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from asyncexport.emulator.records.drawing import BEFORE, CHOICES
from asyncexport.emulator.records.words import parse_word
from tests.faults.bench import profiles_of
from tests.faults.dooms import DOOMS
from tests.faults.plans import Plan, Way, draw, splits
from tests.faults.schedules import Failure, Figures, report, run_seeds, spread

COUNT = 10_000
FIRST = 1
PROCESSES = os.cpu_count() or 2


@pytest.mark.timeout("1200")  # two minutes on two idle cores; a busy machine is no reason to call it hanging
def test_ten_thousand_schedules_hold_every_promise(figure: Callable[[str], None]) -> None:
    """Every schedule passes every checker, and together they reach every word and every doom there is."""
    began = time.monotonic()
    figures = spread(range(FIRST, FIRST + COUNT), processes=PROCESSES)
    told = report(figures, time.monotonic() - began)
    figure(told)
    assert figures.schedules == COUNT, told
    assert not figures.failures, told
    assert set(figures.dooms) == set(map(str, DOOMS))
    assert {word for word in drawable() if not figures.faults[word]} == set()
    assert figures.kinds["with a split"], told


def drawable() -> set[str]:
    """Return stage and name of every word that the weather of a schedule can hold."""
    return {
        f"{choice.stage} {parse_word(word, choice.stage).name}"
        for choice in (*BEFORE, *CHOICES)
        for word in choice.words.split()
    } | {f"download {name}" for name in ("ignore-range", "wrong-range", "change-etag")}


def test_a_seed_draws_one_schedule() -> None:
    """The same seed gives the same schedule in any process; neighbours differ."""
    plans = [draw(seed, profiles_of) for seed in range(50)]
    assert plans == [draw(seed, profiles_of) for seed in range(50)]
    assert len({str(plan) for plan in plans}) == 50


def test_every_kind_of_schedule_is_drawn() -> None:
    """Weather, dooms, failing sinks, every way of leaving, files, journals, second runs and splits all come up."""
    plans = [draw(seed, profiles_of) for seed in range(1_000)]
    kinds = {(plan.must_succeed, plan.files, plan.journal, plan.resumes) for plan in plans}
    assert {(True, False, False, False), (True, True, True, False), (False, True, True, True)} <= kinds
    assert {plan.leaving.way for plan in plans if plan.leaving is not None} == set(Way)
    split = [plan for plan in plans if any(map(splits, plan.faults))]
    assert len({(bool(plan.doom), bool(plan.trouble), bool(plan.leaving)) for plan in split}) == 4
    assert len({plan.trouble.operation for plan in plans if plan.trouble is not None}) == 16


def test_a_failing_schedule_says_what_it_was_and_how_to_replay_it() -> None:
    """The report holds the plan in words, what is wrong, and a command."""
    plan: Plan = next(plan for plan in (draw(seed, profiles_of) for seed in range(99)) if plan.faults)
    told = report(Figures(schedules=1, failures=[Failure(str(plan), plan.seed, ("a row was lost",))]), 1.0)
    assert str(plan.faults[0]) in told
    assert "! a row was lost" in told
    assert f"make faults N=1 SEED={plan.seed}" in told


async def test_a_schedule_that_cannot_be_judged_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error in the bench or in a checker is a failure of that schedule, never a silent pass."""

    def broken(_: object) -> list[str]:
        raise ZeroDivisionError

    monkeypatch.setattr("tests.faults.schedules.judge", broken)
    figures = await run_seeds(range(2), tmp_path)
    assert [failure.seed for failure in figures.failures] == [0, 1]
    assert "ZeroDivisionError" in figures.failures[0].complaints[0]
