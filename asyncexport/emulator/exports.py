"""The exports that were asked for: ids, when each is due, who holds which slot. The server's journal.

An export is in progress from its POST until it is due *and* its object is on the shelf. How many of a client's exports
are in progress at an endpoint is kept in a heap by due time, so that asking costs O(log n) and no list is ever walked:
a simulated night has 40,000 of them. Ids are base64url of ``uuid,letter`` without padding.
"""

from __future__ import annotations

import heapq
from base64 import urlsafe_b64encode
from collections import Counter
from dataclasses import dataclass, field
from random import Random

from asyncexport.accounts import Region
from asyncexport.emulator.laws import Law
from asyncexport.emulator.store.objects import ObjectKey, Shelf
from asyncexport.emulator.world import Grant
from asyncexport.models import Entity

SUFFIXES = {Entity.CAMPAIGNS: "C", Entity.AD_GROUPS: "A", Entity.TARGETS: "T", Entity.ADS: "R"}
FOLDERS = {
    Entity.CAMPAIGNS: "CAMPAIGN",
    Entity.AD_GROUPS: "AD_GROUP",
    Entity.TARGETS: "TARGET",
    Entity.ADS: "PRODUCT_AD",
}
_ENTITIES = {folder: entity for entity, folder in FOLDERS.items()}


@dataclass(slots=True)
class ExportRecord:
    """One export: who asked for what and when. Times are the server's seconds; ``ended_at`` is None while it runs."""

    export_id: str
    account: str
    client_id: str
    region: Region
    key: ObjectKey
    path: str
    asked_at: float
    due_at: float
    ended_at: float | None = None
    failure: str = ""
    looks: int = 0
    late: bool = False


@dataclass(slots=True)
class Line:
    """What one client has in progress at one endpoint: by due time, and those whose object is not finished in time."""

    due: list[tuple[float, int, ExportRecord]] = field(default_factory=list)
    late: list[ExportRecord] = field(default_factory=list)
    peak: int = 0


class Exports:
    """All exports by id, in the order they were asked for."""

    def __init__(self, law: Law, shelf: Shelf, *, seed: int, speed: float = 1.0) -> None:
        self.records: dict[str, ExportRecord] = {}
        self._law = law
        self._shelf = shelf
        self._seed = seed
        self._speed = speed
        self._rng = Random(f"exports/{seed}")
        self._turns: Counter[str] = Counter()
        self._lines: dict[tuple[str, Region, Entity], Line] = {}

    def use(self, shelf: Shelf) -> None:
        """Take the objects from another shelf."""
        self._shelf = shelf

    def busy(self, grant: Grant, entity: Entity, now: float) -> int:
        """Return how many exports the grant's client has in progress at the endpoint."""
        line = self._lines.setdefault((grant.client_id, grant.region, entity), Line())
        while line.due and line.due[0][0] <= now:
            line.late.append(heapq.heappop(line.due)[2])
        if line.late:
            line.late = [record for record in line.late if not self.ended(record, now)]
        return len(line.due) + len(line.late)

    def peaks(self) -> dict[tuple[str, Region, Entity], int]:
        """Return the most that was in progress at once, by client, region and endpoint."""
        return {where: line.peak for where, line in self._lines.items()}

    def request(self, grant: Grant, key: ObjectKey, now: float, *, failure: str = "") -> ExportRecord:
        """Take an export on, which may be one that will fail; whether there is a slot for it was asked before."""
        subject = key.subject
        seconds = self._law.seconds(self._seed, subject, self._turns[subject]) / self._speed
        self._turns[subject] += 1
        number = self._uuid()
        record = ExportRecord(
            export_id=export_id(number, key.entity),
            account=grant.account,
            client_id=grant.client_id,
            region=grant.region,
            key=key,
            path=f"/{FOLDERS[key.entity]}/{grant.client_id}/{number}.json.gz",
            asked_at=now,
            due_at=now + seconds,
            failure=failure,
        )
        if not failure:
            self._shelf.order(key)
        self.records[record.export_id] = record
        self._enter(record, grant, now)
        return record

    def ended(self, record: ExportRecord, now: float) -> bool:
        """Whether the export is completed or failed by now."""
        if record.ended_at is None and now >= record.due_at:
            if record.failure or self._shelf.find(record.key) is not None:
                record.ended_at = now if record.late else record.due_at
            else:
                record.late = True
        return record.ended_at is not None

    def fail(self, record: ExportRecord, code: str, now: float) -> None:
        """Let the export fail now, and give its slot back."""
        record.failure = code
        record.ended_at = record.due_at = now
        line = self._lines[record.client_id, record.region, record.key.entity]
        line.due = [entry for entry in line.due if entry[2] is not record]
        heapq.heapify(line.due)

    def at(self, path: str) -> ExportRecord | None:
        """Return the export whose object has this path in the store."""
        folder, _, name = path.strip("/").partition("/")
        entity = _ENTITIES.get(folder)
        number = name.rpartition("/")[2].removesuffix(".json.gz")
        record = self.records.get(export_id(number, entity)) if entity is not None else None
        return record if record is not None and record.path == path else None

    def _enter(self, record: ExportRecord, grant: Grant, now: float) -> None:
        line = self._lines.setdefault((grant.client_id, grant.region, record.key.entity), Line())
        heapq.heappush(line.due, (record.due_at, len(self.records), record))
        line.peak = max(line.peak, self.busy(grant, record.key.entity, now))

    def _uuid(self) -> str:
        text = f"{self._rng.getrandbits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def export_id(number: str, entity: Entity) -> str:
    """Return the id for a uuid and an entity: 51 characters of base64url."""
    return urlsafe_b64encode(f"{number},{SUFFIXES[entity]}".encode()).rstrip(b"=").decode()
