"""Plans of faults: which call is bitten, and what was met."""

from __future__ import annotations

import pytest

from asyncexport.emulator.faults import Call
from asyncexport.emulator.weather import Weather
from asyncexport.models import Entity

PLAN = """
    # what a night brings
    request entity=targets nth=2: return-429 retry-after-3; token: reset

    download every=3: broken-after-40%
"""


def bites(weather: Weather, call: Call, times: int) -> list[list[str]]:
    return [list(weather.meet(call)) for _ in range(times)]


def test_a_plan_prints_and_reads_back() -> None:
    """Lines, semicolons, comments and blanks read as the same plan that is printed."""
    weather = Weather.parse(PLAN)
    assert [fault.stage for fault in weather.faults] == ["request", "token", "download"]
    assert Weather.parse(str(weather)).faults == weather.faults


def test_the_default_is_the_first_matching_call() -> None:
    """A fault without a turn bites once, at the first call."""
    assert bites(Weather.parse("token: reset"), Call("token"), 3) == [["reset"], [], []]


def test_a_turn_can_be_later_and_last_longer() -> None:
    """``nth`` says where it begins and ``times`` how often it happens."""
    weather = Weather.parse("poll nth=2 times=2: return-503")
    assert bites(weather, Call("poll"), 4) == [[], ["return"], ["return"], []]


def test_a_turn_can_come_round_for_ever() -> None:
    """``every`` bites each k-th call without end."""
    weather = Weather.parse("download every=2: reset")
    assert bites(weather, Call("download"), 6) == [[], ["reset"]] * 3


def test_only_matching_calls_are_counted() -> None:
    """Calls of other profiles, entities and stages neither meet a fault nor bring its turn nearer."""
    weather = Weather.parse("poll profile=7 entity=ads nth=2: reset")
    for other in (Call("poll", "8", Entity.ADS), Call("poll", "7", Entity.TARGETS), Call("request", "7", Entity.ADS)):
        assert bites(weather, other, 3) == [[], [], []]
    assert bites(weather, Call("poll", "7", Entity.ADS), 2) == [[], ["reset"]]


def test_one_fault_a_call_and_the_other_waits() -> None:
    """Two faults that are due at once bite one call after the other, in the order of the plan."""
    weather = Weather.parse("poll entity=ads: no-url; poll: reset")
    call = Call("poll", "7", Entity.ADS, ready=True)
    assert bites(weather, call, 3) == [["no-url"], ["reset"], []]


def test_the_words_carry_their_arguments() -> None:
    """What is met is the words' arguments by the words' names."""
    weather = Weather.parse("download: stall-2-after-30% no-etag")
    assert weather.meet(Call("download")) == {"stall": ("2", "30%"), "no-etag": ()}


def test_a_plan_tells_what_was_not_met() -> None:
    """A fault is unmet until it has happened as often as planned; one that comes round, until it happened once."""
    weather = Weather.parse("token times=2: reset; poll every=2: reset")
    assert len(weather.unmet()) == 2
    bites(weather, Call("token"), 1)
    bites(weather, Call("poll"), 2)
    assert [fault.stage for fault in weather.unmet()] == ["token"]
    assert repr(weather) == "<Weather 2 faults, 1 unmet>"
    bites(weather, Call("token"), 1)
    assert weather.unmet() == ()


def test_fair_weather_bites_nobody() -> None:
    """An empty plan has nothing to meet."""
    assert Weather().meet(Call("token")) == {}
    assert Weather.parse("").faults == ()


def test_a_drawn_plan_is_the_same_for_the_same_seed() -> None:
    """Drawing depends on the arguments alone."""
    subjects = [("7", entity) for entity in Entity]
    assert str(Weather.draw(3, subjects)) == str(Weather.draw(3, subjects))
    assert str(Weather.draw(3, subjects)) != str(Weather.draw(4, subjects))


def test_a_bad_line_is_refused() -> None:
    """A plan with a line that cannot be read is no plan."""
    with pytest.raises(ValueError, match="unknown word"):
        Weather.parse("token: reset\npoll: sunshine")
