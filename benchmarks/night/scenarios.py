"""What a night brings: how long exports take, how many may be in progress, and what goes wrong.

Every scenario is one change to the steady night, so that its figures can be laid beside those of the steady one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from asyncexport.emulator.laws import Bimodal, Constant, Habitual, LogNormal, Pareto
from benchmarks.night.caps import Cap

Told: TypeAlias = int | Literal["auto"]

HABIT = 0.96
"""With a sigma of 1 the remembered times are right to within e^0.2 (one standard deviation)."""


@dataclass(frozen=True)
class Scenario:
    """One night. Times in seconds since its beginning, shares from 0 to 1.

    ``told`` is what the client is told of the ``cap``. ``remembers`` plants what earlier nights have taught of the law.
    ``shut_out`` of the profiles get nothing but 429 and ``Retry-After: 30`` for ``shut_out_seconds``; ``throttled`` of
    all calls get a 429 that says nothing. From ``away[0]`` to ``away[1]`` the API is not there, and ``away_as`` says
    how that looks. ``lost`` of the answers to POSTs never arrive, though the server has acted.
    """

    law: Habitual = field(default_factory=LogNormal)
    cap: Cap = field(default_factory=lambda: Cap((0.0, 5)))
    told: Told = 5
    remembers: bool = False
    shut_out: float = 0.0
    shut_out_seconds: float = 600.0
    throttled: float = 0.0
    away: tuple[float, float] = (0.0, 0.0)
    away_as: Literal["refused", "503", "timeout"] = "refused"
    lost: float = 0.0
    rate: float | None = 10.0


SCENARIOS: dict[str, tuple[str, Callable[[Scenario], Scenario]]] = {
    "steady": ("nothing goes wrong, nothing is known of earlier nights", lambda steady: steady),
    "later-night": (
        "each profile's times are remembered to within e^0.2",
        lambda steady: replace(steady, law=with_habit(steady.law), remembers=True),
    ),
    "unknown-cap": ("the client is not told the cap", lambda steady: replace(steady, told="auto")),
    "moving-cap": (
        "the cap goes from 5 to 3 after ten minutes and to 8 after thirty, and the client is told nothing",
        lambda steady: replace(steady, cap=Cap((0.0, 5), (600.0, 3), (1800.0, 8)), told="auto"),
    ),
    "shut-out": ("5 % of the profiles are shut out for ten minutes", lambda steady: replace(steady, shut_out=0.05)),
    "throttled": ("30 % of all calls are throttled at random", lambda steady: replace(steady, throttled=0.3)),
    "throttled-unknown-cap": (
        "30 % of all calls are throttled at random, and the client is not told the cap",
        lambda steady: replace(steady, throttled=0.3, told="auto"),
    ),
    "outage": ("the API is away from minute 10 to minute 40", lambda steady: replace(steady, away=(600.0, 2400.0))),
    "lost-answers": ("2 % of the answers to POSTs are lost", lambda steady: replace(steady, lost=0.02)),
}


@dataclass(frozen=True)
class OnNight:
    """The draws of a law on its n-th night (from 0): a subject keeps its habit and has new times."""

    law: Habitual
    night: int

    def seconds(self, seed: int, subject: str, turn: int) -> float:
        """Draw one time."""
        return self.law.seconds(seed, subject, 1000 * self.night + turn)


def law_of(text: str) -> Habitual:
    """Read a law: its name and its numbers, as in ``lognormal:15:1``. Raises ``ValueError``."""
    name, *numbers = text.split(":")
    if name not in _LAWS:
        raise ValueError(f"there is no law {name!r}; there are {', '.join(_LAWS)}")
    return _LAWS[name](*map(float, numbers))


def with_habit(law: Habitual) -> Habitual:
    """Return the law with a habit, unless it has one or knows none."""
    if isinstance(law, LogNormal | Bimodal | Pareto) and not law.habit:
        return replace(law, habit=HABIT)
    return law


_LAWS: dict[str, Callable[..., Habitual]] = {
    "constant": Constant,
    "lognormal": LogNormal,
    "bimodal": Bimodal,
    "pareto": Pareto,
}
