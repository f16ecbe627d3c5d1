"""Every checker can fail: a schedule that went well is tampered with, and the one promise that is broken is named."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from asyncexport.emulator.faults import Fault
from asyncexport.errors import AsyncexportError, RequestRejected, ServerError
from asyncexport.events import OddityNoticed
from asyncexport.models import Entity, Exported, Failed
from tests.faults.bench import Observed, opened, profiles_of
from tests.faults.checkers import CHECKERS, judge
from tests.faults.dooms import DOOMS
from tests.faults.plans import Leaving, Plan, Shape, Trouble, Way
from tests.faults.shims import CallSeen

SHAPE = Shape.numbered(3)
SUBJECTS = tuple((profile_id, entity) for profile_id in profiles_of(SHAPE) for entity in (Entity.ADS, Entity.TARGETS))
PLAN = Plan(0, SHAPE, SUBJECTS, files=True, journal=True)
DOOM = next(doom for doom in DOOMS if doom.error is RequestRejected)
DOOMED = replace(PLAN, doom=DOOM, doomed=SUBJECTS[0], faults=DOOM.faults(*SUBJECTS[0]))
TROUBLED = replace(PLAN, trouble=Trouble("rename", 1, 5), resumes=True)
LEFT = replace(PLAN, leaving=Leaving(Way.CANCEL, 9), resumes=True)

Tamper = Callable[[Observed], object]


async def seen_by(plan: Plan, folder: Path, tamper: Tamper) -> set[str]:
    """Run the plan, tamper with what was observed, and return the names of the checkers that complain."""

    def look(seen: Observed) -> list[str]:
        tamper(seen)
        return judge(seen)

    async with opened(folder) as bench:
        return {complaint.partition(":")[0] for complaint in await bench.run(plan, look)}


@pytest.mark.parametrize("plan", [PLAN, DOOMED, TROUBLED, LEFT, replace(PLAN, files=False, journal=False)], ids=str)
async def test_what_goes_well_breaks_no_promise(plan: Plan, tmp_path: Path) -> None:
    """The plans that are tampered with below are fine as they are."""
    assert await seen_by(plan, tmp_path, lambda _: None) == set()


def data_file(seen: Observed) -> Path:
    """Return one committed file."""
    assert seen.folder is not None
    return next(seen.folder.rglob("part-0.jsonl.zst"))


def put_elsewhere(seen: Observed) -> None:
    """Let one file hold what another one should."""
    assert seen.folder is not None
    one, other, *_ = sorted(seen.folder.rglob("part-0.jsonl.zst"))
    one.write_bytes(other.read_bytes())


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
    """Let the server have been asked once more for what it was asked for."""
    record = next(iter(seen.server.journal.values()))
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
    ("exported_is_the_servers_truth", PLAN, lambda seen: told(seen, miscounted(seen))),
    ("exported_is_the_servers_truth", PLAN, lambda seen: data_file(seen).unlink()),
    ("nothing_else_is_committed", PLAN, put_elsewhere),
    ("nothing_else_is_committed", PLAN, lambda seen: told(seen, failed(seen, ServerError("no")))),
    ("nothing_is_left_half", PLAN, lambda seen: data_file(seen).with_name("part-0.jsonl.zst.part").touch()),
    ("what_can_survive_survives", PLAN, lambda seen: told(seen, failed(seen, ServerError("no")))),
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
    ("nothing_is_asked_for_twice", PLAN, known_and_asked_again),
    ("the_journal_tells_the_same", PLAN, lambda seen: told(seen, failed(seen, ServerError("no")))),
    ("the_journal_tells_the_same", PLAN, lambda seen: told(seen, miscounted(seen))),
    ("the_journal_tells_the_same", PLAN, lambda seen: data_file(seen).unlink()),
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
