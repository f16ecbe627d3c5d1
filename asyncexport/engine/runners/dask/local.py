"""A Dask cluster of this machine's own cores, for an exporter that was given no other.

Contract: scheduler and workers are processes below one of ours, so that neither the caller's loop nor its environment
has anything of them. It is started anew from the interpreter, as worker processes are, with one pipe at each end: it
writes the scheduler's address to its standard output and ends when nobody holds its standard input any more, however
the exporter ended. It listens on the loopback interface only; there, as on any Dask cluster, whoever can connect can
run code. No memory limit is set: the memory of a transfer is bounded.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from contextlib import suppress

from asyncexport.errors import ClusterLost

START_SECONDS = 60.0
CLOSE_SECONDS = 15.0

_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[3]); "
    "from asyncexport.engine.runners.dask.local import main; main(int(sys.argv[1]), int(sys.argv[2]))"
)


_SETTINGS = {
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": 128 * 1024 * 1024,
    "distributed.worker.profile.enabled": False,
}
"""Dask has its workers give memory back at once and samples their stacks, which transfers pay for and do not need."""


def main(workers: int, threads: int) -> None:
    """Be the cluster, until standard input ends."""
    import dask.config  # noqa: PLC0415  the exporter's side of this module needs none of it
    from distributed import LocalCluster  # noqa: PLC0415

    with (
        dask.config.set(_SETTINGS),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=threads,
            host="127.0.0.1",
            dashboard_address=None,
            memory_limit=0,
            silence_logs=logging.CRITICAL,
        ) as cluster,
    ):
        print(cluster.scheduler_address, flush=True)  # noqa: T201
        sys.stdin.read()


class LocalCluster:
    """The exporter's side: ``workers`` processes with ``threads`` each, and ``environment``, None for this one's."""

    def __init__(self, workers: int, threads: int, environment: Mapping[str, str] | None = None) -> None:
        self._size = workers, threads
        self._environment = environment
        self._process: Process | None = None

    async def start(self) -> str:
        """Start it; return the address of its scheduler. Raises :class:`ClusterLost`."""
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-I", "-c", _BOOT, *map(str, self._size), json.dumps(list(map(str, sys.path)))),
                stdin=PIPE,
                stdout=PIPE,
                env=self._environment,
                start_new_session=True,
            )
            assert self._process.stdout is not None  # noqa: S101  it is a pipe
            line = await asyncio.wait_for(self._process.stdout.readline(), START_SECONDS)
        except OSError as error:
            reason = error.strerror or f"it was not there after {START_SECONDS:g} s"
            raise ClusterLost(f"a Dask cluster cannot be started on this machine: {reason}") from None
        if not line:
            raise ClusterLost("a Dask cluster cannot be started on this machine: its process ended")
        return line.decode().strip()

    async def aclose(self) -> None:
        """Let it end and wait until it has; it is killed after :data:`CLOSE_SECONDS`, and its workers with it."""
        if self._process is None:
            return
        assert self._process.stdin is not None  # noqa: S101  it is a pipe
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), CLOSE_SECONDS)
        except TimeoutError:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
