"""What goes between an exporter and its offices, one in each Dask worker, by way of the scheduler.

Towards a worker a message is the argument of a function that Dask runs there; towards the exporter it is an event of
one topic, which everybody on the cluster can read: ``(exporter's name, message)``. Whoever can reach a Dask scheduler
can run any code on it and its workers, so their pickles are read as they are. Packed, a message shows nothing in a
``repr`` and, being compressed, spells no signed URL in a log of the bytes that travel.
"""

from __future__ import annotations

import pickle
import zlib
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from asyncexport.engine.runners.messages import AboutErrand
from asyncexport.sansio.pacing.backoff import Backoff

TOPIC: Final = "asyncexport"


@dataclass(frozen=True, slots=True)
class Terms:
    """What the exporter was given, for the transfers in a Dask worker. ``is_ours``: the worker is for them alone."""

    ca_file: str | None
    backoff: Backoff
    sink_timeout: float
    is_ours: bool = False


@dataclass(frozen=True, slots=True)
class Seated:
    """From an office: a task of the exporter's has begun there and waits for the errand of this number."""

    number: int
    address: str
    host: str


FromOffice: TypeAlias = Seated | AboutErrand


@dataclass(frozen=True, slots=True)
class Packed:
    """Anything on its way."""

    data: bytes = field(repr=False)

    @classmethod
    def of(cls, thing: object) -> Packed:
        """Pack it. Raises whatever its class does."""
        return cls(zlib.compress(pickle.dumps(thing, pickle.HIGHEST_PROTOCOL), 1))

    def unpacked(self) -> Any:  # noqa: ANN401  whatever it was
        """Return it. Raises whatever its class does, or finding its module."""
        return pickle.loads(zlib.decompress(self.data))  # noqa: S301  see above
