"""python-amazon-ad-api 1.2.9, synchronous, in 20 threads: five for each endpoint, as many as may be in progress.

It has a method for each call and none for the whole, so the loop around them is ours, and as good as it can be made
without slots: no more than five at once per endpoint, a look every two seconds, one second longer after each 429.
One client per profile, as its credentials demand. Patched: the two hosts; and the headers of the download, which carry
the token, since an object store refuses a signed URL that comes with another authorisation.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from ad_api.api import Exports
from ad_api.auth import AccessTokenClient
from ad_api.base import AdvertisingApiException

from benchmarks.peers.work import BODY, ENTITIES, LOOK_SECONDS, target, told

_AT_ONCE = 5


def main() -> None:
    """Do it."""
    work = told()
    account, token = work["account"], urlsplit(work["account"]["token_url"])
    AccessTokenClient.scheme, AccessTokenClient.host = f"{token.scheme}://", token.netloc
    credentials = {name: account[name] for name in ("refresh_token", "client_id", "client_secret")}
    clients = {name: Exports(credentials={**credentials, "profile_id": name}) for name in work["profiles"]}
    for client in clients.values():
        client.endpoint = account["api_url"]
    next(iter(clients.values())).auth  # noqa: B018  one token for all threads, kept by the library's own cache
    pools = {entity: ThreadPoolExecutor(_AT_ONCE) for entity in ENTITIES}
    waiting = [
        pools[entity].submit(_pull, work, client, profile, entity)
        for profile, client in clients.items()
        for entity in ENTITIES
    ]
    for one in waiting:
        one.result()


def _pull(work: dict[str, Any], client: Any, profile: str, entity: str) -> None:  # noqa: ANN401
    ask = getattr(client, f"{entity.lower()}_export")
    export = _patiently(lambda: ask(body=json.dumps(BODY)).payload)
    number = export["exportId"]
    while export["status"] != "COMPLETED":
        if export["status"] == "FAILED":
            raise RuntimeError(export)
        time.sleep(LOOK_SECONDS)
        export = _patiently(lambda: client.get_export(exportId=number, typeExport=entity.lower()).payload)
    answer = client._download(client, {"url": export["url"], "format": "data"}, {"Accept": "*/*"})  # noqa: SLF001
    with target(work, f"{profile}-{entity}").open("w", encoding="utf-8") as file:
        for row in answer.payload:
            file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")


def _patiently(call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    wait = 1.0
    while True:
        try:
            return call()
        except AdvertisingApiException as error:
            if error.code != 429:
                raise
            time.sleep(wait)
            wait += 1.0


if __name__ == "__main__":
    main()
