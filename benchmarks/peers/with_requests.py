"""requests + gzip + json: get the file, unpack it, parse it, write a line for each row. Everything is held at once."""

from __future__ import annotations

import gzip
import json

import requests

from benchmarks.peers.work import target, told


def main() -> None:
    """Do it."""
    work = told()
    answer = requests.get(work["url"], timeout=60)
    answer.raise_for_status()
    rows = json.loads(gzip.decompress(answer.content))
    with target(work).open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
