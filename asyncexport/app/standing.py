"""Where things stand between runs: the newest manifest and the journal, put together.

Contract: the manifests of the last label tell what its runs that ended did, the journal what has been noted since, by a
run that was killed or is still going on. Of a job the newest outcome counts: a later run that was asked for less does
not make up for what an earlier one left. Something is missing when no run brought it and the journal does not know it
as committed, or when the journal's newest label has it unfinished. Both kinds of file are treated as input from a
stranger. Nothing is locked and nothing is written, so looking is possible at any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asyncexport.adapters import journal
from asyncexport.adapters.lock import is_held
from asyncexport.app.manifest import history
from asyncexport.models import Job
from asyncexport.sansio.transfers.recovery import EXPORT_KEPT_SECONDS

DONE = ("exported", "found")

Key = tuple[str, ...]

_SLOWEST = 3


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that was to come and is not committed; ``profile_id`` and ``entity`` are empty for a whole account.

    ``state`` is the journal's ``intended``, ``requested``, ``split`` or ``failed``, or the manifest's ``failed``,
    ``unfinished`` or ``refused``. ``age`` is how many seconds ago the export was asked for, None if it never was or
    will not be looked at again.
    """

    snapshot: str
    account: str
    region: str
    profile_id: str
    entity: str
    state: str
    error: str = ""
    message: str = ""
    export_id: str = ""
    age: float | None = None

    @property
    def collectable(self) -> bool:
        """Whether the API still keeps an export for it, which the next run takes up."""
        return self.age is not None and self.age < EXPORT_KEPT_SECONDS


@dataclass(frozen=True, slots=True)
class Standing:
    """What a person wants to know.

    ``earlier`` are failures under labels before the last one, ``slowest`` what takes longest of all; ``is_going_on``
    while a run holds the lock.
    """

    path: Path | None
    manifest: Mapping[str, Any]
    labels: tuple[journal.LabelCount, ...]
    missing: tuple[Gap, ...]
    earlier: tuple[Gap, ...]
    slowest: tuple[journal.Slow, ...] = ()
    is_going_on: bool = False

    @property
    def nothing(self) -> bool:
        """Whether no run has left anything."""
        return self.path is None and not self.labels


def standing(out: Path, state_dir: Path, *, now: float) -> Standing:
    """Return where things stand. ``now`` is in seconds since 1970.

    Raises :class:`StateCorrupt` for a manifest or a journal that cannot be read.
    """
    path, manifests = history(out) or (None, [])
    manifest = manifests[0] if manifests else {}
    labels = tuple(journal.tally(state_dir, kept_since=now - EXPORT_KEPT_SECONDS))
    last = labels[-1].snapshot if labels else ""
    current = {last, _text(manifest, "snapshot")}
    rows = {key: row for label in current for key, row in _jobs(state_dir, label).items()}
    gaps = {key: gap for key, gap in _unbrought(manifests) if not _committed(rows.get(key))}
    for key, row in rows.items():
        if key in gaps or (row["snapshot"] == last and not _committed(row)):
            gaps[key] = _noted(row, gaps.get(key), now)
    failed = journal.read(state_dir, state="failed")
    earlier = tuple(_noted(row, None, now) for row in failed if row["snapshot"] not in current)
    slowest = tuple(journal.slowest(state_dir, _SLOWEST))
    missing = tuple(_refused(manifests)) + tuple(gaps.values())
    return Standing(path, manifest, labels, missing, earlier, slowest, is_held(state_dir))


def collectable(state_dir: Path, jobs: Iterable[Job], *, now: float) -> int:
    """Count the jobs of whose exports some were asked for, are not committed, and are still kept by the API."""
    keys = {job.key for job in jobs}
    rows = {key: row for label in {key[0] for key in keys} for key, row in _jobs(state_dir, label).items()}
    return sum(_noted(row, None, now).collectable for key, row in rows.items() if key in keys and not _committed(row))


def _jobs(state_dir: Path, label: str) -> dict[Key, dict[str, Any]]:
    """Return a label's jobs. Of one that is split the export is the part's that was asked for last."""
    rows = journal.read(state_dir, snapshot=label, parts=True)
    jobs = {_key(row): row for row in rows if not row["whole"]}
    for part in rows:
        whole = jobs.get((*_key(part)[:-1], part["whole"]))
        if whole is not None and not _committed(whole):
            whole["parts"] = whole.get("parts", 0) + 1
            if _committed(part):
                whole["committed"] = whole.get("committed", 0) + 1
            elif part["export_id"] and (not whole["export_id"] or part["asked_at"] > whole["asked_at"]):
                whole |= {name: part[name] for name in ("export_id", "asked_at")}
    return jobs


def _unbrought(manifests: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Key, Gap]]:
    """Yield what the runs of these manifests, the newest first, were to bring and did not.

    A run that was stopped before it came to a job says nothing about what another did.
    """
    last: dict[Key, Mapping[str, Any]] = {}
    for manifest in manifests:
        for job in manifest.get("jobs", ()):
            key: Key = (_text(manifest, "snapshot"), *_where(job), _text(job, "filters"))
            if key not in last or last[key].get("outcome") == "unfinished":
                last[key] = job
    for key, job in last.items():
        if job.get("outcome") not in DONE:
            yield key, Gap(key[0], *_where(job), _text(job, "outcome"), _text(job, "error"), _text(job, "message"))


def _refused(manifests: Sequence[Mapping[str, Any]]) -> Iterator[Gap]:
    """Yield what could not be looked at, and has not been since."""
    looked_at: set[tuple[str, str]] = set()
    for manifest in manifests:
        told = [each for part in ("refused", "jobs", "skipped") for each in manifest.get(part, ())]
        for each in manifest.get("refused", ()):
            if _account(each) not in looked_at:
                snapshot, error, message = _text(manifest, "snapshot"), _text(each, "error"), _text(each, "message")
                yield Gap(snapshot, *_where(each), "refused", error, message)
        looked_at |= {_account(each) for each in told}


def _account(entry: Mapping[str, Any]) -> tuple[str, str]:
    return _text(entry, "account"), _text(entry, "region")


def _noted(row: Mapping[str, Any], told: Gap | None, now: float) -> Gap:
    """Return the gap that a row of the journal is, with the manifest's words about the same error."""
    state, error, export_id = row["state"], row["error"], row["export_id"]
    kept = export_id and state in {"requested", "split", "failed"}
    words = told.message if told is not None and told.error == error else ""
    if state == "split":
        words = f"{row.get('committed', 0)} of {row.get('parts', 0)} parts are committed"
    return Gap(
        row["snapshot"],
        *_where(row),
        state,
        error,
        words,
        export_id,
        now - row["asked_at"] if kept else None,
    )


def _committed(row: Mapping[str, Any] | None) -> bool:
    return row is not None and row["state"] == "committed"


def _key(row: Mapping[str, Any]) -> Key:
    return tuple(row[name] for name in ("snapshot", "account", "region", "profile_id", "entity", "filters"))


def _where(entry: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return _text(entry, "account"), _text(entry, "region"), _text(entry, "profile_id"), _text(entry, "entity")


def _text(entry: Mapping[str, Any], name: str) -> str:
    """Return a value of a manifest as text, whatever it is."""
    value = entry.get(name)
    return "" if value is None else str(value)
