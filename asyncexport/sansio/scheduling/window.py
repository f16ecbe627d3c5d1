"""How many exports a client may have in progress at one endpoint: told, or found out, and found again when it moves.

The API answers a request beyond the cap with the same bare 429 as a request that came too fast, and only requests meet
the cap. So every refusal of a request is weighed, and what is believed of the cap rests on three kinds of facts.

*What was accepted.* ``limit`` requests may be in progress without a thought. A told number is the limit from the start
and never exceeded; without one the limit is 1 at first, and beyond it one request at a time is tried: what is accepted
is the new limit and the next is tried at once. The cap is found in as many round trips as it is high.

*What was refused.* By chance, for its rate, a request is refused with a probability that can be seen on the calls that
no cap can refuse, the looks. So k refusals in a row at one level, each of another profile or of one that has rested for
ten seconds, are the cap's unless that probability to the k-th is large. Just above what was accepted, where a refusal
is awaited, "large" is a thousandth and in fair weather one refusal is enough; below the official cap of 5 it takes two.
Within what was accepted it is a millionth and takes at least two, for a window that shrinks in vain is dear. A request
that is accepted at the same level ends the suspicion. A refusal that stands is the *bound*; above it one request is
tried after half an hour, then after six times as long each time, and whatever is accepted there starts the search anew.
A bound below the official cap is doubted sooner, since another program of the same client may hold the other slots: it
is tried after three minutes, then after twice as long each time, and at least every half hour, so that slots that were
away are back in use after about as long again. Below a told number whoever told it will have known: it is tried after a
minute, then after six, then every half hour.

*What had ended unseen.* We see the end of an export late, so "six in progress" may have been five on the server. When
the server says later that one of those counted had ended before, the level that was concluded from it is put right, and
a bound that seemed to be passed stands again with all that speaks for it.

When the cap has fallen below what was accepted, it may be anywhere below. Finding it downwards would cost a refusal for
each step, so the window falls to a quarter, waits for room (for a minute; longer each time in vain) and searches upward
again below its bound. Worst case: a fall costs three refusals, two that show it and one at the new cap (a fourth when
it fell to less than a quarter); a rise and a cap that stays cost one for each time it is tried. Refusals that go on and
on let the window pause for up to a minute.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import NamedTuple

OFFICIAL = 5
"""So many exports of one endpoint a client may have in progress unless Amazon's support has raised it."""

_TOP_DOUBT = 1e-3
_INSIDE_DOUBT = 1e-6
_DRAINING = 60.0
_RESTED = 10.0
_PAUSE = 0.1
_LONGEST_PAUSE = 60.0
_NEVER = float("-inf")


class _Gaps(NamedTuple):
    """Seconds between tries beyond a bound: ``least`` at first, then ``growth`` times as many, up to ``most``."""

    least: float
    growth: float
    most: float

    def after(self, gap: float) -> float:
        """Return the gap that comes after one of ``gap`` seconds."""
        return min(gap * self.growth, self.most)


_USUALLY = _Gaps(1800.0, 6.0, float("inf"))
_BELOW_OFFICIAL = _Gaps(180.0, 2.0, 1800.0)
_BELOW_TOLD = _Gaps(60.0, 6.0, 1800.0)


@dataclass(slots=True)
class _Witnesses:
    """How many refusals in a row speak for the cap; the last that counts was sent ``at``, for ``whose``.

    A profile may have been refused for its own rate. So the next refusal of the same one is a mere repetition, unless
    it has rested since.
    """

    count: int = 0
    whose: Hashable = None
    at: float = _NEVER
    is_repeated: bool = False

    def add(self, whose: Hashable, at: float) -> None:
        self.is_repeated = whose == self.whose and at < self.at + _RESTED
        if not self.is_repeated:
            self.count += 1
            self.whose, self.at = whose, at

    @property
    def silent_until(self) -> float:
        """Until when the one profile that asks can say nothing new."""
        return self.at + _RESTED if self.is_repeated else _NEVER


@dataclass(slots=True)
class _Refusals:
    """Refusals in a row with at least ``level`` exports in progress: with so few for the first time ``at``."""

    level: int
    at: float
    witnesses: _Witnesses = field(default_factory=_Witnesses)

    def add(self, level: int, at: float, whose: Hashable) -> None:
        if level < self.level:
            self.level, self.at = level, at
        self.witnesses.add(whose, at)


@dataclass(slots=True)
class _Proof:
    """A request that was sent ``at`` became the ``level``-th export in progress."""

    level: int
    at: float


