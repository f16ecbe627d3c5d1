"""One schedule: everything that is drawn from a seed before anything runs.

A schedule is a small world, weather over every stage, perhaps a doom for one job, a sink that fails at one operation,
or a caller who leaves early; where it is stored, with a journal or without. It says what has to come of it, and reads
as a few lines, so that a failing one can be understood without running it.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from random import Random
from typing import TypeAlias

from asyncexport.emulator.faults import Fault
from asyncexport.emulator.records.drawing import draw_faults
from asyncexport.models import Entity
from tests.faults.dooms import DOOMS, Doom, Scope

ProfilesOf: TypeAlias = "Callable[[Shape], tuple[str, ...]]"

WORLDS = 32
"""How many different small worlds there are; their objects are made once a process."""

_ROOMY = 50
"""A cap that lost answers do not reach: a 429 for what nobody knows is running would count as an attempt."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A world: the arguments it is generated from."""

    seed: int
    accounts: int
    profiles: int
    rows: int

    @classmethod
    def numbered(cls, number: int) -> Shape:
        """Return one of the small worlds, or (number -1) the one with a large export."""
        if number < 0:
            return cls(0, 1, 1, 2_500)
        rng = Random(f"shape/{number}")
        profiles = rng.choice((1, 1, 1, 1, 2, 3))
        return cls(number + 1, min(profiles, rng.choice((1, 1, 2))), profiles, rng.choice((0, 60, 60, 200)))


@dataclass(frozen=True, slots=True)
class Trouble:
    """The ``nth`` call of one operation of the sink fails: with an ``OSError`` of ``code``, or (0) somebody's bug."""

    operation: str
    nth: int
    code: int

    @property
    def passes(self) -> bool:
        """Whether it is want of descriptors, which nobody's rows are to blame for: what met it is done again."""
        return self.code in {errno.EMFILE, errno.ENFILE}

    def __str__(self) -> str:
        return f"the sink's {self.operation} number {self.nth} fails with {errno.errorcode.get(self.code, 'a bug')}"


class Way(Enum):
    """How a caller leaves early."""

    BREAK = "leaves the loop"
    RAISE = "raises in the loop"
    CANCEL = "is cancelled"
    DRAIN = "drains"


@dataclass(frozen=True, slots=True)
class Leaving:
    """The caller leaves at the ``event``-th event of the run, or, where that makes sense only there, in the loop."""

    way: Way
    event: int

    def __str__(self) -> str:
        return f"the caller {self.way.value} at event {self.event}"


@dataclass(frozen=True, slots=True)
class Plan:
    """A schedule.

    ``generation`` is seconds an export takes, ``cap`` exports in progress an endpoint; ``later`` is what the weather
    holds for the second run, which is survivable always. ``stands``: in how many files each job stands before the first
    run, which then pulls all anew.
    """

    seed: int
    shape: Shape
    subjects: tuple[tuple[str, Entity], ...]
    faults: tuple[Fault, ...] = ()
    later: tuple[Fault, ...] = ()
    doom: Doom | None = None
    doomed: tuple[str, Entity] | None = None
    trouble: Trouble | None = None
    leaving: Leaving | None = None
    discovers: bool = True
    generation: float = 0.0
    cap: int = 5
    files: bool = False
    journal: bool = False
    resumes: bool = False
    stands: int = 0

    @property
    def earlier(self) -> Plan:
        """The undisturbed run that left what stands."""
        faults = [_splitting("request", subject) for subject in self.subjects] if self.stands > 1 else []
        return replace(self, faults=tuple(faults), trouble=None, stands=0)

    @property
    def must_succeed(self) -> bool:
        """Whether the first run has to end with everything exported."""
        return self.doom is None and self.leaving is None and (self.trouble is None or self.trouble.passes)

    @property
    def must_meet_all(self) -> bool:
        """Whether every planned fault has to be met in the first run."""
        return self.trouble is None and self.leaving is None

    def __str__(self) -> str:
        where = ("files" if self.files else "memory") + (" and a journal" if self.journal else "")
        lines = [
            f"schedule {self.seed}: {self.shape}, {len(self.subjects)} jobs into {where}",
            f"  exports take {self.generation} s, at most {self.cap} at once; {self._beginning}",
            *(f"  {fault}" for fault in self.faults),
        ]
        lines += [f"  each job stands in files, {self.stands} of them, and is pulled anew"] if self.stands else []
        lines += [f"  doom {self.doom}"] if self.doom else []
        lines += [f"  {self.trouble}"] if self.trouble else []
        lines += [f"  {self.leaving}"] if self.leaving else []
        if self.resumes:
            lines += [f"  then a second run in {'other' if self.later else 'fair'} weather"]
        return "\n".join([*lines, *(f"    {fault}" for fault in self.later)])

    @property
    def _beginning(self) -> str:
        return "profiles are discovered" if self.discovers else "profiles are known"


