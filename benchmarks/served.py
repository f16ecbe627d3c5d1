"""The emulator in a process of its own, so that what is measured shares no interpreter with it.

As a program: reads one JSON object of settings from standard input, prints one with the accounts once it listens, and
when standard input ends one with the server's own counters. As a module: :func:`served` runs that program.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from asyncexport.accounts import Account, Secret
from asyncexport.emulator.laws import LogNormal
from asyncexport.emulator.records.data import rows
from asyncexport.emulator.server import EmulatorServer
from asyncexport.emulator.state import AdsState
from asyncexport.emulator.store.objects import ObjectKey
from asyncexport.emulator.weather import Weather
from asyncexport.emulator.world import World


class Served:
    """A running emulator: its accounts, and after the block its counters."""

    def __init__(self, process: subprocess.Popen[str], accounts: list[dict[str, Any]]) -> None:
        self._process = process
        self.raw_accounts = accounts
        self.counters: dict[str, Any] = {}

    @property
    def accounts(self) -> list[Account]:
        """The emulator's grants, ready to use."""
        return [Account(**each) for each in self.raw_accounts]

    def stop(self) -> None:
        """End the server and read what it counted."""
        out, _ = self._process.communicate(timeout=900)
        self.counters = json.loads(out)


@contextmanager
def served(**settings: object) -> Iterator[Served]:
    """Run the emulator for the length of the block; settings as in :func:`_state`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.served"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the emulator has no pipes")
        process.stdin.write(json.dumps(settings) + "\n")
        process.stdin.flush()
        running = Served(process, json.loads(process.stdout.readline()))
        try:
            yield running
        finally:
            running.stop()


def _state(
    *,
    profiles: int,
    accounts: int = 2,
    rows: int = 20_000,
    seed: int = 1,
    median: float = 0.5,
    sigma: float = 1.0,
    cap: int = 5,
    rate: float | None = 10.0,
    weather: str = "",
) -> AdsState:
    world = World.generate(seed=seed, accounts=accounts, profiles=profiles, rows=rows)
    return AdsState(
        world,
        generation=LogNormal(median, sigma),
        cap=cap,
        rate=rate,
        weather=Weather.parse(weather),
        epoch=time.time(),
    )


def _described(account: Account) -> dict[str, object]:
    secrets = {
        name: value.reveal() if isinstance(value, Secret) else value
        for name in ("client_id", "client_secret", "refresh_token")
        for value in [getattr(account, name)]
    }
    return {
        "name": account.name,
        "region": account.region.value,
        "api_url": account.api_url,
        "token_url": account.token_url,
        "download_hosts": account.download_hosts,
        **secrets,
    }


def _counted(state: AdsState) -> dict[str, object]:
    counters = state.counters
    return {
        "requests": dict(counters.requests),
        "statuses": {f"{endpoint} {status}": count for (endpoint, status), count in counters.statuses.items()},
        "throttled": dict(counters.throttled),
        "bytes_served": counters.bytes_served,
        "exports": len(state.journal),
        "peak_in_progress": max(state.peaks.values(), default=0),
        "longest_endpoint_seconds": max(_generation(state).values(), default=0.0),
        "digests": {
            f"{record.key.profile_id}/{record.key.entity.value}": _digest(state, record.key)
            for record in state.journal.values()
        },
        "unmet": [str(fault) for fault in state.weather.unmet()],
    }


def _generation(state: AdsState) -> dict[tuple[str, str], float]:
    """Return the sum of the generation times of each client's endpoint."""
    sums: dict[tuple[str, str], float] = {}
    for record in state.journal.values():
        key = (record.client_id, record.key.entity.value)
        sums[key] = sums.get(key, 0.0) + record.due_at - record.asked_at
    return sums


def _digest(state: AdsState, key: ObjectKey) -> str:
    """Return the SHA-256 of an export's rows, one a line, made anew from the seed."""
    digest = hashlib.sha256()
    for row in rows(state.world.profiles[key.profile_id], key.entity, key.filters, state.world.seed):
        digest.update(row + b"\n")
    return digest.hexdigest()


async def _main() -> None:
    settings = json.loads(sys.stdin.readline())
    warm = settings.pop("warm", True)
    async with EmulatorServer(_state(**settings)) as server:
        if warm:
            await server.warm()
        print(json.dumps([_described(account) for account in server.accounts()]), flush=True)
        await asyncio.to_thread(sys.stdin.read)
        print(json.dumps(_counted(server.state)), flush=True)


if __name__ == "__main__":
    asyncio.run(_main())
