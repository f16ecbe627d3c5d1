"""Every checker can fail: a schedule that went well is tampered with, and the one promise that is broken is named."""

from __future__ import annotations

import asyncio
import errno
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from asyncexport.emulator.faults import Fault
from asyncexport.errors import AsyncexportError, RequestRejected, ServerError, TooManyOpenFiles
from asyncexport.events import OddityNoticed
from asyncexport.models import Entity, Exported, Failed, Receipt
from tests.faults.bench import Observed, opened, profiles_of
from tests.faults.checkers import CHECKERS, judge
from tests.faults.dooms import DOOMS
from tests.faults.plans import Leaving, Plan, Shape, Trouble, Way
from tests.faults.shims import CallSeen

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SHAPE = Shape.numbered(3)
SUBJECTS = tuple((profile_id, entity) for profile_id in profiles_of(SHAPE) for entity in (Entity.ADS, Entity.TARGETS))
PLAN = Plan(0, SHAPE, SUBJECTS, files=True, journal=True)
DOOM = next(doom for doom in DOOMS if doom.error is RequestRejected)
DOOMED = replace(PLAN, doom=DOOM, doomed=SUBJECTS[0], faults=DOOM.faults(*SUBJECTS[0]))
SPLIT = replace(PLAN, faults=(Fault.of("request", "fail-TIMED_OUT", profile_id=SUBJECTS[0][0], entity=Entity.ADS),))
TROUBLED = replace(PLAN, trouble=Trouble("rename", 1, 5), resumes=True)
PASSING = replace(PLAN, trouble=Trouble("rename", 1, errno.EMFILE), resumes=True)
LEFT = replace(PLAN, leaving=Leaving(Way.CANCEL, 9), resumes=True)

Tamper = Callable[[Observed], object]


async def seen_by(plan: Plan, folder: Path, tamper: Tamper) -> set[str]:
    """Run the plan, tamper with what was observed, and return the names of the checkers that complain."""

    def look(seen: Observed) -> list[str]:
        tamper(seen)
        return judge(seen)

    async with opened(folder) as bench:
        return {complaint.partition(":")[0] for complaint in await bench.run(plan, look)}


IN_MEMORY = [replace(plan, files=False, journal=False) for plan in (PLAN, SPLIT)]


@pytest.mark.parametrize("plan", [PLAN, DOOMED, SPLIT, TROUBLED, PASSING, LEFT, *IN_MEMORY], ids=str)
async def test_what_goes_well_breaks_no_promise(plan: Plan, tmp_path: Path) -> None:
    """The plans that are tampered with below are fine as they are."""
    assert await seen_by(plan, tmp_path, lambda _: None) == set()


def data_file(seen: Observed, part: int = 0) -> Path:
    """Return one committed file; of part 1 and more there is only one."""
    assert seen.folder is not None
    return next(seen.folder.rglob(f"part-{part}.jsonl.zst"))


def record_of(file: Path) -> Path:
    """Return the record of a committed file."""
    return file.with_name(f"_{file.name.partition('.')[0]}.receipt.json")


def put_elsewhere(seen: Observed) -> None:
    """Let one file hold what another one should."""
    assert seen.folder is not None
    one, other, *_ = sorted(seen.folder.rglob("part-0.jsonl.zst"))
    one.write_bytes(other.read_bytes())


def put_twice(seen: Observed) -> None:
    """Let one part hold the rows of another one."""
    files = sorted((in_the_split(seen, part) for part in range(3)), key=lambda file: len(lines(file)))
    files[0].write_bytes(files[-1].read_bytes())


def turned_round(seen: Observed) -> None:
    """Let the rows of a part stand in another order."""
    file = max((in_the_split(seen, part) for part in range(3)), key=lambda file: len(lines(file)))
    file.write_bytes(zstd.compress(b"".join(reversed(lines(file)))))


def in_the_split(seen: Observed, part: int) -> Path:
    """Return the file of a part of the job that was split."""
    return data_file(seen, 1).with_name(f"part-{part}.jsonl.zst")


def lines(file: Path) -> list[bytes]:
    """Return the rows of a file."""
    return zstd.decompress(file.read_bytes()).splitlines(keepends=True)


def one_more_part(seen: Observed) -> None:
    """Leave a part of an earlier split beside the parts there are."""
    file = data_file(seen, 2)
    more = file.with_name("part-3.jsonl.zst")
    more.write_bytes(file.read_bytes())
    record_of(more).write_bytes(record_of(file).read_bytes())


def lied(seen: Observed) -> None:
    """Let the record of a part count a row too many."""
    record = record_of(data_file(seen, 1))
    content = json.loads(record.read_text())
    record.write_text(json.dumps({**content, "rows": content["rows"] + 1}))


