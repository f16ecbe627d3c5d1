"""What has to be true of every schedule, whatever was drawn: each checker looks at one promise and says what broke it.

A checker is a generator of complaints over what was observed; none means that the promise held. The server's own books
are the truth: rows are compared with what it generates, calls with what it answered, secrets with what it gave out.
"""

from __future__ import annotations

import asyncio
import errno
import pickle
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import asyncexport.errors as tree
from asyncexport.adapters.journal import read
from asyncexport.emulator.faults import Fault
from asyncexport.errors import DiskFull, SinkError
from asyncexport.events import ExportRequested
from asyncexport.models import Exported, Failed, Outcome
from tests.faults.bench import Interruption, Observed, Visit, truth
from tests.faults.dooms import Doom, Scope
from tests.faults.plans import Way
from tests.faults.stored import Stored, stored
from tests.faults.telling import chain, errors, no_secret_is_said, visits

Checker = Callable[[Observed], Iterator[str]]

_CLASSES = {getattr(tree, name) for name in tree.__all__}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def judge(seen: Observed) -> list[str]:
    """Return everything that is wrong with what was observed."""
    return [f"{checker.__name__}: {complaint}" for checker in CHECKERS for complaint in checker(seen)]


def ends_as_it_must(seen: Observed) -> Iterator[str]:
    """Nothing but what the caller does themselves comes out of a run."""
    way = seen.plan.leaving.way if seen.plan.leaving else None
    allowed: tuple[type[BaseException], ...] = ()
    if way is Way.RAISE:
        allowed = (Interruption,)
    elif way is Way.CANCEL:
        allowed = (asyncio.CancelledError,)
    if seen.first.raised is not None and not isinstance(seen.first.raised, allowed):
        yield f"the run raised {seen.first.raised!r}"
    if seen.second is not None and seen.second.raised is not None:
        yield f"the second run raised {seen.second.raised!r}"


def one_outcome_a_job(seen: Observed) -> Iterator[str]:
    """Every job has one outcome, unless the caller left; none has two."""
    for visit, whole in ((seen.first, seen.plan.leaving is None), (seen.second, True)):
        if visit is None:
            continue
        counts = Counter(outcome.job.key for outcome in visit.outcomes)
        yield from (f"{counts[key]} outcomes for {key}" for key in counts if counts[key] > 1)
        if whole and set(counts) != {job.key for job in visit.jobs}:
            yield f"{len(counts)} outcomes for {len(visit.jobs)} jobs"


def exported_is_the_servers_truth(seen: Observed) -> Iterator[str]:
    """What is exported is byte for byte the server's rows, in their order; the receipt counts them."""
    kept = stored(seen)
    for visit in visits(seen):
        for outcome in visit.outcomes:
            if isinstance(outcome, Exported):
                yield from _compared(seen, outcome, kept)


def nothing_else_is_committed(seen: Observed) -> Iterator[str]:
    """What stands in the sink is whole, whoever it belongs to; what has failed by weather is not there at all."""
    outcomes = _last_outcomes(seen)
    for subject, found in stored(seen).items():
        if found.text != truth(seen.plan.shape, *subject):
            yield f"{subject} stands in the sink with other rows than the server's"
        if isinstance(outcomes.get(subject), Failed) and seen.plan.trouble is None:
            yield f"{subject} has failed and stands in the sink"


def nothing_is_left_half(seen: Observed) -> Iterator[str]:
    """No ``.part``, no stray name below the folder."""
    if seen.folder is None:
        return
    for path in seen.folder.rglob("*"):
        if path.is_file() and re.fullmatch(r"part-0\.jsonl\.zst|_part-0\.receipt\.json", path.name) is None:
            yield f"{path.relative_to(seen.folder)} was left behind"


def what_can_survive_survives(seen: Observed) -> Iterator[str]:
    """A plan drawn to be survived ends with everything exported; so does a second run in fair weather."""
    if seen.plan.must_succeed:
        yield from _all_exported(seen, seen.first)
    if seen.second is not None:
        yield from _all_exported(seen, seen.second)