def draw(seed: int, profiles_of: ProfilesOf) -> Plan:
    """Draw the schedule of a seed; ``profiles_of`` knows which profiles a world has."""
    rng = Random(f"schedule/{seed}")
    kind = rng.choices((_weathered, _cut_often, _doomed, _troubled, _left), (58, 3, 20, 9, 10))[0]
    plan = _begun(seed, rng, Shape.numbered(rng.randrange(WORLDS)), profiles_of)
    return kind(plan, rng, profiles_of)


def _begun(seed: int, rng: Random, shape: Shape, profiles_of: ProfilesOf) -> Plan:
    entities = rng.sample(list(Entity), rng.choice((1, 1, 1, 2, 2, 4)))
    files = rng.random() < 0.25
    return Plan(
        seed,
        shape,
        tuple((profile_id, entity) for profile_id in profiles_of(shape) for entity in entities),
        discovers=rng.random() < 0.5,
        generation=rng.choice((0.0, 0.0, 0.002, 0.006)),
        cap=rng.choice((1, 2, 5)),
        files=files,
        journal=files and rng.random() < 0.4,
    )


def _weathered(plan: Plan, rng: Random, _: ProfilesOf) -> Plan:
    return replace(plan, faults=_weather(plan, rng), resumes=rng.random() < 0.05)


def _cut_often(plan: Plan, rng: Random, profiles_of: ProfilesOf) -> Plan:
    """Cut one large download in many places, with and without the server understanding ranges."""
    shape = Shape.numbered(-1)
    profile_id, entity = profiles_of(shape)[0], Entity.TARGETS
    aim = f"download profile={profile_id} entity={entity.value}"
    cuts = [f"{aim}: {rng.choice(('broken', 'fin'))}-after-{rng.randint(5, 60)}%" for _ in range(rng.randint(3, 8))]
    turns = rng.sample(("ignore-range fin-after-95%", "wrong-range", "change-etag"), rng.randint(0, 2))
    lines = [line for pair in zip(cuts, [f"{aim}: {turn}" for turn in turns], strict=False) for line in pair]
    lines += cuts[len(turns) :]
    return replace(
        plan, shape=shape, subjects=((profile_id, entity),), faults=tuple(map(Fault.parse, lines)), journal=False
    )


def _doomed(plan: Plan, rng: Random, profiles_of: ProfilesOf) -> Plan:
    doom = rng.choice(DOOMS)
    if doom.scope in {Scope.ANY_JOB, Scope.DISCOVERY} and plan.shape.accounts > 1:
        shape = replace(plan.shape, accounts=1)
        entities = dict.fromkeys(entity for _, entity in plan.subjects)
        subjects = tuple((profile_id, entity) for profile_id in profiles_of(shape) for entity in entities)
        plan = replace(plan, shape=shape, subjects=subjects)
    doomed = rng.choice(plan.subjects)
    discovers = doom.scope is Scope.DISCOVERY or (doom.scope is not Scope.ANY_JOB and plan.discovers)
    others = replace(plan, subjects=tuple(each for each in plan.subjects if _spared(each, doomed, doom)))
    faults = [fault for fault in _weather(others, rng, mild=True) if fault.entity is not None]
    return replace(
        plan,
        doom=doom,
        doomed=doomed,
        discovers=discovers,
        cap=_ROOMY if any(fault.stage == "request" for fault in doom.faults(*doomed)) else plan.cap,
        faults=(*doom.faults(*doomed), *faults),
        resumes=rng.random() < 0.3,
    )


def _spared(subject: tuple[str, Entity], doomed: tuple[str, Entity], doom: Doom) -> bool:
    """Whether weather over this job is sure to be met whatever the doom takes with it."""
    if doom.scope is Scope.PROFILE:
        return subject[0] != doomed[0]
    return doom.scope in {Scope.JOB, Scope.JOB_IF_ANY} and subject != doomed


def _troubled(plan: Plan, rng: Random, _: ProfilesOf) -> Plan:
    return rng.choices((_troubled_at_once, _troubled_at_last, _troubled_anew), (7, 1, 2))[0](plan, rng)