def of_split(seen: Observed, change: Callable[[Receipt], Receipt]) -> None:
    """Let the job that was split have another receipt."""
    at, outcome = next(
        (at, each) for at, each in enumerate(seen.first.outcomes) if isinstance(each, Exported) and each.receipt.parts
    )
    seen.first.outcomes[at] = replace(outcome, receipt=change(outcome.receipt))


def one_part_short(receipt: Receipt) -> Receipt:
    """Return the receipt without its last part."""
    return replace(receipt, parts=receipt.parts[:-1])


def one_part_miscounted(receipt: Receipt) -> Receipt:
    """Return the receipt with a row too many in one of its parts."""
    first, *others = receipt.parts
    return replace(receipt, parts=(replace(first, rows=first.rows + 1), *others))


def forgotten(seen: Observed) -> None:
    """Let a part be gone from the memory."""
    next(parts for parts in seen.memory.store.values() if len(parts) > 1).pop(1)


def never_too_large(seen: Observed) -> None:
    """Let no export have timed out."""
    for record in seen.server.journal.values():
        record.failure = ""


def told(seen: Observed, outcome: Any) -> None:
    """Let the first job have another outcome, or none."""
    seen.first.outcomes[0:1] = [] if outcome is None else [outcome]


def failed(seen: Observed, error: AsyncexportError) -> Failed:
    """Return a failure of the first job."""
    return Failed(seen.first.outcomes[0].job, error)


def miscounted(seen: Observed) -> Exported:
    """Return the first outcome with a row too many in its receipt."""
    outcome = seen.first.outcomes[0]
    assert isinstance(outcome, Exported)
    return replace(outcome, receipt=replace(outcome.receipt, rows=outcome.receipt.rows + 1))


def caused(error: AsyncexportError, cause: Exception) -> AsyncexportError:
    """Return the error with a cause."""
    error.__cause__ = cause
    return error


def called(wait: float) -> list[CallSeen]:
    """Return two calls, the second half a second after a 429 that asked for ``wait``."""
    return [CallSeen("c/p", "GET /a", 1.0, 2.0, 429, wait), CallSeen("c/p", "GET /b", 2.5, 3.0, 200, None)]


def secret(seen: Observed) -> str:
    """Return a secret of the world."""
    return seen.server.world.grants[0].client_secret


def asked_again(seen: Observed) -> None:
    """Let the server have been asked once more for what it was asked for last."""
    *_, record = seen.server.journal.values()
    seen.server.exports.records["again"] = record


def known_and_asked_again(seen: Observed) -> None:
    """Let a job have been left unfinished by the first run, and its export asked for after it."""
    seen.first.outcomes.pop()
    seen.asked_before = 0


def said_in_a_file(seen: Observed) -> None:
    """Write a secret beside the journal."""
    assert seen.state is not None
    (seen.state / "note").write_text(secret(seen))


