"""``asyncexport status``: what the last run did, what is under way and what is missing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from asyncexport.adapters.journal import FILE, LabelCount, Slow
from asyncexport.app import options
from asyncexport.app.console import count, duration, table
from asyncexport.app.context import CONTEXT
from asyncexport.app.exits import Exit
from asyncexport.app.report import line
from asyncexport.app.settings import Places
from asyncexport.app.standing import Gap, Standing, standing
from asyncexport.sansio.redact import safe_line
from asyncexport.sansio.transfers.recovery import EXPORT_KEPT_SECONDS

_HEADING = ["label", "committed", "failed", "under way", "perhaps asked for", "exports to collect", "oldest"]


@click.command("status", context_settings=CONTEXT)
@options.offline_config
@options.out
@options.json_lines
@options.logs
@click.pass_context
def command(ctx: click.Context, /, *, settings: Places, out: str, json: bool, **_others: object) -> None:
    """Tell what the last run did, what is under way and what is missing.

    Reads the manifests of the last label under the output folder and the journal in the state folder, also while a run
    is going on. Exit status 0: nothing is missing; 1: something is, or there was no run;
    74: one of the two cannot be read.
    """
    now = time.time()
    found = standing(Path(out), settings.state_dir, now=now)
    journal = settings.state_dir / FILE
    if found.nothing and not json:
        click.echo(safe_line(f"no run has left a manifest under {out} or a journal at {journal}"))
    else:
        for text in as_json(found, now) if json else as_text(found, journal, now):
            click.echo(text)
    ctx.exit(Exit.FAILED if found.missing or found.nothing else Exit.OK)


def as_json(found: Standing, now: float) -> Iterator[str]:
    """Yield a line for each label, gap, earlier failure and slow export, and last the totals."""
    for each in found.labels:
        counts = {name: getattr(each, name) for name in LabelCount.__slots__ if not name.endswith("_at")}
        age = None if each.oldest_at is None else round(now - each.oldest_at, 3)
        yield line({"event": "label", **counts, "oldest_seconds": age})
    for event, gaps in (("missing", found.missing), ("failed", found.earlier)):
        for gap in gaps:
            facts = {name: value for name, value in asdict(gap).items() if value not in {"", None}}
            yield line({"event": event, **facts, "collectable": gap.collectable})
    for slow in found.slowest:
        yield line({"event": "slow", **asdict(slow), "seconds": round(slow.seconds, 3)})
    path = None if found.path is None else str(found.path)
    run = {name: found.manifest.get(name) for name in ("run", "snapshot", "exit_status")}
    yield line(
        {"event": "status", **run, "manifest": path, "going_on": found.is_going_on, "missing": len(found.missing)}
    )


def as_text(found: Standing, journal: Path, now: float) -> list[str]:
    """Return where things stand for people; what is missing one by one."""
    lines = ["a run is going on"] if found.is_going_on else []
    lines += describe(found) if found.path is not None else ["no run has left a manifest"]
    lines += notes(found.labels, journal, now) if found.labels else [f"no journal at {journal}"]
    lines += ["longest so far:"] if found.slowest else []
    lines += [f"  {slow_one(each)}" for each in found.slowest]
    for heading, gaps in (("missing:", found.missing), ("failed under earlier labels:", found.earlier)):
        lines += [heading] if gaps else []
        several = gaps is found.earlier or len({gap.snapshot for gap in gaps}) > 1
        lines += [f"  {name(gap)}{f' under {gap.snapshot}' if several else ''}: {_reason(gap, found)}" for gap in gaps]
    return [safe_line(each) for each in lines]


def describe(found: Standing) -> list[str]:
    """Return a manifest in a few lines."""
    manifest = found.manifest
    states = Counter(str(job.get("outcome")) for job in manifest["jobs"])
    ended = manifest.get("exit_status")
    parts = [f"{count(states['exported'], 'export')} committed", f"{states['found']:,} already there"]
    parts += [f"{states['failed']:,} failed", f"{states['unfinished']:,} not done"]
    newer = found.labels and _is_newer(found.labels[-1].noted_at, manifest)
    return [
        f"run {manifest.get('run')} under the label {manifest.get('snapshot')}",
        f"from {manifest.get('started_at')} to {manifest.get('finished_at')}, "
        + (f"exit status {ended}" if ended is not None else "ended by an error"),
        ", ".join(parts),
        f"manifest: {found.path}",
        *(["a later run left no manifest: it is going on, or was killed"] if newer and not found.is_going_on else []),
    ]


def _is_newer(noted_at: float, manifest: Mapping[str, Any]) -> bool:
    try:
        finished = datetime.fromisoformat(str(manifest.get("finished_at")))
    except ValueError:
        return False
    return noted_at > finished.replace(tzinfo=finished.tzinfo or UTC).timestamp() + 1.0


def notes(labels: tuple[LabelCount, ...], journal: Path, now: float) -> list[str]:
    """Return the journal as a table: a line a label, numbers of jobs, and of exports where that is said."""
    rows = [_HEADING]
    for each in labels:
        numbers = (each.committed, each.failed, each.requested + each.in_parts, each.intended, each.collectable)
        rows.append([each.snapshot, *(f"{number:,}" for number in numbers), _oldest(each, now)])
    return [f"journal: {journal}", *table(rows, right=frozenset(range(1, 6)))]


def _oldest(each: LabelCount, now: float) -> str:
    if each.oldest_at is None:
        return "-"
    age = now - each.oldest_at
    return f"{_ago(age)}, {'kept by Amazon' if age < EXPORT_KEPT_SECONDS else 'no longer kept'}"


def slow_one(slow: Slow) -> str:
    """Return whose export it is, and how long it usually takes."""
    return f"{slow.entity} of {slow.account}/{slow.region}/{slow.profile_id}: {duration(slow.seconds)}"


def name(gap: Gap) -> str:
    """Return what a gap is called."""
    where = "/".join(part for part in (gap.account, gap.region, gap.profile_id) if part)
    if not gap.entity:
        return f"{'profile' if gap.profile_id else 'account'} {where}"
    return f"{gap.entity} of {where}"


def _reason(gap: Gap, found: Standing) -> str:
    is_its_run = found.is_going_on and bool(found.labels) and gap.snapshot == found.labels[-1].snapshot
    return reason(gap, is_going_on=is_its_run)


def reason(gap: Gap, *, is_going_on: bool = False) -> str:
    """Return why something is missing, and what becomes of its export unless the run that sees to it is going on."""
    if is_going_on and gap.state in {"requested", "split"}:
        return f"under way, asked for {_ago(gap.age)}" if gap.state == "requested" else f"in parts, {gap.message}"
    run = f"a run with --snapshot {gap.snapshot}"
    kept = f"{run} collects it" if gap.collectable else f"no longer kept by Amazon, {run} asks again"
    match gap.state:
        case "requested":
            return f"under way, asked for {_ago(gap.age)}; {kept}"
        case "intended":
            return "perhaps asked for: the answer was not noted"
        case "split":
            return f"taken in parts, {gap.message}; {run} goes on with them"
        case "unfinished":
            return "not done"
    words = ": ".join(part for part in (gap.error, gap.message) if part) or gap.state
    return f"{words} ({kept})" if gap.age is not None else words


def _ago(age: float | None) -> str:
    return f"{duration(max(age or 0.0, 0.0))} ago"
