"""The emulator in a process of its own, with exports that were made beforehand and books that can be begun anew.

Each line on standard input is an order, one JSON object, and is answered by one line: ``begin`` opens new books (and
says which accounts and profiles there are), ``url`` has an export made and tells where it can be had, ``count`` tells
what the server saw since the books were opened, ``truth`` which rows there are. :class:`Server` is the other end.

The emulator is not the bottleneck of one download: it sends the gzip bytes, an eighth of the text, from a file.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson

from asyncexport.accounts import Secret
from asyncexport.emulator.checks import MEDIA_TYPES
from asyncexport.emulator.laws import LogNormal
from asyncexport.emulator.records.data import rows
from asyncexport.emulator.regions import TOKEN_PATH
from asyncexport.emulator.server import EmulatorServer
from asyncexport.emulator.state import AdsState
from asyncexport.emulator.store.spool import Content
from asyncexport.emulator.world import World
from asyncexport.models import Entity, Filters
from asyncexport.ports import Request
from benchmarks.harness.digest import RowsDigest
from benchmarks.harness.exports import records, repeated
from benchmarks.harness.measure import ROOT, python

_DAY = 86_400.0
_CHUNK = 1 << 17


class Server:
    """The running emulator, as those see it who measure."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def begin(self, **settings: object) -> dict[str, Any]:
        """Open new books (settings as in :func:`state_of`); return ``accounts`` and their ``profiles``."""
        return self._asked("begin", settings)

    def url(self, entity: str = "campaigns") -> str:
        """Have the first profile's export made and return its signed URL, which is good for a day."""
        return str(self._asked("url", {"entity": entity})["url"])

    def count(self) -> dict[str, Any]:
        """Return what the server counted since the books were opened."""
        return self._asked("count", {})

    def truth(self) -> dict[str, Any]:
        """Return the digest of all rows of the world."""
        return self._asked("truth", {})

    def _asked(self, order: str, settings: Mapping[str, object]) -> dict[str, Any]:
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the emulator has no pipes")
        self._process.stdin.write(json.dumps([order, settings]) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


@contextmanager
def running() -> Iterator[Server]:
    """Run the emulator for the length of the block."""
    process = subprocess.Popen(
        python("benchmarks.harness.server"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    with process:
        try:
            yield Server(process)
        finally:
            process.communicate(timeout=60)


def objects(*, file: str | None = None, repeat: tuple[str, int, int] | None = None) -> Content | None:
    """Return what every export holds: a file, or a shape's stretch of so many bytes so often; None: what is usual."""
    if repeat is not None:
        shape, size, times = repeat
        return lambda _: repeated(records(shape, size), times)
    return (lambda _: _pieces(Path(file))) if file else None


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            yield piece


def state_of(
    *,
    profiles: int = 1,
    rows: int = 0,
    seed: int = 1,
    median: float = 0.0,
    sigma: float = 1.0,
    cap: int | None = 5,
    rate: float | None = None,
) -> AdsState:
    """Return a server of one account. ``median``: seconds an export takes; ``rate``: calls a second per profile."""
    return AdsState(
        World.generate(seed=seed, accounts=1, profiles=profiles, rows=rows),
        generation=LogNormal(median, sigma),
        cap=cap,
        rate=rate,
        url_seconds=_DAY,
        credentials_seconds=_DAY,
        token_seconds=_DAY,
        epoch=time.time(),
    )


def _accounts(server: EmulatorServer) -> dict[str, object]:
    [account] = server.accounts()
    secrets = {
        name: value.reveal() if isinstance(value, Secret) else value
        for name in ("client_id", "client_secret", "refresh_token")
        for value in [getattr(account, name)]
    }
    return {
        "account": {
            "name": account.name,
            "region": account.region.value,
            "api_url": account.api_url,
            "token_url": account.token_url,
            "download_hosts": list(account.download_hosts),
            **secrets,
        },
        "profiles": list(server.state.world.profiles),
    }


async def _url(server: EmulatorServer, entity: Entity) -> dict[str, object]:
    """Ask for an export as a client would, but without a socket, and wait until it is there."""
    [grant], state = server.state.world.grants, server.state
    form = {
        "grant_type": "refresh_token",
        "client_id": grant.client_id,
        "client_secret": grant.client_secret,
        "refresh_token": grant.refresh_token,
    }
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    token = json.loads(state.api(Request("POST", TOKEN_PATH, kind, urlencode(form).encode()), server.now).body)
    headers = {
        "Authorization": f"Bearer {token['access_token']}",
        "Amazon-Advertising-API-ClientId": grant.client_id,
        "Amazon-Advertising-API-Scope": grant.profiles[0].profile_id,
        "Content-Type": MEDIA_TYPES[entity],
        "Accept": MEDIA_TYPES[entity],
    }
    answer = state.api(Request("POST", f"/{entity.value}/export", headers, b"{}"), server.now)
    while True:
        told = json.loads(answer.body)
        if "url" in told:
            return {"url": told["url"]}
        await asyncio.sleep(0.05)
        answer = state.api(Request("GET", f"/exports/{told['exportId']}", headers), server.now)


def _count(state: AdsState) -> dict[str, object]:
    counters = state.counters
    sums: dict[str, float] = {}
    for record in state.journal.values():
        entity = record.key.entity.value
        sums[entity] = sums.get(entity, 0.0) + record.due_at - record.asked_at
    return {
        "tokens": counters.requests["token"],
        "asked": sum(counters.requests[entity.value] for entity in Entity),
        "looks": counters.requests["exports"],
        "429s": sum(counters.throttled.values()),
        "exports": len(state.journal),
        "most in progress": max(state.peaks.values(), default=0),
        "longest endpoint, s": max(sums.values(), default=0.0),
    }


def _truth(world: World) -> dict[str, object]:
    """Digest every row of every export, states and products of all kinds."""
    digest = RowsDigest()
    for profile in world.profiles.values():
        for entity in Entity:
            for row in rows(profile, entity, Filters(), world.seed):
                digest.add(orjson.loads(row))
    return digest.told()


async def _main() -> None:
    async with EmulatorServer(state_of()) as server:
        handlers: dict[str, Callable[[dict[str, Any]], Any]] = {
            "begin": lambda settings: _begin(server, settings),
            "url": lambda settings: _url(server, Entity(settings["entity"])),
            "count": lambda _: asyncio.to_thread(_count, server.state),
            "truth": lambda _: asyncio.to_thread(_truth, server.state.world),
        }
        while line := await asyncio.to_thread(sys.stdin.readline):
            order, settings = json.loads(line)
            print(json.dumps(await handlers[order](settings)), flush=True)


async def _begin(server: EmulatorServer, settings: dict[str, Any]) -> dict[str, object]:
    content = objects(file=settings.pop("file", None), repeat=settings.pop("repeat", None))
    warm = settings.pop("warm", False)
    await server.become(state_of(**settings), content=content)
    if warm:
        await server.warm()
    return _accounts(server)


if __name__ == "__main__":
    asyncio.run(_main())
