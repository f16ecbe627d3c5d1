"""Whether a sink means the same place on every Dask worker: a folder may be there by name and be another disk's.

Contract: before a run begins every worker must see, in the place of each sink that has one
(:class:`asyncexport.ports.HasPlace`), a mark that the exporter leaves there, and be able to write beside it. A worker
that joins later is asked before its first errand. What is somewhere else or cannot be written is a
:class:`ConfigError` that names the worker's host and the path.
"""

from __future__ import annotations

import secrets
import socket
from typing import TYPE_CHECKING

from asyncexport.engine.runners.dask.words import Packed, Seated
from asyncexport.errors import AsyncexportError, ConfigError
from asyncexport.ports import HasPlace, Sink, Travels

if TYPE_CHECKING:
    from asyncexport.engine.runners.dask.cluster import Cluster


async def look(sink: Packed, mark: str) -> tuple[str, str]:
    """Return the host and what is in the way of the sink there, nothing if nothing is. Dask runs it in a worker."""
    place: HasPlace = sink.unpacked()
    try:
        await place.sees(mark)
    except AsyncexportError as error:
        return socket.gethostname(), str(error)
    return socket.gethostname(), ""


class Reach:
    """What is known about the sinks of one exporter and the workers of a cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._sinks: list[HasPlace] = []
        self._reached: set[tuple[str, int]] = set()

    async def check(self, sink: Sink) -> None:
        """Ask every worker for the sink. Raises :class:`ConfigError`."""
        if isinstance(sink, HasPlace) and isinstance(sink, Travels) and sink.travels and sink not in self._sinks:
            self._sinks.append(sink)
            await self._ask(sink, None)

    async def check_at(self, where: Seated) -> None:
        """Ask a worker that has not been asked yet. Raises :class:`ConfigError`."""
        for number, sink in enumerate(self._sinks):
            if (where.address, number) not in self._reached:
                await self._ask(sink, [where.address])

    async def _ask(self, sink: HasPlace, workers: list[str] | None) -> None:
        try:
            packed = Packed.of(sink)
        except Exception:  # noqa: BLE001  whatever somebody's sink raises: its transfers do not travel either
            return
        mark, number = secrets.token_hex(8), self._sinks.index(sink)
        async with sink.marked(mark):
            answers = await self._cluster.asked(look, packed, mark, workers=workers)
        for address, answer in answers.items():
            if isinstance(answer, Exception):  # it cannot be unpickled there, which its transfers will find
                continue
            host, reason = answer
            if reason:
                raise ConfigError(
                    f"the Dask worker at {address} on {host} cannot store there what this process would: {reason}; all"
                    " machines must see the same folder"
                )
            self._reached.add((address, number))
