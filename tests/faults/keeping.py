"""The promises about what is kept: what stands in the sink and in the journal is the server's truth and the outcomes'.

Each is a checker like those of :mod:`tests.faults.checkers`. A job that was split stands in parts: the rows of all of
them are the server's, each row once, and within a part they stand in the order of that part's export.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from asyncexport.adapters.journal import read
from asyncexport.models import Exported, Failed, Outcome, Receipt
from asyncexport.sansio.scheduling.splitting import leading_whole
from tests.faults.bench import ALL, Observed, truth
from tests.faults.stored import DATA, RECORD, Part, stored
from tests.faults.telling import visits

_Subject = tuple[str, Any]


def exported_is_the_servers_truth(seen: Observed) -> Iterator[str]:
    """What is exported is the server's rows byte for byte, all of them, none twice, each part in the server's order."""
    kept = stored(seen)
    for visit in visits(seen):
        for outcome in visit.outcomes:
            if isinstance(outcome, Exported):
                yield from _compared(seen, outcome, kept.get(_subject(outcome), []))


def receipts_describe_what_is_stored(seen: Observed) -> Iterator[str]:
    """The record of each part describes it, and the outcome's receipt all of them."""
    kept = stored(seen)
    for subject, parts in kept.items():
        yield from (f"{subject}: the record of part {part.number} lies" for part in parts if not _is_honest(part))
    for visit in visits(seen):
        for outcome in visit.outcomes:
            parts = kept.get(_subject(outcome), [])
            if isinstance(outcome, Exported) and not _describes(outcome.receipt, parts):
                yield f"{outcome.job}: the outcome's receipt does not describe what is stored"


def no_part_is_missing_and_none_left_over(seen: Observed) -> Iterator[str]:
    """What is exported stands in parts 0, 1, 2, ..., as many as its receipt names, and no others."""
    kept = stored(seen)
    for subject, outcome in _last_outcomes(seen).items():
        if isinstance(outcome, Exported):
            numbers = [part.number for part in kept.get(subject, [])]
            if numbers != list(range(len(_receipts(outcome)))):
                yield f"{outcome.job} is exported in {len(_receipts(outcome))} parts and stands in {numbers}"


def nothing_else_is_committed(seen: Observed) -> Iterator[str]:
    """What stands in the sink is whole, whoever owns it; of what has failed by weather there are some parts at most."""
    outcomes = _last_outcomes(seen)
    for subject, parts in stored(seen).items():
        for part in parts:
            if part.text != truth(seen.plan.shape, *subject, part.filters):
                yield f"part {part.number} of {subject} stands in the sink with other rows than the server's"
        if isinstance(outcomes.get(subject), Failed) and seen.plan.trouble is None and _is_whole(subject, parts):
            yield f"{subject} has failed and stands in the sink"


def nothing_is_left_half(seen: Observed) -> Iterator[str]:
    """No ``.part``, no stray name below the folder, no file without its record or record without its file."""
    if seen.folder is None:
        return
    halves: Counter[tuple[str, str]] = Counter()
    for path in seen.folder.rglob("*"):
        if path.is_file():
            name = DATA.fullmatch(path.name) or RECORD.fullmatch(path.name)
            if name is None:
                yield f"{path.relative_to(seen.folder)} was left behind"
            else:
                halves[str(path.parent.relative_to(seen.folder)), name[1]] += 1
    yield from (f"{where}: part {number} is only half there" for (where, number), n in halves.items() if n != 2)


def the_journal_tells_the_same(seen: Observed) -> Iterator[str]:
    """The journal and the outcomes agree, about each part too; it need not know the parts of what was found."""
    if seen.state is None:
        return
    rows = read(seen.state, parts=True)
    for subject, outcome in _last_outcomes(seen).items():
        own = [row for row in rows if _about(row) == subject]
        whole = next((row for row in own if not row["whole"]), None)
        parts = {row["part"]: row for row in own if row["whole"]}
        if whole is None:
            yield f"{outcome.job} is not in the journal"
        elif isinstance(outcome, Exported):
            yield from _journalled_as(whole, outcome.receipt, str(outcome.job))
            yield from _parts_journalled(parts, outcome)
        elif (whole["state"], whole["error"]) != ("failed", type(outcome.error).__name__) and seen.plan.trouble is None:
            yield f"{outcome.job} has failed and is journalled as {whole['state']} ({whole['error']})"