TAMPERS: tuple[tuple[str, Plan, Tamper], ...] = (
    ("ends_as_it_must", PLAN, lambda seen: setattr(seen.first, "raised", asyncio.CancelledError())),
    ("ends_as_it_must", LEFT, lambda seen: setattr(seen.second, "raised", asyncio.CancelledError())),
    ("one_outcome_a_job", PLAN, lambda seen: told(seen, None)),
    ("one_outcome_a_job", PLAN, lambda seen: seen.first.outcomes.append(seen.first.outcomes[0])),
    ("exported_is_the_servers_truth", PLAN, put_elsewhere),
    ("exported_is_the_servers_truth", PLAN, lambda seen: data_file(seen).unlink()),
    ("exported_is_the_servers_truth", SPLIT, put_twice),
    ("exported_is_the_servers_truth", SPLIT, turned_round),
    ("receipts_describe_what_is_stored", PLAN, lambda seen: told(seen, miscounted(seen))),
    ("receipts_describe_what_is_stored", SPLIT, lied),
    ("receipts_describe_what_is_stored", SPLIT, lambda seen: of_split(seen, one_part_short)),
    ("no_part_is_missing_and_none_left_over", PLAN, lambda seen: data_file(seen).unlink()),
    ("no_part_is_missing_and_none_left_over", SPLIT, lambda seen: data_file(seen, 2).unlink()),
    ("no_part_is_missing_and_none_left_over", SPLIT, one_more_part),
    ("no_part_is_missing_and_none_left_over", IN_MEMORY[1], forgotten),
    ("nothing_else_is_committed", PLAN, put_elsewhere),
    ("nothing_else_is_committed", PLAN, lambda seen: told(seen, failed(seen, ServerError("no")))),
    ("nothing_is_left_half", PLAN, lambda seen: data_file(seen).with_name("part-0.jsonl.zst.part").touch()),
    ("nothing_else_is_committed", SPLIT, turned_round),
    ("nothing_is_left_half", SPLIT, lambda seen: record_of(data_file(seen, 1)).unlink()),
    ("nothing_is_left_half", SPLIT, lambda seen: data_file(seen, 1).unlink()),
    ("what_can_survive_survives", PLAN, lambda seen: told(seen, failed(seen, ServerError("no")))),
    ("what_can_survive_survives", PASSING, lambda seen: told(seen, failed(seen, TooManyOpenFiles("no")))),
    ("what_can_survive_survives", LEFT, lambda seen: seen.second and seen.second.jobs.pop()),
    ("dooms_end_in_their_error", replace(PLAN, doom=DOOM, doomed=SUBJECTS[0]), lambda _: None),
    ("dooms_end_in_their_error", replace(DOOMED, doom=replace(DOOM, error=ServerError)), lambda _: None),
    ("trouble_with_the_sink_is_told", replace(TROUBLED, trouble=Trouble("rename", 99, 5)), lambda _: None),
    ("trouble_with_the_sink_is_told", TROUBLED, lambda seen: seen.first.outcomes.clear()),
    ("every_planned_fault_was_met", replace(PLAN, faults=(Fault.parse("request nth=99: reset"),)), lambda _: None),
    ("errors_are_ours", PLAN, lambda seen: told(seen, failed(seen, ServerError("")))),
    ("errors_are_ours", PLAN, lambda seen: told(seen, failed(seen, caused(ServerError("x"), aiohttp.ClientError())))),
    ("nobody_comes_too_early", PLAN, lambda seen: setattr(seen.first, "calls", called(0.75))),
    ("never_beyond_the_cap", PLAN, lambda seen: setattr(seen, "plan", replace(PLAN, cap=0))),
    ("never_beyond_the_cap", PLAN, lambda seen: seen.server.counters.throttled.update(cap=1)),
    ("nothing_is_asked_for_twice", PLAN, asked_again),
    ("nothing_is_asked_for_twice", SPLIT, asked_again),
    ("nothing_is_asked_for_twice", PLAN, known_and_asked_again),
    ("nothing_is_split_without_a_reason", SPLIT, never_too_large),
    ("the_journal_tells_the_same", PLAN, lambda seen: told(seen, failed(seen, ServerError("no")))),
    ("the_journal_tells_the_same", PLAN, lambda seen: told(seen, miscounted(seen))),
    ("the_journal_tells_the_same", SPLIT, lambda seen: of_split(seen, one_part_short)),
    ("the_journal_tells_the_same", SPLIT, lambda seen: of_split(seen, one_part_miscounted)),
    ("what_is_journalled_as_committed_is_there", PLAN, lambda seen: data_file(seen).unlink()),
    ("what_is_journalled_as_committed_is_there", SPLIT, lambda seen: data_file(seen, 1).unlink()),
    ("the_summary_counts_right", PLAN, lambda seen: told(seen, miscounted(seen))),
    ("the_summary_counts_right", PLAN, lambda seen: seen.first.calls.extend(called(0.0) * 99)),
    ("only_the_store_was_downloaded_from", PLAN, lambda seen: seen.first.hosts.add("https://evil.example")),
    ("nothing_stays_behind", PLAN, lambda seen: seen.leaks.append("task")),
    ("nothing_stays_behind", PLAN, lambda seen: seen.complaints.append("never awaited")),
    ("nothing_stays_behind", PLAN, lambda seen: setattr(seen.first, "connections_left", 1)),
    ("no_secret_is_said", PLAN, lambda seen: seen.log.append(f"token {secret(seen)}")),
    ("no_secret_is_said", PLAN, lambda seen: seen.first.events.append(OddityNoticed(secret(seen)))),
    ("no_secret_is_said", PLAN, lambda seen: seen.first.events.append(OddityNoticed("?x-amz-signature=0f"))),
    ("no_secret_is_said", PLAN, said_in_a_file),
)


@pytest.mark.parametrize(("name", "plan", "tamper"), TAMPERS)
async def test_a_broken_promise_is_named(name: str, plan: Plan, tamper: Tamper, tmp_path: Path) -> None:
    """The checker of the promise complains; others may too, where one lie breaks several."""
    assert name in await seen_by(plan, tmp_path, tamper)


def test_every_checker_is_seen_to_fail() -> None:
    """No checker is without a lie that it finds."""
    assert {name for name, _, _ in TAMPERS} == {checker.__name__ for checker in CHECKERS}
