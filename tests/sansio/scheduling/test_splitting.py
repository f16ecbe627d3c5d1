"""Exports that are cut into parts: each row of the whole in exactly one of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport.models import AD_PRODUCTS, STATES, TARGET_LEVELS, TARGET_TYPES, Entity, Filters
from asyncexport.sansio.scheduling.splitting import joint, leading_whole, share_rows, split

NEW = ("SPONSORED_TELEVISION", "ENDED")
"""Words that no document of today knows."""


@dataclass(frozen=True)
class Row:
    """What the filters look at in a row."""

    ad_product: str
    state: str
    level: str
    negative: bool
    type: str

    def passes(self, filters: Filters) -> bool:
        """Judge the row as the API does: an empty filter lets everything pass."""
        return (
            self.ad_product in filters.ad_products
            and self.state in filters.states
            and (not filters.target_levels or self.level in filters.target_levels)
            and (not filters.negative or self.negative in filters.negative)
            and (not filters.target_types or self.type in filters.target_types)
        )


ROWS = [
    Row(*values)
    for values in product((*AD_PRODUCTS, NEW[0]), (*STATES, NEW[1]), TARGET_LEVELS, (True, False), TARGET_TYPES)
]


def subset(words: tuple[str, ...], least: int) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(words), min_size=least, unique=True).map(tuple)


@st.composite
def jobs(draw: st.DrawFn) -> tuple[Filters, Entity]:
    """Draw what a job may ask for."""
    entity = draw(st.sampled_from(Entity))
    filters = Filters(
        draw(subset((*AD_PRODUCTS, NEW[0]), 1)),
        draw(subset((*STATES, NEW[1]), 1)),
        target_levels=draw(subset(TARGET_LEVELS, 0)),
        target_types=draw(subset(TARGET_TYPES, 0)),
        negative=tuple(draw(st.lists(st.booleans(), max_size=2))),
    )
    return filters.of(entity), entity


def leaves(filters: Filters, entity: Entity) -> list[Filters]:
    """Cut until nothing can be cut any more."""
    parts = split(filters, entity)
    return [leaf for part in parts for leaf in leaves(part, entity)] if parts else [filters]


def holders(parts: list[Filters]) -> Counter[Row]:
    """Count in how many parts each row stands."""
    return Counter(row for part in parts for row in ROWS if row.passes(part))


@given(jobs(), st.data())
def test_parts_of_parts(job: tuple[Filters, Entity], data: st.DataObject) -> None:
    """However often parts are cut again, each row of the whole stands in exactly one, and no other row in any."""
    whole, entity = job
    parts = [whole]
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, len(parts) - 1))
        parts[at : at + 1] = split(parts[at], entity) or (parts[at],)

    assert holders(parts) == holders([whole])
    assert leading_whole(whole, entity, parts) == len(parts)


@given(jobs())
def test_cut_to_the_end(job: tuple[Filters, Entity]) -> None:
    """What cannot be cut any further asks for one word of each attribute, and all of it together is the whole."""
    whole, entity = job
    ends = leaves(whole, entity)

    assert holders(ends) == holders([whole])
    assert all(len(each.ad_products) == len(each.states) == 1 for each in ends)
    assert {split(each, entity) for each in ends} == {()}


@pytest.mark.parametrize(("entity", "count"), [(Entity.TARGETS, 288), (Entity.ADS, 9), (Entity.CAMPAIGNS, 9)])
def test_the_most_parts(entity: Entity, count: int) -> None:
    """Everything there is can be cut into so many parts and no more."""
    assert len(leaves(Filters().of(entity), entity)) == count


def test_the_order_of_cutting() -> None:
    """Ad products come first, then states, then level, negative and type of targets."""
    filters, order = Filters(), []
    while parts := split(filters, Entity.TARGETS):
        order.append(parts)
        filters = parts[0]

    assert [part.ad_products for part in order[0]] == [(each,) for each in AD_PRODUCTS]
    assert [part.states for part in order[1]] == [(each,) for each in STATES]
    assert [part.target_levels for part in order[2]] == [("AD_GROUP",), ("CAMPAIGN",)]
    assert [part.negative for part in order[3]] == [(False,), (True,)]
    assert [part.target_types for part in order[4]] == [(each,) for each in TARGET_TYPES]
    assert len(order) == 5


def test_only_targets_have_levels() -> None:
    """One ad product and one state is the least that can be asked for of campaigns, ad groups and ads."""
    least = Filters(("SPONSORED_BRANDS",), ("PAUSED",))

    assert [split(least, entity) for entity in (Entity.CAMPAIGNS, Entity.AD_GROUPS, Entity.ADS)] == [()] * 3
    assert split(least, Entity.TARGETS) != ()


PARTS = split(Filters(), Entity.ADS)


@pytest.mark.parametrize(
    ("parts", "count"),
    [
        ((), None),
        (PARTS[:2], None),
        (PARTS, 3),
        ((Filters(),), 1),
        ((*PARTS, *PARTS), 3),
        ((PARTS[0], PARTS[0], *PARTS[1:]), None),
        ((Filters(), *PARTS), 1),
        ((PARTS[0], Filters()), None),
        ((Filters(states=("DRAFT",)), *PARTS), None),
        ((PARTS[2], PARTS[0], PARTS[1]), 3),
        ((*split(PARTS[0], Entity.ADS), *PARTS[1:]), 5),
        ((*split(PARTS[0], Entity.ADS)[:2], *PARTS[1:]), None),
    ],
)
def test_parts_that_are_found(parts: tuple[Filters, ...], count: int | None) -> None:
    """Parts are a whole as soon as nothing of it is missing; what stands twice or was not asked for makes them none."""
    assert leading_whole(Filters(), Entity.ADS, parts) == count


def test_documented_words_are_all_of_them() -> None:
    """A filter that names everything there is asks for the same rows as none."""
    named = Filters(target_types=TARGET_TYPES, target_levels=TARGET_LEVELS, negative=(True, False))

    assert leading_whole(Filters(), Entity.TARGETS, [named]) == 1
    assert leading_whole(named, Entity.TARGETS, [Filters()]) == 1


def test_filters_that_share_rows() -> None:
    """Two exports may share rows unless some attribute has no word in both; an empty filter has every word."""
    assert share_rows(Filters(), PARTS[0], Entity.ADS)
    assert share_rows(split(PARTS[0], Entity.ADS)[0], PARTS[0], Entity.ADS)
    assert not share_rows(PARTS[0], PARTS[1], Entity.ADS)
    assert not share_rows(split(PARTS[0], Entity.ADS)[0], PARTS[1], Entity.ADS)


def test_parts_joined_again() -> None:
    """Parts are joined to what they were split from; what leaves a hole or overlaps is nothing in one."""
    parts = split(Filters(), Entity.TARGETS)
    deeper = (*split(parts[0], Entity.TARGETS), *parts[1:])
    for whole in (parts, deeper):
        joined = joint(whole, Entity.TARGETS)
        assert joined is not None
        assert joined.fingerprint == Filters().fingerprint
    assert joint(parts[:2], Entity.TARGETS) == Filters(AD_PRODUCTS[:2])
    assert joint(deeper[1:], Entity.TARGETS) is None
    assert joint((parts[0], parts[0]), Entity.TARGETS) is None


def test_parts_of_which_one_asks_for_all() -> None:
    """No words stand for all words."""
    keywords = Filters(target_types=("KEYWORD",), ad_products=AD_PRODUCTS[:1])
    assert joint((keywords, Filters(AD_PRODUCTS[1:])), Entity.TARGETS) is None
    assert joint((keywords,), Entity.TARGETS) == keywords
