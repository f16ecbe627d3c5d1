"""What a run will take, before anything is asked for.

An export occupies a slot while the API generates it, and a client has a few slots per endpoint; so the exports of one
(client, region, endpoint) go through in waves, and all of these queues run side by side. The run takes as long as its
longest queue. How long one generation takes is unknown beforehand: public clients saw half a second for tiny accounts
and 10 to 30 s for typical ones, hence the assumption below, which must be shown with every estimate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from asyncexport.accounts import Account
from asyncexport.models import Job
from asyncexport.sansio.planning import waves

GENERATION = 25.0
"""Assumed median seconds from an export's request until it is ready."""


@dataclass(frozen=True, slots=True)
class Queue:
    """The exports that share one set of slots; ``seconds`` is the time they need under the assumption."""

    client: str
    region: str
    endpoint: str
    jobs: int
    waves: int

    @property
    def seconds(self) -> float:
        """Expected wall time of the whole queue."""
        return self.waves * GENERATION


def queues(jobs: Sequence[Job], accounts: Sequence[Account], slots: int) -> list[Queue]:
    """Return the queues that ``jobs`` form; accounts of one client id share its slots and are named together."""
    clients = client_names(accounts)
    rounds = waves(jobs, slots, clients)
    counts = Counter((f"{clients[job.profile.account]}/{job.profile.region.value}", job.entity.value) for job in jobs)
    found = []
    for (where, endpoint), number in rounds.items():
        client, _, region = where.rpartition("/")
        found.append(Queue(client, region, endpoint, counts[where, endpoint], number))
    return found


def client_names(accounts: Sequence[Account]) -> Mapping[str, str]:
    """Return, for each account, the names of all accounts with its client id, joined by ``+``."""
    groups: dict[object, list[str]] = {}
    for account in accounts:
        groups.setdefault(account.client_id, []).append(account.name)
    return {name: "+".join(names) for names in groups.values() for name in names}
