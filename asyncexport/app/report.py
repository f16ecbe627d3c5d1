"""The results on stdout: JSON Lines for programs, a table for people. Nothing else is ever written there.

Contract of the JSON form (public, held by tests): one object a line, in ASCII, written as outcomes come,
``{"event": "exported"|"failed", "account", "region", "profile_id", "entity", "export_id", "rows", "bytes", "path",
"parts", "error", "message"}`` as far as they apply (an account that could not be looked at fails without a profile),
and last ``{"event": "summary", "exported", "failed", "skipped", "rows", "seconds", "requests", "throttled",
"possibly_orphaned"}``, in which ``failed`` counts the ``failed`` lines. A job that was split is one object, whose
``path`` is the first of its ``parts``.

The form for people comes at the end: rows by profile and entity (by account, when the profiles are many), then every
failure with its cause and what to do about it, equal causes once, then the totals.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol, TypeAlias

from rich.cells import cell_len

from asyncexport.app.console import clipped, count, duration, size, table
from asyncexport.app.exits import fix_of
from asyncexport.app.manifest import Parts, RunRecord
from asyncexport.errors import AsyncexportError
from asyncexport.models import Entity, Exported, Failed, Job, Outcome, Profile, Refused, Summary
from asyncexport.sansio.redact import safe_line, scrub

MANY_PROFILES = 40
NAMED = 3
Write: TypeAlias = Callable[[str], None]
Rows: TypeAlias = list[list[str]]


class Report(Protocol):
    """Where results go. ``finish`` is called once, whatever became of the run."""

    def refused(self, refused: Refused) -> None: ...

    def outcome(self, outcome: Outcome) -> None: ...

    def finish(self, record: RunRecord, summary: Summary) -> None: ...


class JsonReport:
    """One JSON object a line; ``write`` takes a line without its end and must flush."""

    def __init__(self, write: Write) -> None:
        self._write = write

    def refused(self, refused: Refused) -> None:
        """Write the failure of an account or of one of its profiles."""
        self._write(line(refusal_facts(refused)))

    def outcome(self, outcome: Outcome) -> None:
        """Write a job's outcome."""
        self._write(line(outcome_facts(outcome)))

    def finish(self, record: RunRecord, summary: Summary) -> None:
        """Write the last line."""
        self._write(line({"event": "summary", **totals(record, summary).as_dict()}))


class TextReport:
    """Lines for people, all of them at the end. With ``brief`` the table of what went well is left out.

    ``width``: how many cells the terminal has that reads them, None when it is none.
    """

    def __init__(self, write: Write, *, brief: bool = False, width: int | None = None) -> None:
        self._write = write
        self._brief = brief
        self._width = width

    def refused(self, refused: Refused) -> None:
        """Wait for the end."""

    def outcome(self, outcome: Outcome) -> None:
        """Wait for the end."""

    def finish(self, record: RunRecord, summary: Summary) -> None:
        """Write the table, the failures and the totals."""
        sections = [[] if self._brief else overview(record, self._width), failures(record), skipped(record)]
        for section in [each for each in sections if each]:
            for text in section:
                self._write(text)
            self._write("")
        self._write(conclusion(totals(record, summary), len(record.unfinished), record.adopted, in_parts(record)))


def line(facts: dict[str, Any]) -> str:
    """Return one JSON line in ASCII: nothing in it can act on a terminal."""
    return json.dumps(facts, ensure_ascii=True)


def totals(record: RunRecord, summary: Summary) -> Summary:
    """Return the summary with accounts and profiles that could not become jobs counted as failed."""
    return replace(summary, failed=summary.failed + len(record.refused))


def outcome_facts(outcome: Outcome) -> dict[str, Any]:
    """Return the JSON object of a job's outcome."""
    if isinstance(outcome, Exported):
        receipt = outcome.receipt
        stored = {"rows": receipt.rows, "bytes": receipt.bytes, "path": receipt.location}
        if receipt.parts:
            stored |= {"parts": [part.location for part in receipt.parts]}
        return {"event": "exported", **job_facts(outcome.job), "export_id": receipt.export_id, **stored}
    return {"event": "failed", **job_facts(outcome.job), **_error_facts(outcome.error)}


def refusal_facts(refused: Refused) -> dict[str, Any]:
    """Return the JSON object of an account, or one of its profiles, that could not become jobs."""
    where = {"account": refused.account, "region": refused.region.value}
    if refused.profile_id:
        where["profile_id"] = refused.profile_id
    return {"event": "failed", **where, **_error_facts(refused.error)}


def job_facts(job: Job) -> dict[str, Any]:
    """Return what a job is about, by the names of the JSON lines."""
    at = job.profile
    where = {"account": at.account, "region": at.region.value, "profile_id": at.profile_id}
    return where | {"entity": job.entity.value}


