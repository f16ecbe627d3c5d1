"""The manifest: what one run did, job by job, as a JSON document that outlives it.

Contract: :class:`RunRecord` is told of everything (it is a listener, and outcomes are added as they come) and can say
at any moment what the run has done so far, so that a failed or interrupted run leaves a manifest as good as a whole
one. It holds no secret and no URL. :func:`history` finds the last one under an output folder again, and with it those
of the runs before it under the same label; what it reads is treated as input from a stranger. Which run was first is
told by when it began, never by the rest of its name, which is drawn at random. Label and beginning stand in the first
two KiB of a manifest, so that one label's are found among hundreds without reading the others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from asyncexport._version import __version__
from asyncexport.app.exits import Exit, worst
from asyncexport.errors import AsyncexportError, StateCorrupt, StateError
from asyncexport.events import (
    Event,
    ExportAbandoned,
    ExportAdopted,
    ExportFinished,
    ExportRequested,
    JobSplit,
    PartFinished,
)
from asyncexport.models import Discovery, Exported, Failed, Job, Outcome, Profile, Receipt, Refused, Summary
from asyncexport.sansio.redact import scrub

FORMAT = 1
FOLDER = "_runs"
_LARGEST = 256 * 1024 * 1024
_HEAD = 2048
_TEXTS = re.compile(r'^ "(snapshot|started_at)": (".*"),$', re.MULTILINE)


class Parts(NamedTuple):
    """How many parts a job has, how many of them readers of the output see, and how many wait for the others."""

    there_are: int
    seen: int
    waiting: int


class RunRecord:
    """What a run wants and what came of it. ``now`` gives aware datetimes; ``nonce`` tells runs of one second apart."""

    def __init__(self, *, snapshot: str, now: Callable[[], datetime], nonce: str) -> None:
        self._now = now
        self._started_at = now()
        self._times: dict[Job, dict[str, Any]] = {}
        self._parts: dict[Job, tuple[Job, ...]] = {}
        self._ended: dict[Job, Outcome] = {}
        self.snapshot = snapshot
        self.name = f"{self._started_at.astimezone(UTC):%Y-%m-%dT%H-%M-%SZ}-{nonce}"
        self.jobs: tuple[Job, ...] = ()
        self.discovery = Discovery(())
        self.outcomes: dict[Job, Outcome] = {}

    def __repr__(self) -> str:
        return f"<RunRecord {self.name} {len(self.outcomes)}/{len(self.jobs)} outcomes>"

    def __call__(self, event: Event) -> None:
        """Take note of when exports were asked for and how long they took; of adopted ones neither is known.

        Of a job that was split this is noted of its parts.
        """
        match event:
            case ExportRequested():
                self._times[event.job] = {"export_id": event.export_id, "requested_at": _stamp(self._now())}
            case ExportAdopted():
                self._times[event.job] = {"export_id": event.export_id, "adopted": True}
            case ExportFinished():
                self._finish(event)
            case ExportAbandoned(job=job, seconds=0.0) if "adopted" in self._times.get(job, {}):
                del self._times[job]
            case JobSplit():
                self._times.pop(event.job, None)
                self._parts[event.job] = event.parts
            case PartFinished(outcome=outcome):
                self._ended[outcome.job] = outcome

    def _finish(self, event: ExportFinished) -> None:
        times = self._times.get(event.job, {})
        if times.get("export_id") == event.export_id and "adopted" not in times:
            times["generation_seconds"] = round(event.seconds, 3)

    def plan(self, discovery: Discovery, jobs: Iterable[Job]) -> None:
        """State what the run is about to do."""
        self.discovery, self.jobs = discovery, tuple(jobs)

    def add(self, outcome: Outcome) -> None:
        """Take note of a job's outcome."""
        self.outcomes[outcome.job] = outcome
        self._times.setdefault(outcome.job, {})["finished_at"] = _stamp(self._now())

    @property
    def refused(self) -> tuple[Refused, ...]:
        """The accounts and profiles that could not become jobs."""
        return self.discovery.refused

    @property
    def unfinished(self) -> tuple[Job, ...]:
        """The jobs without an outcome: never begun, or stopped on the way."""
        return tuple(job for job in self.jobs if job not in self.outcomes)

    @property
    def adopted(self) -> int:
        """How many jobs, and parts of such, an earlier run's export has answered, or is waited for."""
        return sum("adopted" in times for times in self._times.values())

    def parts_of(self, job: Job) -> Parts:
        """Return what became of the parts that a job was taken in: of none if it was not split."""
        parts = self._parts.get(job, ())
        ended = [self._ended.get(part) for part in parts]
        waiting = [bool(each.receipt.waits_at) for each in ended if isinstance(each, Exported)]
        return Parts(len(parts), waiting.count(False), waiting.count(True))

    @property
    def errors(self) -> list[AsyncexportError]:
        """Everything that went wrong, accounts and jobs alike."""
        failures = [each.error for each in self.outcomes.values() if isinstance(each, Failed)]
        return [each.error for each in self.refused] + failures

    def status(self, interrupted: Exit | None = None) -> Exit:
        """Return the run's exit status; an interruption counts only if it left something undone."""
        if interrupted is not None and (self.unfinished or not self.jobs):
            return interrupted
        return worst(self.errors)

    def manifest(self, summary: Summary, status: Exit | None, *, again: bool = False) -> bytes:
        """Return the manifest of the run so far, one job a line; ``status`` is None when it ended by an exception."""
        prints = {filters: filters.fingerprint for filters in {job.filters for job in self.jobs}}
        head = {
            "format": FORMAT,
            "run": self.name,
            "asyncexport": __version__,
            "snapshot": self.snapshot,
            "started_at": _stamp(self._started_at),
            "finished_at": _stamp(self._now()),
            "exit_status": None if status is None else int(status),
            "again": again,
            "totals": summary.as_dict() | {"refused": len(self.refused), "unfinished": len(self.unfinished)},
            "filters": {each: asdict(filters) for filters, each in prints.items()},
            "skipped": [_profile(each) | {"name": each.name, "type": each.type} for each in self.discovery.skipped],
            "refused": [_refusal(each) for each in self.refused],
        }
        jobs = ",\n  ".join(json.dumps(self._entry(job, prints[job.filters])) for job in self.jobs)
        return (json.dumps(head, indent=1).removesuffix("\n}") + f',\n "jobs": [\n  {jobs}\n ]\n}}\n').encode()

    def _entry(self, job: Job, fingerprint: str) -> dict[str, Any]:
        entry = _profile(job.profile) | {"entity": job.entity.value, "filters": fingerprint}
        entry |= self._times.get(job, {}) | _result(self.outcomes.get(job))
        if job in self._parts:
            parts = self._parts[job]
            stored = entry.get("parts") or [_result(self._ended.get(part)) for part in parts]
            entry["parts"] = [
                {"filters": asdict(part.filters)} | self._times.get(part, {}) | facts
                for part, facts in zip(parts, stored, strict=True)
            ]
        return entry


