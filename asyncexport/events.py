"""What happens during a run, as facts for listeners: progress displays, logs, metrics.

Each event has a constant ``name`` of the form ``noun.past_participle`` and plain fields; none holds a secret or a URL.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from asyncexport.accounts import Region
from asyncexport.models import Discovery, Job, Outcome, Summary


@dataclass(frozen=True, slots=True)
class TokenRefreshed:
    """A refresh token became an access token that is good for ``seconds``."""

    name: ClassVar[str] = "token.refreshed"
    account: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ProfilesDiscovered:
    """The accounts were asked what they manage."""

    name: ClassVar[str] = "profiles.discovered"
    discovery: Discovery


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run began with this many jobs."""

    name: ClassVar[str] = "run.started"
    jobs: int


@dataclass(frozen=True, slots=True)
class JobQueued:
    """The job, or the part of one, waits for a slot from now on. Told again if it comes to wait once more."""

    name: ClassVar[str] = "job.queued"
    job: Job


@dataclass(frozen=True, slots=True)
class ExportRequested:
    """The API took the job: the slot is in use until :class:`ExportFinished`, or as :class:`ExportAbandoned` says."""

    name: ClassVar[str] = "export.requested"
    job: Job
    export_id: str


@dataclass(frozen=True, slots=True)
class ExportAdopted:
    """An export that an earlier run asked for is watched from here on: the slot is in use, as if asked for now."""

    name: ClassVar[str] = "export.adopted"
    job: Job
    export_id: str


@dataclass(frozen=True, slots=True)
class ExportFinished:
    """A terminal status was seen ``seconds`` after the request; the slot is free. ``file_size`` is in bytes."""

    name: ClassVar[str] = "export.finished"
    job: Job
    export_id: str
    seconds: float
    file_size: int | None


@dataclass(frozen=True, slots=True)
class ExportAbandoned:
    """An export that was in progress is watched no more: it has vanished, took too long, or cannot be looked at.

    It may run on at Amazon: then it keeps its slot for ``seconds`` more, by which nearly every export like it has
    ended, or until :class:`ExportFinished` tells that it has. 0: it is in nobody's way, and the slot is free for the
    next request. The job goes on, with a new export, or comes to its end.
    """

    name: ClassVar[str] = "export.abandoned"
    job: Job
    export_id: str
    seconds: float


@dataclass(frozen=True, slots=True)
class JobSplit:
    """The job is too large for one export: it is taken in these parts, part 0 first, which other events are about.

    Told again with all parts when one of them is cut further. The job still has one outcome.
    """

    name: ClassVar[str] = "job.split"
    job: Job
    parts: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class PartFinished:
    """A part of ``job`` has come to its end: committed, found or failed. Its outcome's job is the part."""

    name: ClassVar[str] = "part.finished"
    job: Job
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class UrlRenewed:
    """A signed URL had expired and the export gave a fresh one."""

    name: ClassVar[str] = "url.renewed"
    job: Job


@dataclass(frozen=True, slots=True)
class TransferStarted:
    """The download began."""

    name: ClassVar[str] = "transfer.started"
    job: Job


@dataclass(frozen=True, slots=True)
class TransferProgressed:
    """So many bytes of the object and rows have come in so far."""

    name: ClassVar[str] = "transfer.progressed"
    job: Job
    source_bytes: int
    rows: int


@dataclass(frozen=True, slots=True)
class TransferResumed:
    """The download broke and goes on at byte ``offset``."""

    name: ClassVar[str] = "transfer.resumed"
    job: Job
    offset: int
    reason: str


@dataclass(frozen=True, slots=True)
class TransferRestarted:
    """What had come in was discarded; the download begins again from byte 0."""

    name: ClassVar[str] = "transfer.restarted"
    job: Job
    reason: str


@dataclass(frozen=True, slots=True)
class CallEnded:
    """One call to the API or the token host was answered with an HTTP ``status``, after ``seconds``; 0: it was not.

    ``endpoint`` is ``token``, ``profiles``, the word of an entity for a request, or ``exports`` for a look.
    """

    name: ClassVar[str] = "call.ended"
    account: str
    region: Region
    endpoint: str
    status: int
    seconds: float


@dataclass(frozen=True, slots=True)
class CallRetried:
    """A call failed in a way that passes; the next try is ``delay`` seconds away. ``profile_id`` may be empty."""

    name: ClassVar[str] = "call.retried"
    account: str
    profile_id: str
    what: str
    reason: str
    delay: float
    throttled: bool


@dataclass(frozen=True, slots=True)
class OutageStarted:
    """A host has answered nobody for ``seconds``; the next try is ``delay`` seconds away. ``reason`` is what it met."""

    name: ClassVar[str] = "outage.started"
    host: str
    seconds: float
    reason: str
    delay: float


@dataclass(frozen=True, slots=True)
class OutageContinued:
    """One more try met no answer; the fields are those of :class:`OutageStarted`."""

    name: ClassVar[str] = "outage.continued"
    host: str
    seconds: float
    reason: str
    delay: float


@dataclass(frozen=True, slots=True)
class OutageEnded:
    """The host answers again, after ``seconds``."""

    name: ClassVar[str] = "outage.ended"
    host: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ExportOrphaned:
    """The answer to a POST was lost: the server may be making an export that nobody will collect."""

    name: ClassVar[str] = "export.orphaned"
    job: Job


@dataclass(frozen=True, slots=True)
class OddityNoticed:
    """The API said something the contract does not know; it was no fault. Told once a run for each ``what``."""

    name: ClassVar[str] = "oddity.noticed"
    what: str


@dataclass(frozen=True, slots=True)
class JobFinished:
    """A job has its outcome."""

    name: ClassVar[str] = "job.finished"
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class RunFinished:
    """Every job has its outcome."""

    name: ClassVar[str] = "run.finished"
    summary: Summary


Event: TypeAlias = (
    TokenRefreshed
    | ProfilesDiscovered
    | RunStarted
    | JobQueued
    | ExportRequested
    | ExportAdopted
    | ExportFinished
    | ExportAbandoned
    | JobSplit
    | PartFinished
    | UrlRenewed
    | TransferStarted
    | TransferProgressed
    | TransferResumed
    | TransferRestarted
    | CallEnded
    | CallRetried
    | OutageStarted
    | OutageContinued
    | OutageEnded
    | ExportOrphaned
    | OddityNoticed
    | JobFinished
    | RunFinished
)


def fan_out(*listeners: Callable[[Event], None]) -> Callable[[Event], None]:
    """Return a listener that tells all of ``listeners``, in their order."""

    def tell(event: Event) -> None:
        for listener in listeners:
            listener(event)

    return tell
