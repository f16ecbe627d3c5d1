"""From profiles to jobs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport.accounts import Region
from asyncexport.errors import ConfigError
from asyncexport.models import Entity, Filters, Job, Profile
from asyncexport.sansio.scheduling.planning import distinct, plan, waves
from tests.support import steady

ACME = [Profile("acme", Region.EU, str(number)) for number in range(3)]
OTHER = [Profile("other", Region.NA, str(number)) for number in range(2)]


def ids(jobs: list[Job]) -> list[str]:
    return [f"{job.profile.account}{job.profile.profile_id}" for job in jobs]


def test_a_plan_by_default() -> None:
    """Without more words every entity of every profile is one job, under the label that was given."""
    jobs = plan(ACME[:1], snapshot="s")

    assert jobs == [Job(ACME[0], entity, Filters(), "s") for entity in Entity]


def test_several_accounts() -> None:
    """Accounts are dealt in turns, so that all their slots are busy from the first second."""
    jobs = plan(ACME + OTHER, entities=["ads"], snapshot="s")

    assert ids(jobs) == ["acme0", "other0", "acme1", "other1", "acme2"]


def test_one_account_in_two_regions() -> None:
    """An account's regions have slots of their own and are dealt like accounts."""
    profiles = [Profile("a", Region.EU, "1"), Profile("a", Region.EU, "2"), Profile("a", Region.FE, "3")]

    assert ids(plan(profiles, entities=["ads"], snapshot="s")) == ["a1", "a3", "a2"]


def test_what_is_named_twice() -> None:
    """A profile or an entity that is named twice is planned once."""
    jobs = plan([ACME[0], ACME[0]], entities=["ads", Entity.ADS, "targets"], snapshot="s")

    assert [job.entity for job in jobs] == [Entity.ADS, Entity.TARGETS]


def test_filters_for_targets() -> None:
    """Filters that do not apply to an entity are left out of its jobs."""
    targets, ads = plan(ACME[:1], entities=["targets", "ads"], filters=Filters(target_types=("AUTO",)), snapshot="s")

    assert targets.filters.target_types == ("AUTO",)
    assert ads.filters == Filters()


def test_a_word_that_is_no_entity() -> None:
    """A word that the API does not know is refused."""
    with pytest.raises(ValueError, match="portfolios"):
        plan(ACME, entities=["portfolios"], snapshot="s")


def test_nobody_to_plan_for() -> None:
    """Without profiles there are no jobs."""
    assert plan([], snapshot="s") == []


@steady
@given(st.lists(st.sampled_from(ACME + OTHER)), st.lists(st.sampled_from(Entity)))
def test_any_plan(profiles: list[Profile], entities: list[Entity]) -> None:
    """Whatever is asked for, each pair of profile and entity is one job."""
    jobs = plan(profiles, entities=entities, snapshot="s")

    assert len(jobs) == len(set(jobs)) == len(set(profiles)) * len(set(entities))


def test_rounds_through_the_slots() -> None:
    """Each account's endpoint needs its jobs divided by its slots, rounded up."""
    jobs = plan(ACME + OTHER, entities=["ads", "targets"], snapshot="s")

    assert waves(jobs, slots=2) == {
        ("acme/EU", "ads"): 2,
        ("acme/EU", "targets"): 2,
        ("other/NA", "ads"): 1,
        ("other/NA", "targets"): 1,
    }
    assert waves([], slots=5) == {}


def test_accounts_that_share_a_client() -> None:
    """Accounts of one client share its slots in each region."""
    profiles = [*ACME, *(Profile("third", Region.EU, str(number)) for number in range(3))]
    jobs = plan(profiles, entities=["ads"], snapshot="s")

    assert waves(jobs, 2, {"acme": "client", "third": "client"}) == {("client/EU", "ads"): 3}


def test_jobs_that_come_twice() -> None:
    """The same job is one; two that would replace each other's rows are refused, whatever their order."""
    job = Job(ACME[0], Entity.ADS, snapshot="s")
    paused = Job(ACME[0], Entity.ADS, Filters(states=("PAUSED",)), "s")
    later = Job(ACME[0], Entity.ADS, Filters(states=("PAUSED",)), "later")

    assert list(distinct([job, later, job]).values()) == [job, later]
    for twins in ([job, paused], [paused, job]):
        with pytest.raises(ConfigError, match="under the label 's' with other filters"):
            distinct(twins)
