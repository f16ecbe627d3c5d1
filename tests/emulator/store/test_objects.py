"""What objects are called, and a shelf without bytes."""

from __future__ import annotations

from asyncexport.emulator.records.data import export_bytes
from asyncexport.emulator.store.objects import ObjectKey, Reckoned
from asyncexport.models import Entity, Filters
from tests.emulator.rowing import PROFILE, WORLD


def test_the_order_of_the_words_does_not_matter() -> None:
    """Two requests for the same rows have the same object."""
    one = Filters(("B", "A"), ("X", "Y"), target_types=("T", "S"), target_levels=("M", "L"), negative=(True, False))
    two = Filters(("A", "B"), ("Y", "X"), target_types=("S", "T"), target_levels=("L", "M"), negative=(False, True))
    assert ObjectKey.of("7", Entity.TARGETS, one) == ObjectKey.of("7", Entity.TARGETS, two)
    assert ObjectKey.of("7", Entity.TARGETS, one).subject == "7/targets"


def test_what_applies_to_targets_only_does_not_tell_others_apart() -> None:
    """A filter on targets leaves the ads what they are."""
    assert ObjectKey.of("7", Entity.ADS, Filters(negative=(True,))) == ObjectKey.of("7", Entity.ADS, Filters())


def test_reckoned_sizes_are_near_the_real_ones() -> None:
    """The size of a reckoned object is within a factor of two of the file's."""
    shelf = Reckoned(WORLD)
    for entity in Entity:
        key = ObjectKey.of(PROFILE.profile_id, entity, Filters())
        shelf.order(key)
        real = sum(map(len, export_bytes(PROFILE, entity, Filters(), WORLD.seed)))
        assert real / 2 < shelf.find(key).size < real * 2


def test_reckoned_objects_are_told_apart_by_their_etags() -> None:
    """Each object has its own ETag, always the same."""
    keys = [ObjectKey.of(PROFILE.profile_id, entity, Filters()) for entity in Entity]
    assert len({Reckoned(WORLD).find(key).etag for key in keys}) == 4
    assert Reckoned(WORLD).find(keys[0]) == Reckoned(WORLD).find(keys[0])