def _troubled_at_last(plan: Plan, rng: Random) -> Plan:
    """Fail when all parts of a job are there."""
    split = _splitting(rng.choice(("request", "poll")), rng.choice(plan.subjects))
    return replace(plan, faults=(split,), trouble=Trouble("settle", 1, 0), files=False, journal=False, resumes=True)


def _troubled_anew(plan: Plan, rng: Random) -> Plan:
    """Fail where what stands is replaced: in one file or in parts, by one file or by parts."""
    subject = rng.choice(plan.subjects)
    stands, split = rng.choice(((1, True), (3, True), (3, False)))
    operation, most = rng.choice(_PARTS_FOR_WHOLE if split else _WHOLE_FOR_PARTS)
    return replace(
        plan,
        subjects=(subject,),
        stands=stands,
        faults=(_splitting("request", subject),) if split else (),
        trouble=Trouble(operation, rng.randint(1, most), rng.choice(_STORAGE)),
        files=True,
        journal=plan.journal,
        resumes=True,
    )


def _troubled_at_once(plan: Plan, rng: Random) -> Plan:
    files = rng.random() < 0.6
    operation, each = rng.choice(_FILE_OPERATIONS if files else _SINK_OPERATIONS)
    code = rng.choice((*_STORAGE, errno.EMFILE)) if files else 0
    trouble = Trouble(operation, rng.randint(1, each * len(plan.subjects)), code)
    weather = _weather(plan, rng, mild=True) if rng.random() < 0.5 else ()
    return replace(plan, faults=weather, trouble=trouble, files=files, journal=files and plan.journal, resumes=True)


def _left(plan: Plan, rng: Random, _: ProfilesOf) -> Plan:
    leaving = Leaving(rng.choice(list(Way)), rng.randint(1, 6 * len(plan.subjects) + 4))
    later = _weather(plan, rng, mild=True) if rng.random() < 0.5 else ()
    later = tuple(fault for fault in later if not splits(fault))  # the first run may have cut as often as is possible
    return replace(plan, faults=_weather(plan, rng), later=later, leaving=leaving, resumes=True)


def _weather(plan: Plan, rng: Random, *, mild: bool = False) -> tuple[Fault, ...]:
    severity = rng.choice((0.2, 0.5)) if mild else rng.choice((0.3, 0.6, 1.0, 1.0, 2.0))
    drawn = draw_faults(rng.getrandbits(32), plan.subjects, severity=severity)
    drawn = tuple(fault for fault in drawn if plan.discovers or fault.stage != "profiles")
    return (*_too_large(plan, rng), *drawn) if not any(map(splits, drawn)) and rng.random() < 0.1 else drawn


def _too_large(plan: Plan, rng: Random) -> list[Fault]:
    """Let one job be too large, and perhaps one of its three parts as well: one of the next three exports."""
    if not plan.subjects:
        return []
    subject = rng.choice(plan.subjects)
    first = _splitting(rng.choice(("request", "poll")), subject)
    second = replace(first, stage="request", nth=rng.randint(2, 4))
    return [first, second] if rng.random() < 0.3 else [first]


def _splitting(stage: str, subject: tuple[str, Entity]) -> Fault:
    return Fault.of(stage, "fail-TIMED_OUT", profile_id=subject[0], entity=subject[1])


def splits(fault: Fault) -> bool:
    """Whether the fault makes an export too large, so that it is taken in parts."""
    return any(word.text == "fail-TIMED_OUT" for word in fault.words)


_FILE_OPERATIONS = (
    ("create", 2),
    ("write", 2),
    ("sync", 3),
    ("rename", 2),
    ("open_folder", 3),
    ("make_folder", 1),
    ("lock", 2),
    ("look_at", 2),
)
"""Operations of the file system, and how often the commit of one export uses each at least."""

_WHOLE_FOR_PARTS = (("unlink", 4), ("rename", 2))
"""How often one file that replaces three needs which."""

_PARTS_FOR_WHOLE = (("unlink", 1), ("rename", 13))
"""How often three files that replace what stands need which: first each waits, then all get their names."""

_STORAGE = (errno.EIO, errno.EIO, errno.ENOSPC, errno.EACCES, errno.EDQUOT)

_SINK_OPERATIONS = (("open", 1), ("begin", 1), ("seal", 1), ("commit", 1), ("receipt", 1), ("find", 1))
