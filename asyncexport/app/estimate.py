"""What a run will take, before anything is asked for.

An export occupies a slot while the API generates it, and a client has a few slots per endpoint; so the exports of one
(client, region, endpoint) go through them, and all of these queues run side by side. The run takes as long as its
longest queue. Of exports that were made on earlier nights the journal remembers how long they took: a queue takes the
sum of that over its slots, and never less than its longest export. Others are taken for like those. A job that was too
large for one export is begun in the parts that it was taken in, and each of them is an export like any other. Where
nothing is remembered, a generation is assumed to take its usual time, wave after wave: public clients saw half a second
for tiny accounts and 10 to 30 s for typical ones. What was assumed must be shown with every estimate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from asyncexport.accounts import Account
from asyncexport.models import Job
from asyncexport.notes import NOTHING_LEARNED, Habit
from asyncexport.sansio.scheduling.planning import waves

GENERATION = 25.0
"""Assumed median seconds from an export's request until it is ready."""

Learned = Mapping[tuple[str, ...], Habit]


@dataclass(frozen=True, slots=True)
class Queue:
    """The exports that share one set of slots, and the ``seconds`` they need. ``known``: of how many that is known."""

    client: str
    region: str
    endpoint: str
    exports: int
    waves: int
    seconds: float
    known: int = 0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A run in advance: its queues, and the seconds that one generation of an unknown export was taken to need."""

    queues: tuple[Queue, ...]
    assumed: float = GENERATION

    @property
    def known(self) -> int:
        """How many exports were made on earlier nights."""
        return sum(each.known for each in self.queues)

    @property
    def exports(self) -> int:
        """How many exports there are."""
        return sum(each.exports for each in self.queues)

    @property
    def seconds(self) -> float:
        """Expected wall time: that of the longest queue."""
        return max((each.seconds for each in self.queues), default=0.0)


def estimate(jobs: Sequence[Job], accounts: Sequence[Account], slots: int, learned: Learned | None = None) -> Estimate:
    """Return what ``jobs`` will take; accounts of one client id share its slots and are named together."""
    clients = client_names(accounts)
    memory = learned or {}
    exports = [export for job in jobs for export in exports_of(job, memory)]
    expected: dict[tuple[str, str], list[float | None]] = {}
    for job in exports:
        where = f"{clients[job.profile.account]}/{job.profile.region.value}"
        usual = memory.get(job.subject, NOTHING_LEARNED).seconds
        expected.setdefault((where, job.entity.value), []).append(usual)
    remembered = _known(seconds for queue in expected.values() for seconds in queue)
    assumed = fmean(remembered) if remembered else GENERATION
    found = []
    for (place, endpoint), number in waves(exports, slots, clients).items():
        client, _, region = place.rpartition("/")
        seconds = expected[place, endpoint]
        took = _through(seconds, slots, assumed) if remembered else number * GENERATION
        found.append(Queue(client, region, endpoint, len(seconds), number, took, len(_known(seconds))))
    return Estimate(tuple(found), assumed)


def exports_of(job: Job, learned: Learned) -> list[Job]:
    """Return what will be asked for to do a job: the parts that it was taken in on earlier nights, or itself."""
    parts = learned.get(job.subject, NOTHING_LEARNED).split
    return [replace(job, filters=filters) for filters in parts] or [job]


def _known(seconds: Iterable[float | None]) -> list[float]:
    return [each for each in seconds if each is not None]


def _through(queue: Sequence[float | None], slots: int, assumed: float) -> float:
    known = _known(queue)
    others = fmean(known) if known else assumed
    each = [others if seconds is None else seconds for seconds in queue]
    return max(sum(each) / slots, *each)


def client_names(accounts: Sequence[Account]) -> Mapping[str, str]:
    """Return, for each account, the names of all accounts with its client id, joined by ``+``."""
    groups: dict[object, list[str]] = {}
    for account in accounts:
        groups.setdefault(account.client_id, []).append(account.name)
    return {name: "+".join(names) for names in groups.values() for name in names}
