"""What a run will take: queues, waves, what earlier nights taught, and the longest queue."""

from __future__ import annotations

from dataclasses import replace

import pytest

from asyncexport.app.estimate import GENERATION, Estimate, Queue, client_names, estimate, exports_of
from asyncexport.models import Entity, Job
from asyncexport.notes import Habit
from asyncexport.sansio.scheduling.splitting import split
from tests.app.support import account, job

ELEVEN = [job(str(number)) for number in range(11)]


def taking(*seconds: float) -> dict[tuple[str, ...], Habit]:
    """Return what is remembered when the first of eleven exports took so long."""
    return {each.subject: Habit(took, 1) for each, took in zip(ELEVEN, seconds, strict=False)}


def test_queues_of_which_nothing_is_known() -> None:
    """The exports of one endpoint form a queue that goes through its slots in waves, each of a usual generation."""
    found = estimate([*ELEVEN, job("1", Entity.ADS)], [account()], 5)
    assert found.queues == (
        Queue("acme", "EU", "campaigns", 11, 3, 3 * GENERATION),
        Queue("acme", "EU", "ads", 1, 1, GENERATION),
    )
    assert (found.seconds, found.exports, found.known, found.assumed) == (3 * GENERATION, 12, 0, GENERATION)


def test_accounts_that_share_a_client() -> None:
    """Accounts of one client id share its slots and are named together."""
    accounts = [account("a"), account("b"), account("c", client_id="other")]
    assert client_names(accounts) == {"a": "a+b", "b": "a+b", "c": "c"}
    jobs = [job("1", account="a"), job("2", account="b"), job("3", account="c")]
    first, second = estimate(jobs, accounts, 1).queues
    assert (first.client, first.exports, first.waves) == ("a+b", 2, 2)
    assert (second.client, second.exports, second.waves) == ("c", 1, 1)


def test_what_earlier_nights_taught() -> None:
    """A queue takes the sum of what its exports took over its slots."""
    found = estimate(ELEVEN, [account()], 5, taking(*[20.0] * 11))
    assert found.seconds == pytest.approx(44.0)
    assert found.known == 11


def test_a_giant() -> None:
    """A queue never takes less than its longest export."""
    assert estimate(ELEVEN, [account()], 5, taking(900.0, *[1.0] * 10)).seconds == 900.0


def test_exports_that_are_new() -> None:
    """They are taken for like the known ones of their queue, or where it has none, of the run."""
    found = estimate(
        [*ELEVEN, *(replace(each, entity=Entity.ADS) for each in ELEVEN)], [account()], 5, taking(40.0, 80.0)
    )
    assert [each.known for each in found.queues] == [2, 0]
    assert [each.seconds for each in found.queues] == pytest.approx([132.0, 132.0])
    assert found.assumed == 60.0


def test_a_job_in_parts() -> None:
    """Each part is an export of its own; one that is unknown is taken for like the others."""
    whole = job("1")
    parts = split(whole.filters, whole.entity)
    learned: dict[tuple[str, ...], Habit] = {whole.subject: Habit(5.0, 3, parts)}
    exports = exports_of(whole, learned)
    assert exports == [Job(whole.profile, whole.entity, filters, whole.snapshot) for filters in parts]
    learned |= {export.subject: Habit(100.0, 3) for export in exports[:2]}
    (queue,) = estimate([whole, job("2")], [account()], 2, learned).queues
    assert queue == Queue("acme", "EU", "campaigns", 4, 2, 200.0, 2)


def test_nothing_to_do() -> None:
    """No queue takes no time."""
    assert estimate([], [account()], 5) == Estimate(())
    assert Estimate(()).seconds == 0.0