class Window:
    """What is believed of the cap at one endpoint. All times are in the clock's seconds.

    ``told``: the number of slots, None if it is to be found out. ``chance`` says how likely a call that meets no cap is
    answered with a 429.
    """

    def __init__(self, told: int | None, chance: Callable[[], float]) -> None:
        self._ceiling = told
        self._chance = chance
        self._limit = told or 1
        self._reached = 0
        self._proof: _Proof | None = None
        self._suspicion: _Refusals | None = None
        self._bound: _Refusals | None = None
        self._passed: _Refusals | None = None
        self._passed_gap = self._gap = 0.0
        self._believed_at = self._probe_at = _NEVER
        self._draining = _DRAINING
        self._drains_until = _NEVER
        self._row = _Witnesses()
        self._paused_until = _NEVER

    @property
    def limit(self) -> int:
        """So many exports may be in progress as far as is known."""
        return self._limit

    def has_room(self, busy: int, now: float, *, asking: int) -> bool:
        """Tell whether one more may be asked for beside ``busy``, of which ``asking`` have no answer yet."""
        if now < self._paused_until:
            return False
        if busy < self._limit:
            return True
        if asking or now < self._waits_until or (self._ceiling is not None and busy >= self._ceiling):
            return False
        bound = self._bound
        return bound is None or busy < bound.level or now >= self._probe_at or not self._holds(bound)

    def accepted(self, level: int, sent_at: float) -> None:
        """A request was accepted as the ``level``-th export in progress."""
        self._row = _Witnesses()
        self._paused_until = self._drains_until = _NEVER
        self._draining = _DRAINING
        self._reached = max(self._reached, level)
        if self._suspicion is not None and level > self._suspicion.level:
            self._suspicion = None
        if self._bound is not None and level > self._bound.level:
            self._bound, self._passed, self._passed_gap = None, self._bound, self._gap
        if level > self._limit:
            self._limit = level
            self._proof = _Proof(level, sent_at)

    def refused(self, others: int, whose: Hashable, *, sent_at: float, now: float) -> bool | None:
        """A request for a job of ``whose`` profile was refused beside ``others`` in progress.

        True: by the cap; False: for the profile's rate; None: it cannot be told yet.
        """
        self._hold_back(whose, sent_at, now)
        if others == 0:
            return False
        if self._bound is not None and others >= self._bound.level:
            return self._refused_again(self._bound, whose, sent_at, now) or None
        if self._suspicion is None:
            self._suspicion = _Refusals(others, sent_at)
        self._suspicion.add(others, sent_at, whose)
        if not self._is_enough(self._suspicion, inside=others < self._limit):
            return None
        self._believe(self._suspicion, now)
        return True

    def ended(self, ended_at: float) -> None:
        """An export that counted as in progress until now ended at ``ended_at``: put right what was concluded."""
        if self._proof is not None and ended_at < self._proof.at and self._limit == self._proof.level > 1:
            self._proof.level -= 1
            self._reached = self._limit = self._proof.level
            self._restore_bound()
        bound = self._bound
        if bound is not None and ended_at < bound.at and bound.level > 1 and self._holds(bound):
            bound.level -= 1
            self._limit = min(self._limit, bound.level)
            self._reached = min(self._reached, bound.level)
            self._plan_probe(bound)

    def _restore_bound(self) -> None:
        """If nothing was accepted beyond the last bound after all, that stands as it did, and its try is still due."""
        if self._bound is None and self._passed is not None and self._limit <= self._passed.level:
            self._bound, self._suspicion = self._passed, None

    def next_moment(self, now: float) -> float | None:
        """Return when there may be room although nothing has happened; None if never."""
        moments = [self._paused_until, self._waits_until]
        if self._bound is not None:
            moments.append(self._probe_at)
        return min((moment for moment in moments if moment > now), default=None)

    @property
    def _waits_until(self) -> float:
        """Until when nothing is tried beyond the limit."""
        heard = (refusals.witnesses.silent_until for refusals in (self._suspicion, self._bound) if refusals is not None)
        return max(self._drains_until, *heard, _NEVER)

    def _is_enough(self, refusals: _Refusals, *, inside: bool) -> bool:
        """Tell whether these refusals are the cap's."""
        if inside:
            return refusals.witnesses.count >= 2 and self._by_chance(refusals) <= _INSIDE_DOUBT
        unlikely = self._bound is self._passed is None and refusals.level < OFFICIAL
        return refusals.witnesses.count >= 1 + unlikely and self._holds(refusals)

    def _holds(self, refusals: _Refusals) -> bool:
        return self._by_chance(refusals) <= _TOP_DOUBT

    def _by_chance(self, refusals: _Refusals) -> float:
        return float(self._chance() ** refusals.witnesses.count)

    def _believe(self, refusals: _Refusals, now: float) -> None:
        """Make these refusals the bound; fall to a quarter where more than that had been accepted before."""
        level = refusals.level
        if self._reached > level:
            self._limit, self._reached = max(1, level // 4), 0
        self._limit = min(level, self._limit)
        self._bound, self._suspicion, self._proof = refusals, None, None
        self._believed_at = refusals.witnesses.at
        self._plan_probe(refusals)
        if level > self._limit:
            self._drains_until = now + self._draining
            self._draining *= 2

    def _refused_again(self, bound: _Refusals, whose: Hashable, sent_at: float, now: float) -> bool:
        bound.witnesses.add(whose, sent_at)
        if not self._holds(bound):
            return False
        if now >= self._probe_at:
            self._gap = self._gaps(bound).after(self._gap)
            self._probe_at = now + self._gap
        return True

    def _plan_probe(self, bound: _Refusals) -> None:
        """Say when more than ``bound`` is tried: soon if it is news, later than the last time if it never moved."""
        gaps, passed = self._gaps(bound), self._passed
        is_old = passed is not None and bound.level <= passed.level and self._gaps(passed) is gaps
        self._gap = gaps.after(self._passed_gap) if is_old else gaps.least
        self._probe_at = self._believed_at + self._gap

    def _gaps(self, bound: _Refusals) -> _Gaps:
        if self._ceiling is not None:
            return _BELOW_TOLD
        return _BELOW_OFFICIAL if bound.level < OFFICIAL else _USUALLY

    def _hold_back(self, whose: Hashable, sent_at: float, now: float) -> None:
        """Pause for longer and longer after the third refusal in a row; what is repeated is one profile's affair."""
        self._row.add(whose, sent_at)
        if self._row.count > 2:
            self._paused_until = now + min(_LONGEST_PAUSE, _PAUSE * 2.0 ** min(self._row.count - 3, 64))

    def __repr__(self) -> str:
        bound = "" if self._bound is None else f", refused beyond {self._bound.level}"
        return f"<Window of {self._limit}{bound}>"
