"""The clients that are compared."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from asyncexport import Profile, plan
from asyncexport.accounts import Region
from asyncexport.emulator.world import World
from benchmarks.night.engine import Engine
from benchmarks.night.figures import Figures
from benchmarks.night.plain import Pace
from benchmarks.night.play import Setting, play
from benchmarks.night.scenarios import SCENARIOS, Scenario, law_of
from benchmarks.night.strategies import KINDS, strategy_of, with_memory

THIRTY_SECONDS = Scenario(law=law_of("constant:30"))


def a_night(word: str, scenario: Scenario = THIRTY_SECONDS) -> Figures:
    return play(Setting(scenario, profiles=12), strategy_of(word).client).figures


@pytest.mark.parametrize(
    "word", ["first-come", "fixed:5", "growing:1.5", "bare:3", "in-turn:5", "budget:5", "at-once", "backing-off"]
)
def test_every_job_is_collected(word: str) -> None:
    """Whoever waits long enough gets everything."""
    figures = a_night(word)
    assert [line.exports for line in figures.lines] == [12] * 4
    assert (figures.jobs, figures.failed, figures.orphans) == (48, 0, 0)


def test_one_after_the_other_by_hand() -> None:
    """48 jobs, each a POST and six looks: the sixth comes after 30 s of sleep, in which the export was made."""
    figures = a_night("in-turn:5")
    assert figures.looks == pytest.approx(6.0)
    assert max(line.wall for line in figures.lines) == pytest.approx(46 * (0.05 + 6 * 5.05) - 0.05, rel=0.05)


def test_a_budget_of_five_jobs_leaves_slots_empty() -> None:
    """Five jobs at once are a quarter of what four endpoints take."""
    assert a_night("budget:5").ratio > 3 * a_night("fixed:5").ratio


def test_who_asks_for_everything_at_once_is_refused() -> None:
    """Without slots the cap answers with 429s, fewer where the sleeps grow; with slots there are none."""
    often, seldom = a_night("at-once:5:1"), a_night("backing-off")
    assert often.cap_429s > seldom.cap_429s > 0
    assert a_night("fixed:5").cap_429s == 0


def test_a_plain_client_lives_through_trouble() -> None:
    """An outage and lost answers are refusals like others; a token that is too old is asked for anew."""
    _, change = SCENARIOS["lost-answers"]
    scenario = Scenario(law=law_of("constant:300"), away=(100.0, 400.0), lost=0.1)
    figures = play(Setting(change(scenario), profiles=30), strategy_of("budget:2:30").client).figures
    assert figures.failed == 0
    assert sum(line.exports for line in figures.lines) == 120
    assert max(line.wall for line in figures.lines) > 3600


def test_a_pace() -> None:
    """Sleeps grow to the longest; with jitter each is between half of it and all of it."""
    delays = Pace(1.0, 2.0, 5.0).delays(Random(1))
    assert [next(delays) for _ in range(5)] == [1.0, 2.0, 4.0, 5.0, 5.0]
    drawn = Pace(4.0, jitter=True).delays(Random(1))
    assert all(2.0 <= next(drawn) <= 4.0 for _ in range(50))


def test_an_unknown_strategy() -> None:
    """The message says which strategies there are."""
    with pytest.raises(ValueError, match=r"ours, first-come, fixed"):
        strategy_of("magic")


@pytest.mark.parametrize("kind", KINDS)
def test_how_a_strategy_is_written(kind: str) -> None:
    """What is said of a strategy begins with its word."""
    how, _ = KINDS[kind]
    assert how.startswith(kind)


async def test_a_memory_is_carried_from_night_to_night() -> None:
    """Our engine has one memory for nights in a row; what has none is the same client every night."""
    ours = with_memory(strategy_of("ours").client)
    assert isinstance(ours, Engine)
    assert ours.journal is not None
    nights = [await asyncio.to_thread(play, Setting(profiles=6, night=night), ours) for night in range(2)]
    assert nights[0].figures.lines != nights[1].figures.lines
    accounts = World.generate(seed=1, accounts=1, profiles=6, rows=0, regions=[Region.NA]).grants[0]
    profiles = [Profile("account-1", Region.NA, each.profile_id) for each in accounts.profiles]
    habits = await ours.journal.habits(plan(profiles, snapshot="x"))
    assert {habit.nights for habit in habits.values()} == {2}
    assert len(habits) == 24

    plain = strategy_of("budget").client
    assert with_memory(plain) is plain


def test_what_is_planted_is_the_usual_time() -> None:
    """A later night begins with what every subject takes as a rule."""
    _, change = SCENARIOS["later-night"]
    ours = with_memory(strategy_of("ours").client)
    assert isinstance(ours, Engine)
    night = play(Setting(change(Scenario()), profiles=6), ours)
    assert night.figures.failed == 0
    assert "24" in repr(ours.journal)
