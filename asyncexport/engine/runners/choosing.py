"""Which places an exporter has for its transfers besides its own loop."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from asyncexport.adapters.cores import cores
from asyncexport.errors import ConfigError
from asyncexport.models import Limits
from asyncexport.ports import Listener
from asyncexport.sansio.pacing.backoff import Backoff

if TYPE_CHECKING:
    from asyncexport.engine.runners.carrying import Places
    from asyncexport.engine.runners.dask.seats import Seats

RUNNERS: Final = ("processes", "dask")


def check_choice(runner: str, dask: str | None) -> None:
    """Raise :class:`ConfigError` for a runner that there is not, or an address that nobody wants."""
    if runner not in RUNNERS:
        raise ConfigError(f"runner = {runner!r} is none of {', '.join(RUNNERS)}")
    if dask is not None and runner != "dask":
        raise ConfigError(f"dask = {dask!r} is for runner = 'dask', and this one is {runner!r}")


def places_for(
    runner: str,
    *,
    workers: int,
    dask: str | None,
    environment: Mapping[str, str] | None,
    ca_file: str | os.PathLike[str] | None,
    backoff: Backoff,
    limits: Limits,
    listener: Listener,
) -> Places | None:
    """Return the places, not opened yet; None where there is but the loop. Raises :class:`ConfigError`."""
    if runner == "dask":
        trusted = None if ca_file is None else os.fspath(ca_file)
        return seats_for(dask, trusted, backoff, limits, workers=workers, environment=environment, listener=listener)
    if not workers:
        return None
    from asyncexport.engine.runners.workers import Pool, starting  # noqa: PLC0415  most start no process

    start = starting(
        ca_file=ca_file,
        backoff=backoff,
        sink_timeout=limits.sink_timeout,
        environment=environment,
        listener=listener,
    )
    return Pool(workers, start)


def seats_for(
    address: str | None,
    ca_file: str | None,
    backoff: Backoff,
    limits: Limits,
    *,
    workers: int,
    environment: Mapping[str, str] | None,
    listener: Listener,
) -> Seats:
    """Return seats on the cluster at ``address``, None for one of this machine, with so many workers (0: one per core).

    Raises :class:`ConfigError` if the library is missing.
    """
    if find_spec("distributed") is None:
        raise ConfigError("runner = 'dask' needs distributed, which is not installed: pip install 'asyncexport[dask]'")
    from asyncexport.engine.runners.dask.local import LocalCluster  # noqa: PLC0415  needs an extra
    from asyncexport.engine.runners.dask.seats import Seats  # noqa: PLC0415
    from asyncexport.engine.runners.dask.words import Terms  # noqa: PLC0415

    terms = Terms(ca_file, backoff, limits.sink_timeout, is_ours=address is None)
    if address is not None:
        return Seats(address, terms, listener)
    own = workers or cores()
    return Seats(LocalCluster(own, math.ceil(limits.downloads / own), environment), terms, listener)
