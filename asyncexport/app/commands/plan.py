"""``asyncexport plan``: what run would do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import click

from asyncexport.adapters.journal import learned
from asyncexport.app import options
from asyncexport.app.console import count, duration, table
from asyncexport.app.context import CONTEXT
from asyncexport.app.estimate import Estimate, estimate
from asyncexport.app.exits import say, worst
from asyncexport.app.look import look
from asyncexport.app.present import Present, present
from asyncexport.app.pull import select
from asyncexport.app.report import job_facts, line, refusal_facts
from asyncexport.app.settings import Settings
from asyncexport.app.sinking import sink_of
from asyncexport.engine.exporter import Exporter
from asyncexport.models import Discovery, Job
from asyncexport.sansio.scheduling.planning import plan
from asyncexport.sansio.scheduling.window import OFFICIAL


@click.command("plan", context_settings=CONTEXT)
@options.config
@options.out
@options.entity
@options.profile
@options.account
@options.snapshot
@options.json_lines
@options.logs
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    settings: Settings,
    out: str,
    entity: tuple[str, ...],
    profile: tuple[str, ...],
    account: tuple[str, ...],
    snapshot: str,
    json: bool,
    **_logs: object,
) -> None:
    """Show what run would do; ask for no export.

    The profiles are looked up; what is already there under the label, and what Amazon still keeps for it, is counted by
    its records and not read; then the exports of the jobs that are left, parts of those that were too large for one as
    exports of their own, are counted by endpoint, with the rounds they need through
    the slots and the time that takes: by how long each took on earlier nights, or if an export is generated in 25 s,
    which is an assumption, as are 5 slots where their number is to be found out.
    """
    chosen = settings.choose(out=out, entities=entity, accounts=account)
    discovery = asyncio.run(look(chosen, Exporter))
    run = chosen.run
    profiles = select(discovery, profile)
    jobs = plan(profiles, entities=run.entities, filters=run.filters, snapshot=snapshot)
    known = present(jobs, sink_of(chosen.sink), run.state_dir, now=time.time())
    left = [job for job in jobs if job not in known.there]
    memory = learned(run.state_dir, left) if run.state_dir is not None else {}
    found = estimate(left, chosen.accounts, chosen.limits.told or OFFICIAL, memory)
    lines = as_json(discovery, jobs, known, found) if json else as_text(discovery, jobs, known, found)
    for text in lines:
        click.echo(text)
    for refused in discovery.refused:
        say(f"account {refused.account}/{refused.region.value} is left out: {refused.error}")
    ctx.exit(worst(refused.error for refused in discovery.refused))


def as_json(discovery: Discovery, jobs: Sequence[Job], known: Present, found: Estimate) -> list[str]:
    """Return a line for each account that could not be looked at and for each job, and a last one with the totals."""
    lines = [line(refusal_facts(refused)) for refused in discovery.refused]
    lines += [line({"event": "planned", **job_facts(job), "there": job in known.there}) for job in jobs]
    total = {
        "jobs": len(jobs),
        "there": len(known.there),
        "to_collect": known.to_collect,
        "exports": found.exports,
        "known": found.known,
        "waves": max((each.waves for each in found.queues), default=0),
        "seconds": round(found.seconds, 3),
        "assumed_generation": round(found.assumed, 3),
    }
    return [*lines, line({"event": "plan", **total})]


def as_text(discovery: Discovery, jobs: Sequence[Job], known: Present, found: Estimate) -> list[str]:
    """Return the plan for people; nothing if there are no jobs as no account could be looked at."""
    if not jobs:
        return [] if discovery.refused else ["nothing to do: the accounts manage no seller or vendor profile"]
    profiles = len({job.profile for job in jobs})
    rows = [["account", "region", "endpoint", "exports", "waves", "expected"]]
    for each in found.queues:
        numbers = [f"{each.exports:,}", f"{each.waves:,}", duration(each.seconds)]
        rows.append([each.client, each.region, each.endpoint, *numbers])
    head = [f"{count(len(jobs), 'job')} of {count(profiles, 'profile')} under the label {jobs[0].snapshot}"]
    if known.there or known.to_collect:
        left = len(jobs) - len(known.there) - known.to_collect
        collected = f"{known.to_collect:,} with exports to collect"
        head += [f"{len(known.there):,} already there, {collected}, {left:,} to ask for"]
    if not found.queues:
        return head
    last = f"at least about {duration(found.seconds)} in all, {grounds(found)}"
    return [*head, "", *table(rows, right=frozenset({3, 4, 5})), "", last]


def grounds(found: Estimate) -> str:
    """Return what the expected time rests on."""
    if not found.known:
        return f"assuming that an export is generated in {found.assumed:g} s (the median)"
    if found.known == found.exports:
        return f"by how long {count(found.known, 'export')} took on earlier nights"
    return f"by how long {found.known:,} of {count(found.exports, 'export')} took on earlier nights, the rest alike"
