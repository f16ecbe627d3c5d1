"""Random plans a good client survives."""

from __future__ import annotations

from collections import Counter

import pytest

from asyncexport.emulator.faults import Fault
from asyncexport.emulator.records.drawing import ANEW, CHOICES, HARMLESS, MOST, RESTART, SPLIT, TOKEN, draw_faults
from asyncexport.emulator.records.words import RANGED
from asyncexport.emulator.weather import Weather
from asyncexport.models import Entity

SUBJECTS = [(str(number), entity) for number in range(100) for entity in Entity]
COSTS = {(choice.stage, choice.words): choice.cost for choice in CHOICES}


def by_subject(faults: tuple[Fault, ...]) -> dict[tuple[str, Entity], list[Fault]]:
    found: dict[tuple[str, Entity], list[Fault]] = {}
    for fault in faults:
        if fault.profile_id is not None and fault.entity is not None:
            found.setdefault((fault.profile_id, fault.entity), []).append(fault)
    return found


def cost(fault: Fault) -> str:
    return COSTS[fault.stage, " ".join(map(str, fault.words))]


@pytest.mark.parametrize("severity", [0.2, 1.0, 2.0])
def test_severity_is_about_the_mean_number_of_faults(severity: float) -> None:
    """A subject gets so many faults in the mean, cut off at four."""
    found = by_subject(draw_faults(1, SUBJECTS, severity=severity))
    mean = sum(map(len, found.values())) / len(SUBJECTS)
    assert 0.7 * severity < mean < 1.3 * severity
    assert max(map(len, found.values())) <= MOST


def test_no_severity_is_fair_weather() -> None:
    """Severity 0 plans nothing."""
    assert draw_faults(1, SUBJECTS, severity=0) == ()


def test_what_a_client_may_do_only_once_is_asked_of_it_only_once() -> None:
    """No job meets two faults that restart its download, renew its export or spoil its token."""
    for seed in range(20):
        for faults in by_subject(draw_faults(seed, SUBJECTS, severity=2.0)).values():
            costs = Counter(map(cost, faults))
            assert all(costs[once] <= 1 for once in (RESTART, ANEW, TOKEN))


def test_no_export_is_too_large_to_be_cut() -> None:
    """No job is called too large more than twice: by ad product and by state each entity can be cut."""
    for seed in range(20):
        for faults in by_subject(draw_faults(seed, SUBJECTS, severity=2.0)).values():
            assert Counter(map(cost, faults))[SPLIT] <= 2


def test_harmless_faults_come_last_at_their_stage() -> None:
    """Behind a fault the client need not notice there is no other at the same stage of the same job."""
    for seed in range(20):
        for faults in by_subject(draw_faults(seed, SUBJECTS, severity=2.0)).values():
            done: set[str] = set()
            for fault in faults:
                assert fault.stage not in done
                if cost(fault) == HARMLESS:
                    done.add(fault.stage)


def test_every_choice_is_drawn_sooner_or_later() -> None:
    """Nothing in the list of choices is out of reach, and none needs a request for a range."""
    drawn = {fault for seed in range(20) for fault in draw_faults(seed, SUBJECTS, severity=2.0)}
    assert {(fault.stage, " ".join(map(str, fault.words))) for fault in drawn if fault.entity} == set(COSTS)
    assert not any(word.needs == RANGED for fault in drawn for word in fault.words)
    assert {fault.stage for fault in drawn if fault.entity is None} == {"token", "profiles"}


def test_a_drawn_plan_can_be_written_down() -> None:
    """A plan reads back from its text, so that a failing seed can be replayed and cut down."""
    faults = draw_faults(5, SUBJECTS, severity=1.0)
    assert Weather.parse(str(Weather(faults))).faults == faults
