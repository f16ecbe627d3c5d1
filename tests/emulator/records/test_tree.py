"""What hangs on what, and the ids of it all."""

from __future__ import annotations

from asyncexport.emulator.records.tree import CAMPAIGN_LEVEL, SB, SD, SP, campaigns, leaf_id
from asyncexport.emulator.world import World

LARGE = next(iter(World.generate(accounts=1, profiles=1, rows=60_000).profiles.values()))


def test_the_tree_is_the_same_at_every_walk() -> None:
    """Two walks with the same seed agree; another seed gives other campaigns."""
    assert list(campaigns(LARGE, 1)) == list(campaigns(LARGE, 1))
    assert list(campaigns(LARGE, 1)) != list(campaigns(LARGE, 2))


def test_ids_never_collide_within_a_kind() -> None:
    """Campaigns, ad groups, targets and ads of a profile all have ids of their own kind's."""
    tree = list(campaigns(LARGE, 1))
    groups = [group.group_id for campaign in tree for group in campaign.groups]
    targets = [
        leaf_id(campaign, place, number, kind=2)
        for campaign in tree
        for place, count in [
            (CAMPAIGN_LEVEL, campaign.negatives),
            *((group.place, group.targets) for group in campaign.groups),
        ]
        for number in range(count)
    ]
    ads = [
        leaf_id(campaign, group.place, number, kind=3)
        for campaign in tree
        for group in campaign.groups
        for number in range(group.ads)
    ]
    for ids in ([campaign.campaign_id for campaign in tree], groups, targets, ads):
        assert len(set(ids)) == len(ids)
        assert all(identifier.isdecimal() and 13 <= len(identifier) <= 18 for identifier in ids)


def test_sponsored_brands_ids_come_in_families_of_18_digits() -> None:
    """A Sponsored Brands campaign, its ad groups and its leaves lie close together, beyond 2^53."""
    campaign = next(each for each in campaigns(LARGE, 1) if each.product == SB)
    root = int(campaign.campaign_id)
    assert root > 2**53
    assert [int(group.group_id) - root for group in campaign.groups] == list(range(1, len(campaign.groups) + 1))
    assert 0 < int(leaf_id(campaign, 4, 199, kind=2)) - root < 4_096
    assert 0 < int(leaf_id(campaign, 4, 49, kind=3)) - root < 4_096


def test_proportions_are_those_of_real_accounts() -> None:
    """Most campaigns are Sponsored Products; a campaign has 1 to 5 ad groups, and targets are most of what there is."""
    tree = list(campaigns(LARGE, 1))
    products = [campaign.product for campaign in tree]
    assert products.count(SP) > 5 * products.count(SB) > 0
    assert products.count(SD) > 0
    assert {len(campaign.groups) for campaign in tree} == {1, 2, 3, 4, 5}
    groups = [group for campaign in tree for group in campaign.groups]
    targets, ads = sum(group.targets for group in groups), sum(group.ads for group in groups)
    assert targets > 4 * ads > 0
    assert all(group.targets <= 200 and 1 <= group.ads <= 50 for group in groups)
    assert {group.state for group in groups} == {"ENABLED", "PAUSED", "ARCHIVED"}
