"""``asyncexport status``: what the last run did and what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from asyncexport.app import options
from asyncexport.app.console import count
from asyncexport.app.exits import Exit
from asyncexport.app.manifest import newest
from asyncexport.sansio.redact import safe_line

DONE = ("exported", "found")


@click.command("status", context_settings=options.CONTEXT)
@options.offline_config
@options.out
@options.logs
@click.pass_context
def command(ctx: click.Context, /, *, out: str, **_others: object) -> None:
    """Tell what the last run did and what is missing.

    Reads the newest manifest under the output folder. Exit status 0: nothing is missing; 1: something is, or there
    was no run.
    """
    found = newest(Path(out))
    if found is None:
        click.echo(f"no run has left a manifest under {safe_line(out)}")
        ctx.exit(Exit.FAILED)
    path, manifest = found
    for text in describe(manifest):
        click.echo(text)
    click.echo(f"manifest: {path}")
    ctx.exit(Exit.FAILED if missing(manifest) else Exit.OK)


def describe(manifest: Mapping[str, Any]) -> list[str]:
    """Return a manifest in a few lines; what is missing one by one."""
    states = Counter(str(job.get("outcome")) for job in manifest["jobs"])
    ended = manifest.get("exit_status")
    parts = [f"{count(states['exported'], 'export')} committed", f"{states['found']:,} already there"]
    parts += [f"{states['failed']:,} failed", f"{states['unfinished']:,} not done"]
    lines = [
        f"run {manifest.get('run')} under the label {manifest.get('snapshot')}",
        f"from {manifest.get('started_at')} to {manifest.get('finished_at')}, "
        + (f"exit status {ended}" if ended is not None else "ended by an error"),
        ", ".join(parts),
    ]
    left = missing(manifest)
    return [safe_line(each) for each in [*lines, *(["missing:"] if left else []), *left]]


def missing(manifest: Mapping[str, Any]) -> list[str]:
    """Return what the run was to bring and did not, with the reason."""
    left = [_reason("account", each) for each in manifest["refused"]]
    return left + [_reason(str(job.get("entity")), job) for job in manifest["jobs"] if job.get("outcome") not in DONE]


def _reason(what: str, entry: Mapping[str, Any]) -> str:
    where = "/".join(str(entry[key]) for key in ("account", "region", "profile_id") if entry.get(key))
    error = f"{entry['error']}: {entry.get('message')}" if entry.get("error") else "not done"
    return f"  {what} of {where}: {error}" if what != "account" else f"  account {where}: {error}"
