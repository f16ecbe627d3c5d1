"""Which exports are too large to be made."""

from __future__ import annotations

from asyncexport.emulator.census import Census
from asyncexport.emulator.records.data import rows
from asyncexport.emulator.store.objects import ObjectKey
from asyncexport.models import Entity, Filters
from asyncexport.sansio.scheduling.splitting import split
from tests.emulator.rowing import PROFILE, WORLD, parsed

KEY = ObjectKey.of(PROFILE.profile_id, Entity.CAMPAIGNS, Filters())


def test_what_is_counted() -> None:
    """The rows of the file, with the filters of the request."""
    paused = Filters(states=("PAUSED",))
    census = Census(WORLD, None)
    assert census.count(KEY) == len(parsed(Entity.CAMPAIGNS))
    key = ObjectKey.of(PROFILE.profile_id, Entity.CAMPAIGNS, paused)
    assert census.count(key) == len(list(rows(PROFILE, Entity.CAMPAIGNS, paused, WORLD.seed)))


def test_the_limit() -> None:
    """So many rows are not too many yet, one more is; without a limit nothing is."""
    count = Census(WORLD, None).count(KEY)
    assert [Census(WORLD, most).is_too_large(KEY) for most in (count - 1, count, None)] == [True, False, False]


def test_parts_have_the_rows_of_the_whole() -> None:
    """The parts of an export have as many rows as the export, for every entity."""
    census = Census(WORLD, None)
    for entity in Entity:
        keys = [ObjectKey.of(PROFILE.profile_id, entity, part) for part in split(Filters().of(entity), entity)]
        whole = ObjectKey.of(PROFILE.profile_id, entity, Filters())
        assert sum(map(census.count, keys)) == census.count(whole)
        assert max(map(census.count, keys)) < census.count(whole)
