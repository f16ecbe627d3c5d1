"""The events: constant names, plain fields, nothing secret."""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from typing import Any

import pytest

from asyncexport import events
from asyncexport.accounts import Region
from asyncexport.models import Entity, Exported, Job, Profile, Receipt

KINDS: list[Any] = [
    kind for _, kind in inspect.getmembers(events, inspect.isclass) if kind.__module__ == events.__name__
]
JOB = Job(Profile("acme", Region.EU, "1"), Entity.ADS)


def test_the_union_names_every_event() -> None:
    """A listener that matches on ``Event`` misses none."""
    assert set(typing.get_args(events.Event)) == set(KINDS)


def test_names_are_distinct() -> None:
    """Every event has a name of its own."""
    assert len({kind.name for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_says_what_has_happened(kind: type[events.Event]) -> None:
    """A name is ``noun.past_participle`` and made of the same two words as the class."""
    assert re.fullmatch(r"[a-z]+\.([a-z]+ed|split)", kind.name)
    assert kind.__name__.lower() == kind.name.replace(".", "")


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_is_a_plain_fact(kind: type[events.Event]) -> None:
    """An event is frozen and has a docstring, and no field of it can hold a secret or a URL."""
    assert dataclasses.is_dataclass(kind)
    assert kind.__dict__["__dataclass_params__"].frozen
    assert kind.__doc__
    assert not re.search(r"Secret|SignedUrl|Request|Response", str(typing.get_type_hints(kind)))


def test_events_are_equal_by_value() -> None:
    """Two events that say the same are the same; the name is no field."""
    receipt = Receipt("e", rows=1, bytes=2, sha256="s", location="l")

    assert events.JobFinished(Exported(JOB, receipt)) == events.JobFinished(Exported(JOB, receipt))
    assert [each.name for each in dataclasses.fields(events.TransferResumed)] == ["job", "offset", "reason"]


def test_several_listeners() -> None:
    """Every listener hears every event, in order."""
    heard: list[tuple[int, events.Event]] = []
    tell = events.fan_out(lambda event: heard.append((1, event)), lambda event: heard.append((2, event)))
    tell(events.RunStarted(1))
    tell(events.OddityNoticed("x"))
    assert heard == [
        (1, events.RunStarted(1)),
        (2, events.RunStarted(1)),
        (1, events.OddityNoticed("x")),
        (2, events.OddityNoticed("x")),
    ]