def _error_facts(error: AsyncexportError) -> dict[str, Any]:
    export_id = getattr(error, "export_id", "")
    known = {"export_id": export_id} if export_id else {}
    return {**known, "error": type(error).__name__, "message": scrub(str(error))}


def overview(record: RunRecord, width: int | None = None) -> list[str]:
    """Return a table of rows by profile and entity; by account and entity when the profiles are many.

    Where a terminal of ``width`` cells is too narrow, names are cut first, then the size is left out, then account and
    region are cut; where that is not enough the entities are summed up. No line is ever wider than the terminal.
    """
    if not record.jobs:
        return []
    entities = [each for each in Entity if any(job.entity is each for job in record.jobs)]
    profiles = sorted({job.profile for job in record.jobs}, key=_alphabetically)
    if len(profiles) > MANY_PROFILES:
        whole, sums = _by_account(record, entities)
        first, names = 2, {}
    else:
        whole, sums = _by_profile(record, profiles, entities)
        first, names = 4, {3: 4}
    numbers = frozenset(range(first, len(whole[0])))
    forms = (
        table(whole, right=numbers, width=width, narrowing=names),
        table([row[:-1] for row in whole], right=numbers, width=width, narrowing={**names, 0: 4, 1: 2}),
        table(sums, right=frozenset({1, 2}), width=width, narrowing={0: 8}),
    )
    fits = next((form for form in forms if width is None or max(map(cell_len, form)) <= width), forms[-1])
    return [clipped(each, width) for each in fits]


def _by_profile(record: RunRecord, profiles: list[Profile], entities: list[Entity]) -> tuple[Rows, Rows]:
    whole = [["account", "region", "profile", "name", *(each.value for each in entities), "size"]]
    sums = [["profile", "rows", "size"]]
    for profile in profiles:
        own = {job.entity: job for job in record.jobs if job.profile == profile}
        cells = [_cell([own[each]] if each in own else [], record) for each in entities]
        stored = size(sum(_bytes(record.outcomes.get(job)) for job in own.values()))
        whole.append([profile.account, profile.region.value, profile.profile_id, profile.name, *cells, stored])
        sums.append([profile.profile_id, _cell(list(own.values()), record), stored])
    return whole, sums


def _alphabetically(profile: Profile) -> tuple[str, ...]:
    return profile.account, profile.region.value, profile.name, profile.profile_id


def _by_account(record: RunRecord, entities: list[Entity]) -> tuple[Rows, Rows]:
    groups: dict[tuple[str, str], list[Job]] = {}
    for job in record.jobs:
        groups.setdefault((job.profile.account, job.profile.region.value), []).append(job)
    whole = [["account", "region", "profiles", *(each.value for each in entities), "size"]]
    sums = [["account", "rows", "size"]]
    for (account, region), jobs in groups.items():
        profiles = len({job.profile for job in jobs})
        cells = [_cell([job for job in jobs if job.entity is each], record) for each in entities]
        stored = size(sum(_bytes(record.outcomes.get(job)) for job in jobs))
        whole.append([account, region, f"{profiles:,}", *cells, stored])
        sums.append([f"{account}/{region}", _cell(jobs, record), stored])
    return whole, sums


def _cell(jobs: list[Job], record: RunRecord) -> str:
    """Return the rows of some jobs, and how many of them have none to show."""
    outcomes = [record.outcomes.get(job) for job in jobs]
    done = [each for each in outcomes if isinstance(each, Exported)]
    parts = [f"{sum(each.receipt.rows for each in done):,}"] if done else []
    states = Counter(
        "failed" if isinstance(each, Failed) else "not done" for each in outcomes if not isinstance(each, Exported)
    )
    parts += [word if len(jobs) == 1 else f"{number:,} {word}" for word, number in states.items()]
    return ", ".join(parts) or "-"


def _bytes(outcome: Outcome | None) -> int:
    return outcome.receipt.bytes if isinstance(outcome, Exported) else 0


def failures(record: RunRecord) -> list[str]:
    """Return every failure with its cause; equal causes, and what to do about them, stand once."""
    failed = [(_name(each), _cause(each.error, _name(each), f"account {each.account!r}")) for each in record.refused]
    failed += [
        (str(each.job), _with_parts(_cause(each.error, str(each.job)), record.parts_of(each.job)))
        for each in record.outcomes.values()
        if isinstance(each, Failed)
    ]
    fixes: dict[str, dict[str, list[tuple[str, str]]]] = {}
    for name, cause in failed:
        fixes.setdefault(cause.fix, {}).setdefault(cause.kind, []).append((name, cause.text))
    lines = [f"failed ({len(failed):,})"] if failed else []
    for fix, kinds in fixes.items():
        lines += [safe_line(_told(kind, alike)) for kind, alike in kinds.items()]
        lines += [f"    -> {fix}"] if fix else []
    return lines


