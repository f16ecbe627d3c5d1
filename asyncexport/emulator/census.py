"""Which exports are too large to be made: those of more rows than a limit, as the real server times out on some.

The rows of a request are counted as they would be written, filters and all, so what times out whole does not in parts
that are small enough. Counting costs about as much as making the file, once for each request that is new.
"""

from __future__ import annotations

from asyncexport.emulator.records.data import rows
from asyncexport.emulator.store.objects import ObjectKey
from asyncexport.emulator.world import World


class Census:
    """Counts the rows of a world's exports. ``most``: what one export may have; None: any number."""

    def __init__(self, world: World, most: int | None) -> None:
        self._world = world
        self._most = most
        self._counts: dict[ObjectKey, int] = {}

    def is_too_large(self, key: ObjectKey) -> bool:
        """Whether an export would have more rows than it may."""
        return self._most is not None and self.count(key) > self._most

    def count(self, key: ObjectKey) -> int:
        """Return how many rows an export has."""
        if key not in self._counts:
            profile = self._world.profiles[key.profile_id]
            self._counts[key] = sum(1 for _ in rows(profile, key.entity, key.filters, self._world.seed))
        return self._counts[key]
