"""Exporters against the emulator that do not wait long: what the tests of runs share."""

from __future__ import annotations

from collections.abc import Iterable

from asyncexport import Account, Entity, Exporter, Job, Limits, Outcome, Schedule, plan
from asyncexport.accounts import SecretSource
from asyncexport.emulator.server import EmulatorServer
from asyncexport.ports import Journal, Listener, Sink
from asyncexport.sansio.pacing.backoff import Backoff


class _Quick(Schedule):
    """Looks often at exports that are over at once."""

    def surely_over(self, endpoint: str) -> float:
        """Return what none of them takes."""
        del endpoint
        return 0.5


QUICK = _Quick(first=0.005, growth=1.2, longest=0.05)
BRISK = Backoff(first=0.01, longest=0.02)


def exporter(
    server: EmulatorServer,
    listener: Listener | None = None,
    journal: Journal | None = None,
    *,
    limits: Limits | None = None,
) -> Exporter:
    """Return an exporter for the emulator's accounts that does not wait long."""
    return Exporter(server.accounts(), schedule=QUICK, backoff=BRISK, listener=listener, journal=journal, limits=limits)


async def pulled(pulling: Exporter, jobs: Iterable[Job], sink: Sink, *, again: bool = False) -> list[Outcome]:
    """Run the jobs to their outcomes."""
    async with pulling.run(jobs, sink=sink, again=again) as outcomes:
        return [outcome async for outcome in outcomes]


async def planned(pulling: Exporter, entities: Iterable[Entity] = Entity) -> list[Job]:
    """Plan everything there is."""
    return plan(await pulling.profiles(), entities=entities, snapshot="night")


def with_secrets(account: Account, **secrets: SecretSource) -> Account:
    """Return the account with other credentials."""
    given = {name: getattr(account, name) for name in ("client_id", "client_secret", "refresh_token")}
    return Account(
        account.name,
        region=account.region,
        api_url=account.api_url,
        token_url=account.token_url,
        download_hosts=account.download_hosts,
        **{**given, **secrets},
    )