def history(folder: Path) -> tuple[Path, list[dict[str, Any]]] | None:
    """Return the path of the last run's manifest under an output folder, and the manifests of all runs of its label.

    The last run's comes first. None when no run has left one. Raises :class:`StateCorrupt` when one of them is no
    manifest, :class:`StateError` when ``folder`` is no folder.
    """
    if folder.exists() and not folder.is_dir():
        raise StateError(f"{folder} is no folder, so no run can have left anything in it; choose another --out")
    paths = sorted((folder / FOLDER).glob("*.json"), key=_began, reverse=True)
    if not paths:
        return None
    last = read(paths[0])
    return paths[0], [last, *(read(path) for path in paths[1:] if _head(path).get("snapshot") == last.get("snapshot"))]


def _began(path: Path) -> tuple[str, str]:
    """Return when a manifest's run began, to the millisecond, or to the second by its name where it does not say."""
    stated = _head(path).get("started_at", path.name[: len("2026-11-23T02-00-11")])
    return re.sub(r"\D", "", stated), path.name


def _head(path: Path) -> dict[str, str]:
    """Return label and beginning as they stand at the top of a manifest; nothing for a file that does not say."""
    try:
        with path.open("rb") as file:
            text = file.read(_HEAD).decode(errors="replace")
        return {name: json.loads(value) for name, value in _TEXTS.findall(text)}
    except (OSError, ValueError):
        return {}


def read(path: Path) -> dict[str, Any]:
    """Return a manifest. Raises :class:`StateCorrupt` for what is none."""
    try:
        if path.stat().st_size > _LARGEST:
            raise StateCorrupt(f"{path} is too large for a manifest")
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise StateCorrupt(f"{path} is no manifest that can be read ({type(error).__name__}); remove it") from None
    if not _is_manifest(document):
        raise StateCorrupt(f"{path} is no manifest of format {FORMAT}; it was written by something else, remove it")
    return document  # type: ignore[no-any-return]


def _is_manifest(document: object) -> bool:
    if not isinstance(document, Mapping) or document.get("format") != FORMAT:
        return False
    lists = [document.get(key) for key in ("jobs", "refused", "skipped")]
    return all(isinstance(each, list) and all(isinstance(entry, Mapping) for entry in each) for each in lists)


def _result(outcome: Outcome | None) -> dict[str, Any]:
    match outcome:
        case Exported(receipt=receipt, found=found):
            parts = {"parts": [_facts(part) for part in receipt.parts]} if receipt.parts else {}
            return {"outcome": "found" if found else "exported", **_facts(receipt), **parts}
        case Failed(error=error):
            return {"outcome": "failed", **_error(error)}
    return {"outcome": "unfinished"}


def _facts(receipt: Receipt) -> dict[str, Any]:
    renamed = {"location": ("path", receipt.stands_at)}
    names = [each.name for each in fields(receipt) if each.name not in {"parts", "waits_at"}]
    return dict(renamed.get(name, (name, getattr(receipt, name))) for name in names)


def _refusal(refused: Refused) -> dict[str, Any]:
    where = {"account": refused.account, "region": refused.region.value, "profile_id": refused.profile_id}
    return where | _error(refused.error)


def _error(error: AsyncexportError) -> dict[str, Any]:
    facts = {name: value for name in ("export_id", "request_id") if (value := getattr(error, name, ""))}
    return {"error": type(error).__name__, "message": scrub(str(error)), "temporary": error.temporary, **facts}


def _profile(profile: Profile) -> dict[str, Any]:
    return {"account": profile.account, "region": profile.region.value, "profile_id": profile.profile_id}


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
