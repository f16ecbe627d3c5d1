"""async-amazon-ads-api-v1 0.11.0: its client per profile, its retries, all exports of an endpoint five at a time.

It has a method for each call and none for the whole, so the loop around them is ours, and as good as it can be made
without slots: no more than five at once per endpoint, a look every two seconds. It has no download, so that is httpx,
which it brings along, gzip and json. One of its configurations fetches the token for all clients: sharing its file
cache among them fails now and then, since all of one process write to one temporary name. Patched: nothing; hosts are
settings of it (``endpoints``, ``token_url``).
"""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import httpx
from ads_api import AdsClient, AmazonAdsConfig, Region
from ads_api.models.v0.exports.exports import BaseUniversalApiExportRequest, TargetsUniversalApiExportRequest

from benchmarks.peers.work import BODY, ENTITIES, LOOK_SECONDS, Ticker, say, target, told

_AT_ONCE = 5
_METHODS = dict(zip(ENTITIES, ("campaign_export", "ad_group_export", "target_export", "ad_export"), strict=True))


class _Puller:
    """What all profiles share: the work, five turns for each endpoint, a client for the object store."""

    def __init__(self, work: dict[str, Any], token: str, store: httpx.AsyncClient) -> None:
        self._work = work
        self._token = token
        self._store = store
        self._turns = {entity: asyncio.Semaphore(_AT_ONCE) for entity in ENTITIES}

    async def profile(self, profile: str) -> None:
        """Pull the four exports of one profile."""
        account = self._work["account"]
        config = AmazonAdsConfig(
            client_id=account["client_id"],
            access_token=self._token,
            profile_id=profile,
            region=Region.NA,
            endpoints={"na": account["api_url"]},
        )
        async with AdsClient(config) as ads:
            await asyncio.gather(*(self._pull(ads, profile, entity) for entity in ENTITIES))

    async def _pull(self, ads: AdsClient, profile: str, entity: str) -> None:
        async with self._turns[entity]:
            url = await _made(ads, entity)
        answer = await self._store.get(url)
        answer.raise_for_status()
        with target(self._work, f"{profile}-{entity}").open("w", encoding="utf-8") as file:
            for row in json.loads(gzip.decompress(answer.content)):
                file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")


async def _token(account: dict[str, Any]) -> str:
    config = AmazonAdsConfig(
        client_id=account["client_id"],
        client_secret=account["client_secret"],
        refresh_token=account["refresh_token"],
        token_url=account["token_url"],
    )
    return str(await config.refresh_access_token())


async def _made(ads: AdsClient, entity: str) -> str:
    kind = TargetsUniversalApiExportRequest if entity == "targets" else BaseUniversalApiExportRequest
    export = await getattr(ads.v0.exports, _METHODS[entity])(kind(**BODY))
    while export["status"] != "COMPLETED":
        if export["status"] == "FAILED":
            raise RuntimeError(export)
        await asyncio.sleep(LOOK_SECONDS)
        accept = f"application/vnd.{entity.lower()}export.v1+json"
        export = await ads.v0.exports.get_export(export["exportId"], accept=accept)
    return str(export["url"])


async def _main() -> None:
    work = told()
    async with Ticker() as ticker, httpx.AsyncClient(timeout=60) as store:
        puller = _Puller(work, await _token(work["account"]), store)
        await asyncio.gather(*(puller.profile(profile) for profile in work["profiles"]))
    say(**ticker.figures())


if __name__ == "__main__":
    asyncio.run(_main())
