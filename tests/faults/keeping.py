"""The promises about what is kept: what stands in the sink and in the journal is the server's truth and the outcomes'.

Each is a checker like those of :mod:`tests.faults.checkers`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from asyncexport.adapters.journal import read
from asyncexport.models import Exported, Failed, Outcome
from tests.faults.bench import Observed, truth
from tests.faults.stored import Stored, stored
from tests.faults.telling import visits


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


def _journalled_as(row: dict[str, Any], outcome: Exported) -> Iterator[str]:
    receipt = outcome.receipt
    if row["state"] != "committed":
        yield f"{outcome.job} is exported and journalled as {row['state']}"
    elif (row["export_id"], row["rows"], row["location"]) != (receipt.export_id, receipt.rows, receipt.location):
        yield f"{outcome.job}: the journal's receipt is another one"


def _last_outcomes(seen: Observed) -> dict[tuple[str, Any], Outcome]:
    return {
        (outcome.job.profile.profile_id, outcome.job.entity): outcome
        for visit in visits(seen)
        for outcome in visit.outcomes
    }
