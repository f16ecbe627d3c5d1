"""Bare aiohttp: for each export of one row the three requests, gzip and json, 64 at a time, and nothing else.

No slots, no limits, no retries, nothing stored and nothing remembered: the floor under any client built on aiohttp.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from typing import Any

import aiohttp
from yarl import URL

from benchmarks.peers.work import ENTITIES, Ticker, say, told

_AT_ONCE = 64


async def pull(work: dict[str, Any]) -> dict[str, float]:
    """Pull every export of every profile; return what it took."""
    account, rows = work["account"], 0
    waiting = [(profile, entity) for entity in ENTITIES for profile in work["profiles"]]
    count = len(waiting)
    async with aiohttp.ClientSession(auto_decompress=False, connector=aiohttp.TCPConnector(limit=0)) as session:
        form = {name: account[name] for name in ("client_id", "client_secret", "refresh_token")}
        async with session.post(account["token_url"], data={"grant_type": "refresh_token", **form}) as answer:
            token = (await answer.json())["access_token"]

        async def pull_some() -> None:
            nonlocal rows
            while waiting:
                profile, entity = waiting.pop()
                kind = f"application/vnd.{entity.lower()}export.v1+json"
                headers = {
                    "Authorization": f"Bearer {token}",
                    "Amazon-Advertising-API-ClientId": account["client_id"],
                    "Amazon-Advertising-API-Scope": profile,
                    "Content-Type": kind,
                    "Accept": kind,
                    "Accept-Encoding": "identity",
                }
                got = await _export(session, account["api_url"], entity, headers)
                rows += got

        busy = time.process_time()
        async with Ticker() as ticker:
            await asyncio.gather(*(pull_some() for _ in range(_AT_ONCE)))
        busy = time.process_time() - busy
    return {"rows": rows, "ms an export": 1000 * busy / count, **ticker.figures()}


async def _export(session: aiohttp.ClientSession, api_url: str, entity: str, headers: dict[str, str]) -> int:
    async with session.post(f"{api_url}/{entity}/export", data=b"{}", headers=headers) as answer:
        told = await answer.json(content_type=None)
    while "url" not in told:
        async with session.get(f"{api_url}/exports/{told['exportId']}", headers=headers) as answer:
            told = await answer.json(content_type=None)
        if "url" not in told:
            await asyncio.sleep(0.05)
    async with session.get(URL(told["url"], encoded=True)) as answer:
        return len(json.loads(gzip.decompress(await answer.read())))


if __name__ == "__main__":
    say(**asyncio.run(pull(told())))
