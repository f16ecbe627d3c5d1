"""What has to be true of every schedule, whatever was drawn: each checker looks at one promise and says what broke it.

A checker is a generator of complaints over what was observed; none means that the promise held. The server's own books
are the truth: rows are compared with what it generates, calls with what it answered, secrets with what it gave out.
"""

from __future__ import annotations

import asyncio
import errno
import pickle
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import asyncexport.errors as tree
from asyncexport.errors import DiskFull, SinkError
from asyncexport.models import Exported, Failed
from tests.faults.asking import (
    never_beyond_the_cap,
    nobody_comes_too_early,
    nothing_is_asked_for_twice,
    nothing_is_split_without_a_reason,
)
from tests.faults.bench import Interruption, Observed, Visit
from tests.faults.dooms import Doom, Scope
from tests.faults.keeping import (
    exported_is_the_servers_truth,
    no_part_is_missing_and_none_left_over,
    nothing_else_is_committed,
    nothing_is_left_half,
    receipts_describe_what_is_stored,
    the_journal_tells_the_same,
    what_is_journalled_as_committed_is_there,
)
from tests.faults.plans import Way
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
    """One failing operation fails its own export, with the error of its kind; a full disk may stop what follows.

    Want of descriptors fails none: it passes, and such a schedule has to survive.
    """
    trouble = seen.plan.trouble
    if trouble is None:
        return
    if not seen.tripped:
        yield f"the sink was never asked for {trouble.operation} number {trouble.nth}"
    if trouble.passes:
        return
    failures = _failures(seen.first)
    kind = DiskFull if trouble.code in _FULL else SinkError
    yield from (
        f"{kind.__name__} was expected, not {each.error!r}" for each in failures if type(each.error) is not kind
    )
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
    receipts_describe_what_is_stored,
    no_part_is_missing_and_none_left_over,
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
    nothing_is_split_without_a_reason,
    the_journal_tells_the_same,
    what_is_journalled_as_committed_is_there,
    the_summary_counts_right,
    only_the_store_was_downloaded_from,
    nothing_stays_behind,
    no_secret_is_said,
)


def _failures(visit: Visit) -> list[Failed]:
    return [outcome for outcome in visit.outcomes if isinstance(outcome, Failed)]


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
        Scope.JOB_IF_ANY: not refused and subjects <= {doomed},
        Scope.PROFILE: not refused and doomed in subjects and {each[0] for each in subjects} == {doomed[0]},
        Scope.ANY_JOB: not refused and len(subjects) >= 1,
        Scope.DISCOVERY: len(refused) == 1 and not seen.first.jobs,
        Scope.ACCOUNT: len(accounts) == 1 and of_account == {each.job.key for each in failures},
    }
    if not right[doom.scope]:
        yield f"{doom} took {len(failures)} of {len(seen.first.jobs)} jobs and {len(refused)} accounts with it"


def _is_foreign(error: BaseException) -> bool:
    return type(error).__module__.partition(".")[0] in {"aiohttp", "yarl", "multidict", "sqlite3"}
