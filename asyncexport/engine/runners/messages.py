"""What goes between an exporter and its worker processes.

Each message is a pickle behind its length, four bytes. Pickles are safe here, and only here: the two ends are the same
program, of one user, at the two ends of a socket pair that nobody else has. All that is secret, signed URLs above all,
travels this way and stands neither in a worker's arguments nor in its environment. An errand has the same number in all
messages about it.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from asyncexport.errors import AsyncexportError
from asyncexport.events import Event
from asyncexport.models import Receipt, SignedUrl, TransferOrder
from asyncexport.ports import Sink
from asyncexport.sansio.pacing.backoff import Backoff

_LENGTH: Final = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Setup:
    """To a worker, first: what the exporter was given.

    ``levels`` are those of the exporter's loggers, by name, the root's under the empty one; ``exporter`` is the id of
    its process.
    """

    ca_file: str | None
    backoff: Backoff
    sink_timeout: float
    levels: Mapping[str, int]
    exporter: int


@dataclass(frozen=True, slots=True)
class Errand:
    """A transfer order and its sink, pickled on their own, because the sink may be anybody's code.

    It shows nothing of them: whoever shows the locals of a frame would show a signed URL.
    """

    pickled: bytes = field(repr=False)

    @classmethod
    def of(cls, order: TransferOrder, sink: Sink) -> Errand:
        """Pickle both. Raises whatever the sink does."""
        return cls(pickle.dumps((order, sink), pickle.HIGHEST_PROTOCOL))

    def unpacked(self) -> tuple[TransferOrder, Sink]:
        """Return both. Raises whatever the sink does, or finding its module."""
        order, sink = pickle.loads(self.pickled)  # noqa: S301  see above
        return order, sink


@dataclass(frozen=True, slots=True)
class Begin:
    """To a worker: move this."""

    number: int
    errand: Errand


@dataclass(frozen=True, slots=True)
class Cancel:
    """To a worker: end the transfer, leave nothing behind, and say so."""

    number: int


@dataclass(frozen=True, slots=True)
class Renewed:
    """To a worker: the fresh URL it asked for, or what is in the way of one."""

    number: int
    answer: SignedUrl | AsyncexportError = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ready:
    """From a worker, first: it is at work."""


@dataclass(frozen=True, slots=True)
class Logged:
    """From a worker: an entry of somebody's log, with its text complete."""

    record: logging.LogRecord


@dataclass(frozen=True, slots=True)
class Told:
    """From a worker: something happened."""

    number: int
    event: Event


@dataclass(frozen=True, slots=True)
class StoreIsBusy:
    """From a worker: the object store asks for less."""

    number: int


@dataclass(frozen=True, slots=True)
class UrlWanted:
    """From a worker: the signed URL has expired."""

    number: int


@dataclass(frozen=True, slots=True)
class Moved:
    """From a worker, last: the export is committed."""

    number: int
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Broke:
    """From a worker, last: the transfer ended with one of our errors."""

    number: int
    error: AsyncexportError


@dataclass(frozen=True, slots=True)
class Crashed:
    """From a worker, last: the transfer ended with what only a mistake in our code can raise; ``text`` tells it."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Refused:
    """From a worker, last: the sink cannot be used there; nothing was begun."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """From a worker, last: the transfer was cancelled and has left nothing behind."""

    number: int


ToWorker: TypeAlias = Setup | Begin | Cancel | Renewed
End: TypeAlias = Moved | Broke | Crashed | Refused | Cancelled
AboutErrand: TypeAlias = Told | StoreIsBusy | UrlWanted | End
FromWorker: TypeAlias = Ready | Logged | AboutErrand


def framed(message: ToWorker | FromWorker) -> bytes:
    """Return the message as it is sent."""
    pickled = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(pickled)) + pickled


async def received(reader: asyncio.StreamReader) -> Any:  # noqa: ANN401  whichever of the messages it is
    """Return the next message, None when the other end has gone."""
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        return pickle.loads(await reader.readexactly(length))  # noqa: S301  see above
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
