"""The seams: what the engine needs of the world, as Protocols of one to three methods.

Everything that waits, connects, stores or runs elsewhere stands behind one of these, so that each can be replaced: by
the fakes of :mod:`asyncexport.testing`, by a caller's own sink, by another place to run transfers.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, runtime_checkable

from asyncexport.batch import Batch
from asyncexport.events import Event
from asyncexport.models import Evidence, Job, Receipt, SignedUrl, TransferOrder
from asyncexport.notes import Habit, Known, Note

LARGEST_ANSWER = 1 << 20
"""Bytes of an answer to a small JSON call, unless the request expects more; the rest is not read."""


@dataclass(frozen=True, slots=True)
class Request:
    """One small JSON call, complete: nothing is added to it on its way but what HTTP itself demands.

    ``largest`` bounds the answer, in bytes; ``endpoint`` is for those who count calls
    (:class:`asyncexport.events.CallEnded`).
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    largest: int = field(default=LARGEST_ANSWER, repr=False)
    endpoint: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer. Header names are lower case; ``body`` is raw bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)


class Download(Protocol):
    """An answer of the object store whose body is still to come. Header names are lower case."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    def chunks(self) -> AsyncGenerator[bytes]:
        """Yield the raw body, undecoded. Raises :class:`ConnectionLost` or :class:`Stalled` when it is cut short."""
        ...


class Transport(Protocol):
    """HTTP. Raises :class:`ConnectError` and its children, nothing of the client library's own; follows no redirect."""

    async def send(self, request: Request) -> Response:
        """Send one small call to the API or the token host and read its answer whole, up to ``request.largest``."""
        ...

    def download(self, url: SignedUrl, *, offset: int, etag: str | None) -> AbstractAsyncContextManager[Download]:
        """Open the object at ``url`` from byte ``offset`` on, only if it still is ``etag`` where one is given."""
        ...


CallLater: TypeAlias = Callable[[float, Callable[[], None]], Callable[[], object]]
"""Calls the given function in so many seconds and returns another, which takes that back."""


class Clock(Protocol):
    """Time. ``now()`` is in monotonic seconds; only differences mean something.

    A clock may have a method ``call_later``, a :data:`CallLater`, as well: it spares a task for every deadline.
    """

    def now(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class SinkWriter(Protocol):
    """An open transaction for one export."""

    async def write(self, batch: Batch) -> None:
        """Take some rows. Awaiting this is all the backpressure there is."""
        ...

    def seal(self, evidence: Evidence) -> None:
        """State that every row has been written and how that is known. Without it nothing is committed."""
        ...

    @property
    def receipt(self) -> Receipt:
        """What was committed; there once the block has been left cleanly."""
        ...


class Sink(Protocol):
    """Where rows go: a small frozen, picklable description. ``open()`` owns the resources."""

    def open(self, order: TransferOrder) -> AbstractAsyncContextManager[SinkWriter]:
        """Begin the transaction: leaving the block cleanly, sealed, commits; leaving by an exception discards."""
        ...

    async def find(self, order: TransferOrder) -> Receipt | None:
        """Return what is already committed for this order's job and part (its URL and export id are not looked at).

        Of a job that is no part itself this may be several parts that together are the job
        (:meth:`asyncexport.models.Receipt.of_parts`).
        """
        ...


@runtime_checkable
class KeepsParts(Protocol):
    """A sink where each part of a split job stands by itself, so that parts can be left over."""

    async def settle(self, job: Job, parts: int) -> None:
        """Let the job's first ``parts`` parts, which are committed, be all there is of it.

        What an earlier run left goes; before this call it may stay what readers meet.
        """
        ...


@runtime_checkable
class Travels(Protocol):
    """A sink that says whether it can be sent to another process, pickled, and store there what it would store here.

    Transfers into a sink that ``travels`` may run in worker processes; into any other they run in the caller's.
    """

    @property
    def travels(self) -> bool: ...


@runtime_checkable
class WantsRows(Protocol):
    """A sink that says whether it asks every batch for its rows (:meth:`Batch.rows`) and seldom for its text.

    For a sink that ``wants_rows`` they are built as the export is decoded; building them of text later takes nearly
    twice as long. Its batches have text all the same, which is then what costs more.
    """

    @property
    def wants_rows(self) -> bool: ...


@runtime_checkable
class HasPlace(Protocol):
    """A sink in a place of the machine it is used on: on another one the same name may mean another place, or none."""

    def marked(self, mark: str) -> AbstractAsyncContextManager[None]:
        """Have a mark of that name there for the length of the block. Raises :class:`SinkError`."""
        ...

    async def sees(self, mark: str) -> None:
        """Raise :class:`SinkError` if the mark is not there, or nothing can be stored beside it."""
        ...


@runtime_checkable
class KeepsManifests(Protocol):
    """A sink that also keeps a record of whole runs."""

    async def keep(self, name: str, manifest: bytes) -> str:
        """Store the manifest (JSON) of one run under ``name``; return where."""
        ...


class Journal(Protocol):
    """What is known of jobs beyond the run that learned it."""

    async def recall(self, jobs: Iterable[Job]) -> Mapping[tuple[str, ...], Known]:
        """Return what is known of these jobs, and of the parts of those that are split, by job key."""
        ...

    async def habits(self, jobs: Iterable[Job]) -> Mapping[tuple[str, ...], Habit]:
        """Return what earlier nights taught about these jobs, and about the parts that they begin in, by job subject.

        Nothing of those never seen before.
        """
        ...

    async def note(self, job: Job, note: Note) -> None:
        """Write one note; it is on the disk when this returns."""
        ...


class Runner(Protocol):
    """Where transfers run."""

    async def run(self, order: TransferOrder, sink: Sink) -> Receipt: ...


Listener: TypeAlias = Callable[[Event], None]
"""Told of everything that happens, in the loop, synchronously: it must return at once and must not raise."""