def dooms_end_in_their_error(seen: Observed) -> Iterator[str]:
    """What cannot be survived ends in the one error the matrix names, for whom it names, and for nobody else."""
    doom, doomed = seen.plan.doom, seen.plan.doomed
    if doom is None or doomed is None:
        return
    for error in [each.error for each in seen.first.refused] + [each.error for each in _failures(seen.first)]:
        if not isinstance(error, doom.error):
            yield f"{doom.error.__name__} was expected, not {error!r}"
    yield from _right_scope(seen, doom, doomed)


def trouble_with_the_sink_is_told(seen: Observed) -> Iterator[str]:
    """One failing operation fails its own export, with the error of its kind; a full disk may stop what follows."""
    trouble = seen.plan.trouble
    if trouble is None:
        return
    failures = _failures(seen.first)
    kind = DiskFull if trouble.code in _FULL else SinkError
    yield from (
        f"{kind.__name__} was expected, not {each.error!r}" for each in failures if type(each.error) is not kind
    )
    if not seen.tripped:
        yield f"the sink was never asked for {trouble.operation} number {trouble.nth}"
    if not failures and trouble.operation not in {"open_folder", "look_at"}:
        yield f"{trouble} and every job is exported"
    if len(failures) > 1 and kind is SinkError:
        yield f"one failing operation failed {len(failures)} jobs"


def every_planned_fault_was_met(seen: Observed) -> Iterator[str]:
    """What was planned has happened, as often as planned."""
    if seen.plan.must_meet_all:
        yield from (f"unmet: {fault}" for fault in seen.unmet)


def errors_are_ours(seen: Observed) -> Iterator[str]:
    """Every error is in the tree, says something, survives pickling, and leads to no client library's exception."""
    for visit in visits(seen):
        for error in errors(visit):
            if not _CLASSES & set(type(error).__mro__[:3]):
                yield f"{error!r} is not in the tree"
            if not str(error).strip():
                yield f"{type(error).__name__} says nothing"
            copied = pickle.loads(pickle.dumps(error))  # noqa: S301  our own
            if (type(copied), str(copied)) != (type(error), str(error)):
                yield f"{error!r} does not survive pickling"
            yield from (f"{error!r} leads to {each!r}" for each in chain(error) if _is_foreign(each))


def nobody_comes_too_early(seen: Observed) -> Iterator[str]:
    """After a 429 with Retry-After its profile is left alone; after any Retry-After the same call is."""
    for visit in visits(seen):
        for told in visit.calls:
            if not told.retry_after:
                continue
            until = told.ended_at + told.retry_after - 1e-6
            for call in visit.calls:
                hears = call.who == told.who if told.status == 429 and told.who != "/" else call.target == told.target
                if hears and told.ended_at < call.sent_at < until:
                    yield f"{call.target} went out {until - call.sent_at:.3f} s before it should"


def never_beyond_the_cap(seen: Observed) -> Iterator[str]:
    """The server never saw more exports in progress than it allows, and had to refuse only where answers were lost."""
    beyond = {where: peak for where, peak in seen.server.peaks.items() if peak > seen.plan.cap}
    if beyond:
        yield f"in progress at once: {beyond}"
    if seen.server.counters.throttled["cap"] and not _may_orphan(seen):
        yield f"{seen.server.counters.throttled['cap']} requests beyond the cap"


def nothing_is_asked_for_twice(seen: Observed) -> Iterator[str]:
    """There are as many exports as jobs, but for lost answers and failed exports; a journalled one is adopted."""
    if seen.plan.must_succeed:
        asked = Counter((record.key.profile_id, record.key.entity) for record in seen.server.journal.values())
        for subject, count in asked.items():
            reasons = sum(fault.times for fault in seen.plan.faults if _costs_a_request(fault, subject))
            if count > 1 + reasons:
                yield f"{subject} was asked for {count} times, with {reasons} reasons to ask again"
    known = _worth_adopting(seen)
    for record in list(seen.server.journal.values())[seen.asked_before :]:
        if (record.key.profile_id, record.key.entity) in known:
            yield f"{record.key.subject} was asked for again, though its export was known"


