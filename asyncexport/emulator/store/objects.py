"""The objects behind exports: what names one, what is known of one that is finished, and where they come from.

Two exports with the same profile, entity and filters have the same bytes, so an object is made once however often it
is asked for. The pure server does not make objects: it asks a shelf, which either has them for real (the spool of
:mod:`asyncexport.emulator.store.spool`) or, for simulations without bytes, reckons their sizes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

from asyncexport.emulator.world import World
from asyncexport.models import Entity, Filters

_BYTES_PER_CAMPAIGN = {Entity.CAMPAIGNS: 80, Entity.AD_GROUPS: 100, Entity.TARGETS: 2_600, Entity.ADS: 400}


@dataclass(frozen=True, slots=True)
class ObjectKey:
    """What decides an object's bytes."""

    profile_id: str
    entity: Entity
    filters: Filters

    @classmethod
    def of(cls, profile_id: str, entity: Entity, filters: Filters) -> ObjectKey:
        """Make the key, the same one in whatever order the filters' words stand."""
        own = filters.of(entity)
        ordered = Filters(
            tuple(sorted(own.ad_products)),
            tuple(sorted(own.states)),
            target_types=tuple(sorted(own.target_types)),
            target_levels=tuple(sorted(own.target_levels)),
            negative=tuple(sorted(own.negative)),
        )
        return cls(profile_id, entity, ordered)

    @property
    def subject(self) -> str:
        """Profile and entity as one text."""
        return f"{self.profile_id}/{self.entity.value}"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A finished object: bytes of the gzip file, bytes of its text, and the ETag without its quotes."""

    size: int
    plain_size: int
    etag: str


class Shelf(Protocol):
    """Where finished objects are."""

    def order(self, key: ObjectKey) -> None:
        """Ask for an object to be made; asking again changes nothing."""
        ...

    def find(self, key: ObjectKey) -> StoredObject | None:
        """Return the object if it is finished."""
        ...


class Reckoned:
    """A shelf without bytes: every object is there at once, with the size it would have to within a factor of two."""

    def __init__(self, world: World) -> None:
        self._world = world

    def order(self, key: ObjectKey) -> None:
        """Do nothing: there is nothing to make."""

    def find(self, key: ObjectKey) -> StoredObject:
        """Return the object."""
        size = reckoned_size(self._world, key)
        return StoredObject(size, size * 9, hashlib.sha256(repr(key).encode()).hexdigest()[:32])


def reckoned_size(world: World, key: ObjectKey) -> int:
    """Return about how many bytes the gzip file will have."""
    return 22 + world.profiles[key.profile_id].campaigns * _BYTES_PER_CAMPAIGN[key.entity]
