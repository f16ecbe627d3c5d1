"""From profiles to jobs, and what a run over them will take.

Jobs are laid out entity by entity within each profile, and accounts are dealt in turns like cards, so that the first
slots of every endpoint and every account are busy from the first second.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest

from asyncexport.errors import ConfigError
from asyncexport.models import Entity, Filters, Job, Profile


def plan(
    profiles: Iterable[Profile],
    *,
    entities: Iterable[Entity | str] = Entity,
    filters: Filters | None = None,
    snapshot: str,
) -> list[Job]:
    """Return one job for each profile and entity, each pair once.

    ``entities`` are :class:`Entity` members or the API's words; ``snapshot`` labels the rows of this run. Filters that
    do not apply to an entity are left out of its jobs. Raises ``ValueError`` for a word that is no entity.
    """
    chosen = list(dict.fromkeys(Entity(entity) for entity in entities))
    wanted = filters or Filters()
    return [
        Job(profile, entity, wanted.of(entity), snapshot)
        for profile in _in_turns(dict.fromkeys(profiles))
        for entity in chosen
    ]


def distinct(jobs: Iterable[Job]) -> dict[tuple[str, ...], Job]:
    """Return the jobs by key, each once. Raises :class:`ConfigError` for two that would replace each other's rows."""
    found: dict[tuple[str, ...], Job] = {job.key: job for job in jobs}
    places: set[tuple[str, ...]] = set()
    for key, job in found.items():
        place = key[:-1]
        if place in places:
            raise ConfigError(
                f"two jobs are {job} under the label {job.snapshot!r} with other filters; label them apart"
            )
        places.add(place)
    return found


def waves(jobs: Sequence[Job], slots: int, clients: Mapping[str, str] | None = None) -> dict[tuple[str, str], int]:
    """Return, for each (client and region, endpoint), how many rounds through its slots the jobs need.

    ``clients`` maps account names to client ids where accounts share one; without it each account counts as its own.
    """
    counts = Counter(
        (
            f"{(clients or {}).get(job.profile.account, job.profile.account)}/{job.profile.region.value}",
            job.entity.value,
        )
        for job in jobs
    )
    return {key: -(-count // slots) for key, count in counts.items()}


def _in_turns(profiles: Iterable[Profile]) -> list[Profile]:
    lanes: dict[tuple[str, str], list[Profile]] = {}
    for profile in profiles:
        lanes.setdefault((profile.account, profile.region.value), []).append(profile)
    return [profile for row in zip_longest(*lanes.values()) for profile in row if profile is not None]