def the_journal_tells_the_same(seen: Observed) -> Iterator[str]:
    """The journal, the outcomes and the sink agree."""
    if seen.state is None:
        return
    rows = {(row["profile_id"], row["entity"]): row for row in read(seen.state)}
    kept = stored(seen)
    for (profile_id, entity), outcome in _last_outcomes(seen).items():
        row = rows.get((profile_id, entity.value))
        if row is None:
            yield f"{outcome.job} is not in the journal"
        elif isinstance(outcome, Exported):
            yield from _journalled_as(row, outcome)
        elif (row["state"], row["error"]) != ("failed", type(outcome.error).__name__) and seen.plan.trouble is None:
            yield f"{outcome.job} has failed and is journalled as {row['state']} ({row['error']})"
    for (profile_id, name), row in rows.items():
        if row["state"] == "committed" and not any((each[0], each[1].value) == (profile_id, name) for each in kept):
            yield f"{profile_id}/{name} is journalled as committed and is not there"


def the_summary_counts_right(seen: Observed) -> Iterator[str]:
    """The numbers of the summary are those of the outcomes and of the calls that went out."""
    for visit in visits(seen):
        if visit.raised is not None:
            continue
        summary, outcomes = visit.summary, visit.outcomes
        fresh = [each for each in outcomes if isinstance(each, Exported) and not each.found]
        told = (summary.exported, summary.failed, summary.rows)
        counted = (len(fresh), len(_failures(visit)), sum(each.receipt.rows for each in fresh))
        if told != counted and seen.plan.leaving is None:
            yield f"the summary says {told}, the outcomes {counted}"
        if summary.requests < len(visit.calls):
            yield f"the summary counts {summary.requests} requests, {len(visit.calls)} went out"


def only_the_store_was_downloaded_from(seen: Observed) -> Iterator[str]:
    """No connection was made to a URL that is not to be followed."""
    for visit in visits(seen):
        yield from (f"connected to {host}" for host in visit.hosts if not host.startswith(seen.store_url))


def nothing_stays_behind(seen: Observed) -> Iterator[str]:
    """No descriptor, task or connection in use is left, and the event loop heard no complaint."""
    yield from seen.leaks
    yield from seen.complaints
    yield from (f"{each.connections_left} connections in use" for each in visits(seen) if each.connections_left)


CHECKERS: tuple[Checker, ...] = (
    ends_as_it_must,
    one_outcome_a_job,
    exported_is_the_servers_truth,
    nothing_else_is_committed,
    nothing_is_left_half,
    what_can_survive_survives,
    dooms_end_in_their_error,
    trouble_with_the_sink_is_told,
    every_planned_fault_was_met,
    errors_are_ours,
    nobody_comes_too_early,
    never_beyond_the_cap,
    nothing_is_asked_for_twice,
    the_journal_tells_the_same,
    the_summary_counts_right,
    only_the_store_was_downloaded_from,
    nothing_stays_behind,
    no_secret_is_said,
)


def _last_outcomes(seen: Observed) -> dict[tuple[str, Any], Outcome]:
    return {
        (outcome.job.profile.profile_id, outcome.job.entity): outcome
        for visit in visits(seen)
        for outcome in visit.outcomes
    }


def _failures(visit: Visit) -> list[Failed]:
    return [outcome for outcome in visit.outcomes if isinstance(outcome, Failed)]


def _compared(seen: Observed, outcome: Exported, kept: dict[tuple[str, Any], Stored]) -> Iterator[str]:
    subject = (outcome.job.profile.profile_id, outcome.job.entity)
    expected = truth(seen.plan.shape, *subject)
    found = kept.get(subject)
    if found is None:
        yield f"{outcome.job} is exported and not there"
    elif found.text != expected:
        mine, theirs = Counter(found.text.split(b"\n")), Counter(expected.split(b"\n"))
        doubled, lost = (mine - theirs).total(), (theirs - mine).total()
        yield f"{outcome.job}: {lost} rows lost, {doubled} doubled or altered" + ("" if lost or doubled else ", order")
    elif (found.receipt.sha256, found.receipt.rows) != (found.sha256, expected.count(b"\n")):
        yield f"{outcome.job}: the receipt does not describe what is stored"
    elif outcome.receipt.rows != expected.count(b"\n") or outcome.receipt.sha256 != found.sha256:
        yield f"{outcome.job}: the outcome's receipt does not describe what is stored"


