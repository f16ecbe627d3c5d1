"""What a night amounts to: pure reckoning over what the server's books and the wire hold.

*Wall* of an endpoint: from the sending of its first POST until the last end of an export is seen. *Bound*: the sum of
the generation times of the exports that were collected, divided by the slots; where the cap moves or the API is away,
the moment at which so much work is done at the earliest. No client can be faster, so wall / bound is at least 1 (but
for exports that were begun under a higher cap).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from asyncexport.emulator.exports import ExportRecord
from benchmarks.night.caps import Cap, stairs


@dataclass(frozen=True)
class Line:
    """One endpoint's night. Times in seconds; ``looks`` per export, those that were answered.

    ``late`` is from an export's end until it was seen (mean, 95th percentile); ``work`` the sum of the generation
    times, ``slot_seconds`` what there was for it.
    """

    name: str
    exports: int
    wall: float
    bound: float
    slot_seconds: float
    work: float
    looks: float
    late: float
    late_95: float

    @property
    def ratio(self) -> float:
        """Wall over bound: 1 is perfect."""
        return self.wall / self.bound


@dataclass(frozen=True)
class Figures:
    """A whole night.

    ``looks`` and ``requests`` are per export collected. ``unfairness``: how many times the median the slowest profile
    waited for its last export. ``orphans``: exports that nobody collected. ``cap_429s`` and ``rate_429s`` are the
    server's, ``other_429s`` the scenario's; ``too_early`` the calls before a Retry-After was over. CPU is in
    milliseconds per export: ``client_ms`` is all that is not the server's, event loop and virtual clock included.
    """

    lines: tuple[Line, ...]
    jobs: int
    failed: int
    looks: float
    requests: float
    cap_429s: int
    rate_429s: int
    other_429s: int
    too_early: int
    orphans: int
    unfairness: float
    busiest_second: int
    client_ms: float
    server_ms: float
    seconds: float
    peak_mib: float

    @property
    def ratio(self) -> float:
        """Wall over bound of all endpoints together."""
        return sum(line.wall for line in self.lines) / sum(line.bound for line in self.lines)

    @property
    def utilisation(self) -> float:
        """The share of the slots' time in which an export was being generated."""
        return sum(line.work for line in self.lines) / sum(line.slot_seconds for line in self.lines)

    @property
    def late(self) -> float:
        """Seconds from an export's end until it was seen, on average."""
        return sum(line.late * line.exports for line in self.lines) / sum(line.exports for line in self.lines)


def line_of(
    name: str,
    records: Sequence[ExportRecord],
    seen: dict[str, float],
    began: float,
    cap: Cap,
    away: tuple[float, float],
) -> Line:
    """Reckon one endpoint; ``records`` are its exports that were collected."""
    lateness = sorted(seen[record.export_id] - record.due_at for record in records)
    work = sum(record.due_at - record.asked_at for record in records)
    ended = max(seen[record.export_id] for record in records)
    return Line(
        name=name,
        exports=len(records),
        wall=ended - began,
        bound=cap.end_of(work, began, away=away) - began,
        slot_seconds=cap.slot_seconds(began, ended),
        work=work,
        looks=fmean(record.looks for record in records),
        late=fmean(lateness),
        late_95=lateness[min(len(lateness) - 1, round(0.95 * len(lateness)))],
    )


def unfairness(waits: Iterable[float]) -> float:
    """Return the longest wait over the median one."""
    ordered = sorted(waits)
    return ordered[-1] / median(ordered) if ordered else 0.0


def in_use(records: Iterable[ExportRecord], seen: dict[str, float]) -> list[tuple[float, int]]:
    """Return how many exports the client has asked for and not seen the end of, as steps."""
    events = [(record.asked_at, 1) for record in records if record.export_id in seen]
    events += [(seen[record.export_id], -1) for record in records if record.export_id in seen]
    return stairs(events)


def generating(records: Iterable[ExportRecord]) -> list[tuple[float, int]]:
    """Return how many exports the server works on, as steps."""
    return stairs([event for record in records for event in ((record.asked_at, 1), (record.due_at, -1))])