class _Cause(NamedTuple):
    """Why something failed: ``text`` in full, ``kind`` without what differs between failures that are alike."""

    fix: str
    kind: str
    text: str


def _cause(error: AsyncexportError, *names: str) -> _Cause:
    text = str(error)
    for name in names:
        text = text.removeprefix(f"{name}: ").replace(f" of {name}", "")
    text = kind = f"{type(error).__name__}: {text}"
    for own in ("export_id", "request_id"):
        if value := getattr(error, own, ""):
            kind = kind.replace(value, "...")
    return _Cause(fix_of(error), kind, text)


def _with_parts(cause: _Cause, parts: Parts) -> _Cause:
    """Return the cause with what a job that was split leaves behind; those of one cause stand one by one."""
    if not parts.there_are:
        return cause
    left = f"; {parts.seen} of {count(parts.there_are, 'part')} {'is' if parts.seen == 1 else 'are'} in the tree"
    if parts.waiting:
        left += f", {parts.waiting} {'waits' if parts.waiting == 1 else 'wait'} for the others beside what stood before"
    return cause._replace(kind=cause.kind + left, text=cause.text + left)


def _told(kind: str, alike: Sequence[tuple[str, str]]) -> str:
    """Return one line for failures that are alike: the first of them by name, and how many there are."""
    if len(alike) == 1:
        ((name, text),) = alike
        return f"  {name}: {text}"
    names = ", ".join(name for name, _ in alike[:NAMED])
    more = f" and {len(alike) - NAMED:,} more" if len(alike) > NAMED else ""
    return f"  {kind} ({len(alike):,}: {names}{more})"


def _name(refused: Refused) -> str:
    where = f"{refused.account}/{refused.region.value}"
    return f"profile {where}/{refused.profile_id}" if refused.profile_id else f"account {where}"


def skipped(record: RunRecord) -> list[str]:
    """Return which profiles have no exports to pull and why."""
    names = [f"  {each.profile_id} {each.name}".rstrip() for each in record.discovery.skipped]
    return [f"skipped: agency profiles have no exports ({len(names):,})", *map(safe_line, names)] if names else []


def in_parts(record: RunRecord) -> tuple[int, int]:
    """Return how many of the jobs that this run has committed were taken in parts, and how many parts that makes."""
    done = [each for each in record.outcomes.values() if isinstance(each, Exported) and not each.found]
    parts = [len(each.receipt.parts) for each in done if each.receipt.parts]
    return len(parts), sum(parts)


def conclusion(summary: Summary, unfinished: int = 0, adopted: int = 0, split: tuple[int, int] = (0, 0)) -> str:
    """Return the run in one line.

    ``adopted`` exports were taken up from an earlier run; ``split`` says how many jobs were taken in how many parts.
    """
    parts = [count(summary.exported, "export") + " committed"]
    if split[0]:
        parts[0] += f" ({split[0]:,} in {split[1]:,} parts)"
    if summary.skipped:
        parts.append(f"{summary.skipped:,} already there")
    for number, word in (
        (adopted, f"{'export' if adopted == 1 else 'exports'} taken up from an earlier run"),
        (summary.failed, "failed"),
        (unfinished, "not done"),
    ):
        if number:
            parts.append(f"{number:,} {word}")
    parts.append(f"{count(summary.rows, 'row')} in {duration(summary.seconds)}")
    parts.append(count(summary.requests, "request") + (f" ({summary.throttled:,} throttled)" * bool(summary.throttled)))
    if summary.possibly_orphaned:
        parts.append(f"{summary.possibly_orphaned:,} possibly orphaned")
    return ", ".join(parts)


def advice(record: RunRecord, collectable: int = 0) -> str:
    """Return how to go on after a run that left something which another one can do; empty when there is none.

    Of ``collectable`` jobs exports were asked for that are not committed and that Amazon keeps.
    """
    left = len(record.unfinished)
    temporary = sum(error.temporary for error in record.errors)
    if not left and not temporary:
        return ""
    done = sum(isinstance(each, Exported) for each in record.outcomes.values())
    state = f"{done:,} of {count(len(record.jobs), 'export')} committed" if record.jobs else ""
    again = f"Run the same command again with --snapshot {record.snapshot}"
    if collectable:
        under_way = f"{count(collectable, 'job')} with exports under way on Amazon's side"
        return f"{state}, {under_way}. {again} to collect these and to ask only for the rest."
    return f"{state}{'. ' if state else ''}{again} to do only what is missing."