def _all_exported(seen: Observed, visit: Visit) -> Iterator[str]:
    yield from (f"{each.job} failed: {each.error!r}" for each in _failures(visit))
    yield from (f"refused: {each!r}" for each in visit.refused)
    if len(visit.jobs) != len(seen.plan.subjects):
        yield f"{len(visit.jobs)} jobs of {len(seen.plan.subjects)}"


def _right_scope(seen: Observed, doom: Doom, doomed: tuple[str, Any]) -> Iterator[str]:
    failures, refused = _failures(seen.first), seen.first.refused
    accounts = {each.job.profile.account for each in failures} | {each.account for each in refused}
    subjects = {(each.job.profile.profile_id, each.job.entity) for each in failures}
    of_account = {job.key for job in seen.first.jobs if job.profile.account in accounts}
    right = {
        Scope.JOB: not refused and subjects == {doomed},
        Scope.PROFILE: not refused and doomed in subjects and {each[0] for each in subjects} == {doomed[0]},
        Scope.ANY_JOB: not refused and len(subjects) >= 1,
        Scope.DISCOVERY: len(refused) == 1 and not seen.first.jobs,
        Scope.ACCOUNT: len(accounts) == 1 and of_account == {each.job.key for each in failures},
    }
    if not right[doom.scope]:
        yield f"{doom} took {len(failures)} of {len(seen.first.jobs)} jobs and {len(refused)} accounts with it"


def _is_foreign(error: BaseException) -> bool:
    return type(error).__module__.partition(".")[0] in {"aiohttp", "yarl", "multidict", "sqlite3"}


def _costs_a_request(fault: Fault, subject: tuple[str, Any]) -> bool:
    if (fault.profile_id, fault.entity) != subject:
        return False
    repeats = {"lost-answer", "broken-after", "fin-after", "no-id", "id", "fail"} | _UNUSABLE
    return (fault.stage == "request" and bool(_names(fault) & repeats)) or "not-found" in _names(fault)


_UNUSABLE = {"garbage-body", "empty-body", "html-body", "truncated-body", "huge-body"}


def _worth_adopting(seen: Observed) -> set[tuple[str, Any]]:
    """Return what the first run left unfinished, told everybody that it had asked for, and has no reason to ask again.

    That an export was asked for is told after it was journalled.
    """
    if seen.state is None or seen.plan.later:
        return set()
    ended = {outcome.job for outcome in seen.first.outcomes}
    left = [event for event in seen.first.events if isinstance(event, ExportRequested) and event.job not in ended]
    subjects = {(each.job.profile.profile_id, each.job.entity) for each in left}
    lost = {(fault.profile_id, fault.entity) for fault in seen.plan.faults if {"fail", "not-found"} & _names(fault)}
    return subjects - lost


def _names(fault: Fault) -> set[str]:
    return {word.name for word in fault.words}


def _may_orphan(seen: Observed) -> bool:
    """Whether the server may be making exports that the client does not know of, or still thinks of as running."""
    repeats = {"lost-answer", "broken-after", "fin-after", "no-id", "id", "fail", "not-found"} | _UNUSABLE
    faults = (*seen.plan.faults, *seen.plan.later)
    words = {name for fault in faults if fault.stage in {"request", "poll"} for name in _names(fault)}
    return bool(words & repeats) or seen.plan.leaving is not None


def _journalled_as(row: dict[str, Any], outcome: Exported) -> Iterator[str]:
    receipt = outcome.receipt
    if row["state"] != "committed":
        yield f"{outcome.job} is exported and journalled as {row['state']}"
    elif (row["export_id"], row["rows"], row["location"]) != (receipt.export_id, receipt.rows, receipt.location):
        yield f"{outcome.job}: the journal's receipt is another one"
