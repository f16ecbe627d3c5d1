"""The promises about what is asked of the server: not too early, not too much at once, nothing twice without a reason.

Each is a checker like those of :mod:`tests.faults.checkers`; the server's own books say what it was asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from typing import TypeAlias

from asyncexport.emulator.faults import Fault
from asyncexport.emulator.store.objects import ObjectKey
from asyncexport.events import ExportRequested
from asyncexport.models import Entity, Failed
from asyncexport.sansio.scheduling.splitting import TIMED_OUT
from tests.faults.bench import ALL, Observed
from tests.faults.plans import splits
from tests.faults.telling import visits

_Subject: TypeAlias = "tuple[str | None, Entity | None]"


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
    """The same rows are asked for once, but for lost answers and failed exports; a journalled export is adopted."""
    if seen.plan.must_succeed:
        asked = Counter(record.key for record in seen.server.journal.values())
        again: Counter[_Subject] = Counter()
        for key, count in asked.items():
            again[key.profile_id, key.entity] += count - 1
        for subject, count in again.items():
            reasons = sum(fault.times for fault in seen.plan.faults if _costs_a_request(fault, subject))
            if count > reasons:
                yield f"{subject} was asked for {count} times more than once, with {reasons} reasons to ask again"
    known = _worth_adopting(seen)
    for record in list(seen.server.journal.values())[seen.asked_before :]:
        if record.key in known:
            yield f"{record.key.subject} was asked for again, though its export was known"


def nothing_is_split_without_a_reason(seen: Observed) -> Iterator[str]:
    """Less than a whole job is asked for only where an export that holds it was too large, and never beyond the job."""
    too_large: list[ObjectKey] = []
    for record in seen.server.journal.values():
        key = record.key
        if key != ObjectKey.of(key.profile_id, key.entity, ALL) and not any(
            _is_within(key, each) for each in too_large
        ):
            yield f"{key} was asked for, and nothing that holds it had timed out"
        if record.failure == TIMED_OUT:
            too_large.append(key)


def _costs_a_request(fault: Fault, subject: _Subject) -> bool:
    if (fault.profile_id, fault.entity) != subject or splits(fault):
        return False
    return (fault.stage == "request" and bool(_names(fault) & _REPEATED)) or "not-found" in _names(fault)


_UNUSABLE = {"garbage-body", "empty-body", "html-body", "truncated-body", "huge-body"}
_REPEATED = {"lost-answer", "broken-after", "fin-after", "no-id", "id", "fail"} | _UNUSABLE


def _worth_adopting(seen: Observed) -> set[ObjectKey]:
    """Return what the first run left unfinished, told everybody that it had asked for, and has no reason to ask again.

    That an export was asked for is told after it was journalled.
    """
    if seen.state is None or seen.plan.later:
        return set()
    ended = {(each.job.profile.profile_id, each.job.entity) for each in seen.first.outcomes}
    lost = {(fault.profile_id, fault.entity) for fault in seen.plan.faults if _loses(fault)}
    told = [event.job for event in seen.first.events if isinstance(event, ExportRequested)]
    keys = {ObjectKey.of(job.profile.profile_id, job.entity, job.filters) for job in told}
    failed = {record.key for record in seen.server.journal.values() if record.failure}
    return {key for key in keys - failed if (key.profile_id, key.entity) not in ended | lost}


def _loses(fault: Fault) -> bool:
    return bool({"fail", "not-found"} & _names(fault)) and not splits(fault)


def _may_orphan(seen: Observed) -> bool:
    """Whether the server may be making exports that the client does not know of, or still thinks of as running."""
    faults = [fault for fault in (*seen.plan.faults, *seen.plan.later) if not splits(fault)]
    words = {name for fault in faults if fault.stage in {"request", "poll"} for name in _names(fault)}
    left = seen.plan.leaving is not None or (not seen.plan.journal and _has_failed(seen))
    return left or bool(words & (_REPEATED | {"not-found"}))


def _has_failed(seen: Observed) -> bool:
    return any(isinstance(outcome, Failed) for outcome in seen.first.outcomes)


def _is_within(part: ObjectKey, whole: ObjectKey) -> bool:
    """Whether the filters of one cut a part out of what the other one holds."""
    if (part.profile_id, part.entity) != (whole.profile_id, whole.entity) or part == whole:
        return False
    names = [field.name for field in fields(part.filters)]
    pairs = [(set(getattr(part.filters, name)), set(getattr(whole.filters, name))) for name in names]
    return all(own <= allowed if allowed else True for own, allowed in pairs)


def _names(fault: Fault) -> set[str]:
    return {word.name for word in fault.words}
