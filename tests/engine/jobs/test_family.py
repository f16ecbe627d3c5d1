"""The parts of a job: their numbers, and what becomes of the job."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport import Entity, Filters
from asyncexport.engine.jobs.family import Family, Member
from asyncexport.errors import ServerError, SinkError
from asyncexport.models import Receipt, SignedUrl, TransferOrder
from asyncexport.sansio.scheduling.splitting import leading_whole, split
from tests.engine.support import JOB

PARTS = split(JOB.filters, JOB.entity)


def receipt(number: int) -> Receipt:
    return Receipt(f"e-{number}", 1, 10, f"{number:02x}", f"part-{number}")


def bring(members: list[Member]) -> None:
    for member in members:
        member.family.committed(member.number, receipt(member.number))


def test_all_parts() -> None:
    """With its last part the job has its receipt: the parts' own ones in the order of their numbers."""
    family = Family(JOB, PARTS)
    first, *others = family.members
    bring(others)
    assert (family.receipt, family.has_ended) == (None, False)
    bring([first])
    assert family.receipt == Receipt.of_parts([receipt(number) for number in range(3)])
    assert (family.has_ended, family.error) == (True, None)


def test_a_part_that_is_cut_further() -> None:
    """Its first child takes its number, the others the next free ones; no other part is renumbered."""
    family = Family(JOB, PARTS)
    children = split(PARTS[1], JOB.entity)
    members = family.cut(1, children)

    assert [(member.number, member.job.filters) for member in members] == list(zip((1, 3, 4), children, strict=True))
    assert family.filters == (PARTS[0], children[0], PARTS[2], *children[1:])
    assert family.jobs == tuple(replace(JOB, filters=filters) for filters in family.filters)


@given(st.data(), st.sampled_from(Entity))
def test_parts_that_end_and_are_cut_in_any_order(data: st.DataObject, entity: Entity) -> None:
    """Numbers have no gap, the parts are the whole of the job, and nothing that is committed changes its number."""
    whole = replace(JOB, entity=entity, filters=Filters())
    family = Family(whole, split(whole.filters, entity))
    waiting, committed = family.members, {}
    while waiting:
        member = waiting.pop(data.draw(st.integers(0, len(waiting) - 1)))
        parts = split(member.job.filters, entity)
        if parts and data.draw(st.integers(0, 3)) == 0:
            waiting += family.cut(member.number, parts)
        else:
            bring([member])
            committed[member.number] = member.job.filters
        assert all(family.filters[number] == filters for number, filters in committed.items())
        assert family.has_ended == (not waiting)

    assert leading_whole(whole.filters, entity, family.filters) == len(family.filters)
    assert family.receipt is not None
    assert [part.location for part in family.receipt.parts] == [f"part-{n}" for n in range(len(family.filters))]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_parts_that_fail(order: tuple[int, ...]) -> None:
    """The error of the job is the first there was; it has none before all parts have ended, and no receipt."""
    family = Family(JOB, PARTS)
    errors = {0: ServerError("first", status=500), 2: SinkError("last")}
    for number in order:
        assert not family.has_ended
        if number in errors:
            family.failed(number, errors[number])
        else:
            family.withdrawn(number)

    assert family.has_ended
    assert family.error is errors[order[0]]
    assert family.receipt is None


def test_the_order_of_a_part() -> None:
    """The sink is told which part it is, and of which job."""
    member = Family(JOB, PARTS).members[2]
    order = member.placed(TransferOrder(member.job, "e", SignedUrl("")))

    assert (order.part, order.split_from, order.job.filters) == (2, JOB, PARTS[2])


def test_how_a_family_looks() -> None:
    """In one line: whose parts, and how far."""
    family = Family(JOB, PARTS)
    bring(family.members[:1])
    assert repr(family) == f"<Family {JOB}: 1/3 parts committed>"
