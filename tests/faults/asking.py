"""The promises about what is asked of the server: not too early, not too much at once, nothing twice without a reason.

Each is a checker like those of :mod:`tests.faults.checkers`; the server's own books say what it was asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from asyncexport.emulator.faults import Fault
from asyncexport.events import ExportRequested
from tests.faults.bench import Observed
from tests.faults.telling import visits


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


def _may_orphan(seen: Observed) -> bool:
    """Whether the server may be making exports that the client does not know of, or still thinks of as running."""
    repeats = {"lost-answer", "broken-after", "fin-after", "no-id", "id", "fail", "not-found"} | _UNUSABLE
    faults = (*seen.plan.faults, *seen.plan.later)
    words = {name for fault in faults if fault.stage in {"request", "poll"} for name in _names(fault)}
    return bool(words & repeats) or seen.plan.leaving is not None


def _names(fault: Fault) -> set[str]:
    return {word.name for word in fault.words}
