"""An object store with one object, in a process of its own: ``python -m benchmarks.runners.store FILE``.

Prints its port once it listens; ends when standard input does. The file goes out by ``sendfile``, so that the server
takes as little of the machine as can be.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aiohttp import web


@contextmanager
def stored(path: Path) -> Iterator[str]:
    """Serve the file for the length of the block; yield its URL."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.runners.store", str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        if process.stdout is None or process.stdin is None:
            raise RuntimeError("the store has no pipes")
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/object"
        process.stdin.close()


async def _main(path: Path) -> None:
    async def answer(_: web.Request) -> web.FileResponse:
        return web.FileResponse(path, headers={"Content-Type": "application/octet-stream"})

    application = web.Application()
    application.router.add_get("/object", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