def what_is_journalled_as_committed_is_there(seen: Observed) -> Iterator[str]:
    """The journal calls nothing committed that does not stand in the sink, neither a job nor a part."""
    if seen.state is None:
        return
    kept = {(subject, part.number) for subject, parts in stored(seen).items() for part in parts}
    for row in read(seen.state, parts=True):
        if row["state"] == "committed" and (_about(row), row["part"]) not in kept:
            yield f"part {row['part']} of {_about(row)} is journalled as committed and is not there"


def _subject(outcome: Outcome) -> _Subject:
    return outcome.job.profile.profile_id, outcome.job.entity


def _about(row: dict[str, Any]) -> tuple[str, str]:
    return row["profile_id"], row["entity"]


def _last_outcomes(seen: Observed) -> dict[_Subject, Outcome]:
    return {_subject(outcome): outcome for visit in visits(seen) for outcome in visit.outcomes}


def _receipts(outcome: Exported) -> tuple[Receipt, ...]:
    return outcome.receipt.parts or (outcome.receipt,)


def _compared(seen: Observed, outcome: Exported, parts: Sequence[Part]) -> Iterator[str]:
    subject = _subject(outcome)
    if not parts:
        yield f"{outcome.job} is exported and not there"
        return
    mine = Counter(line for part in parts for line in part.text.splitlines())
    theirs = Counter(truth(seen.plan.shape, *subject).splitlines())
    doubled, lost = (mine - theirs).total(), (theirs - mine).total()
    if doubled or lost:
        yield f"{outcome.job}: {lost} rows lost, {doubled} doubled or altered"
    elif any(part.text != truth(seen.plan.shape, *subject, part.filters) for part in parts):
        yield f"{outcome.job}: the rows stand in another order"


def _is_whole(subject: _Subject, parts: Sequence[Part]) -> bool:
    return leading_whole(ALL, subject[1], [part.filters for part in parts]) is not None


def _is_honest(part: Part) -> bool:
    told = (part.receipt.rows, part.receipt.bytes, part.receipt.sha256)
    return bool(told == (part.text.count(b"\n"), part.size, part.sha256))


def _describes(receipt: Receipt, parts: Sequence[Part]) -> bool:
    digests = [part.sha256 for part in parts]
    if receipt.parts:
        of_digests = hashlib.sha256("".join(f"{digest}\n" for digest in digests).encode()).hexdigest()
        whole, told = of_digests, [part.sha256 for part in receipt.parts]
    else:
        whole, told = "".join(digests), [receipt.sha256]
    rows, size = sum(part.text.count(b"\n") for part in parts), sum(part.size for part in parts)
    return (receipt.rows, receipt.bytes, receipt.sha256, told) == (rows, size, whole, digests)


def _parts_journalled(rows: dict[int, dict[str, Any]], outcome: Exported) -> Iterator[str]:
    receipts = dict(enumerate(outcome.receipt.parts))
    if rows.keys() != receipts.keys() and (rows or not outcome.found):
        yield f"{outcome.job}: the journal knows the parts {sorted(rows)}, and there are {len(receipts)}"
    for number in sorted(rows.keys() & receipts.keys()):
        yield from _journalled_as(rows[number], receipts[number], f"part {number} of {outcome.job}")


def _journalled_as(row: dict[str, Any], receipt: Receipt, what: str) -> Iterator[str]:
    if row["state"] != "committed":
        yield f"{what} is exported and journalled as {row['state']}"
    elif (row["export_id"], row["rows"], row["location"]) != (receipt.export_id, receipt.rows, receipt.location):
        yield f"{what}: the journal's receipt is another one"
