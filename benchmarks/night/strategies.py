"""Who lives through a night: our engine, our engine with simpler policies, and clients as they are written every day.

A strategy is a word with a number or two, so that one command compares as many as it likes in the same world.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from asyncexport.sansio.looks.polling import Schedule
from asyncexport.testing import MemoryJournal
from benchmarks.night.bare import Bare
from benchmarks.night.engine import Engine, FirstCome
from benchmarks.night.plain import Pace, Plain
from benchmarks.night.play import Client


@dataclass(frozen=True)
class Strategy:
    """A client, what it is called in a table, and its number in a plot."""

    word: str
    name: str
    label: str
    client: Client = field(repr=False)


def strategy_of(word: str) -> Strategy:
    """Read a strategy, as in ``fixed:5``. Raises ``ValueError``."""
    kind, *numbers = word.split(":")
    if kind not in KINDS:
        raise ValueError(f"there is no strategy {kind!r}; there are {', '.join(KINDS)}")
    _, make = KINDS[kind]
    name, client = make(*map(float, numbers))
    label = {"ours": "{}/s", "fixed": "{} s", "growing": "x{}"}.get(kind, kind).format(*numbers or ["10"])
    return Strategy(word, name, label, client)


def with_memory(client: Client) -> Client:
    """Return the client with a memory of its own, to be carried from one night to the next."""
    return replace(client, journal=MemoryJournal()) if isinstance(client, Engine) else client


def _ours(looks: float | None = None) -> tuple[str, Client]:
    if looks is None:
        return "ours", Engine()
    return f"ours, {looks:g} requests a second", Engine({"looks": looks})


def _first_come() -> tuple[str, Client]:
    return "ours in first-come order", Engine(looks=FirstCome)


def _fixed(seconds: float) -> tuple[str, Client]:
    return f"slots, a look every {seconds:g} s", Engine(looks=lambda: Schedule(seconds, 1.0, seconds, jitter=0.0))


def _growing(factor: float, longest: float = 30.0) -> tuple[str, Client]:
    schedule = Schedule(1.0, factor, longest, jitter=0.0)
    return f"slots, looks from 1 s on x{factor:g} to {longest:g} s", Engine(looks=lambda: schedule)


def _bare(looks: float = 11.0) -> tuple[str, Client]:
    return f"our calls without our scheduling, {looks:g} looks each", Bare(looks)


def _in_turn(seconds: float = 5.0) -> tuple[str, Client]:
    return f"one job after the other, a look every {seconds:g} s", Plain(1, Pace(seconds))


def _budget(jobs: float = 5, seconds: float = 5.0) -> tuple[str, Client]:
    return f"{jobs:g} jobs at once over all endpoints, a look every {seconds:g} s", Plain(int(jobs), Pace(seconds))


def _at_once(seconds: float = 5.0, refused: float = 5.0) -> tuple[str, Client]:
    name = f"all jobs at once, {refused:g} s after a 429, a look every {seconds:g} s"
    return name, Plain(0, Pace(seconds), Pace(refused))


def _backing_off(seconds: float = 5.0, longest: float = 60.0) -> tuple[str, Client]:
    name = f"all jobs at once, after a 429 1 s x2 to {longest:g} s, a look every {seconds:g} s"
    return name, Plain(0, Pace(seconds), Pace(1.0, 2.0, longest, jitter=True))


KINDS: dict[str, tuple[str, Callable[..., tuple[str, Client]]]] = {
    "ours": ("ours[:REQUESTS-A-SECOND]", _ours),
    "first-come": ("first-come, ours without an order of its own", _first_come),
    "fixed": ("fixed:SECONDS, our slots and fixed looks", _fixed),
    "growing": ("growing:FACTOR[:LONGEST], our slots and growing looks", _growing),
    "bare": ("bare:LOOKS, our calls and transfers with nothing to decide", _bare),
    "in-turn": ("in-turn[:SECONDS], one job after the other", _in_turn),
    "budget": ("budget[:JOBS[:SECONDS]], so many jobs at once over all endpoints", _budget),
    "at-once": ("at-once[:SECONDS[:REFUSED]], every job at once and a fixed sleep after a 429", _at_once),
    "backing-off": ("backing-off[:SECONDS[:LONGEST]], every job at once and a growing sleep after a 429", _backing_off),
}
"""Strategies by their word: how it is written, and what makes it."""

OURS = [strategy_of(f"ours:{requests}") for requests in (2, 5, 10, 20, 40)]
FIXED = [strategy_of(f"fixed:{seconds}") for seconds in (1, 2, 5, 15, 30)]
GROWING = [strategy_of(f"growing:{factor}") for factor in (1.1, 1.5, 2)]
"""What the frontier is drawn with."""
