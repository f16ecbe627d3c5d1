"""What stands between library and world in a schedule: a hurried clock, a watched transport, failing storage."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from asyncexport.adapters.http import AiohttpTransport
from asyncexport.batch import Batch
from asyncexport.models import Evidence, Job, Receipt, SignedUrl, TransferOrder
from asyncexport.ports import Download, Request, Response, Sink, SinkWriter
from asyncexport.sansio.failures import retry_after
from asyncexport.sinks import JsonLines, Memory
from asyncexport.sinks.files.disk import Files
from tests.faults.plans import Trouble

HASTE = 400.0
"""How much faster the client's clock runs: its seconds of backoff are milliseconds here."""

_STEP = 0.0005


class HurriedClock:
    """A :class:`asyncexport.ports.Clock` on which policies made for minutes are lived through in real time."""

    def now(self) -> float:
        """Return the client's seconds."""
        return time.monotonic() * HASTE

    async def sleep(self, seconds: float) -> None:
        """Wait for the client's seconds; at least lets other tasks run."""
        real = seconds / HASTE
        await asyncio.sleep(real + (_STEP if real else 0.0))


@dataclass(frozen=True, slots=True)
class CallSeen:
    """One call to the API or the token host as the client made it. Times are the client's seconds.

    ``who`` is the client and the profile it is made for.
    """

    who: str
    target: str
    sent_at: float
    ended_at: float
    status: int
    retry_after: float | None


class WatchedTransport(AiohttpTransport):
    """The real transport, which also writes down when each call went out and what it was told."""

    def __init__(self, clock: HurriedClock) -> None:
        super().__init__()
        self._time = clock
        self.calls: list[CallSeen] = []
        self.hosts: set[str] = set()

    async def send(self, request: Request) -> Response:
        """Send, and note it."""
        sent_at = self._time.now()
        status, wait = 0, None
        try:
            response = await super().send(request)
            status, wait = response.status, retry_after(response.headers)
        finally:
            who = "/".join(request.headers.get(f"Amazon-Advertising-API-{name}", "") for name in ("ClientId", "Scope"))
            target = f"{who} {request.method} {request.url} {hash(request.body)}"
            self.calls.append(CallSeen(who, target, sent_at, self._time.now(), status, wait))
        return response

    def download(self, url: SignedUrl, *, offset: int, etag: str | None) -> AbstractAsyncContextManager[Download]:
        """Open, and note where."""
        self.hosts.add(url.reveal().split("?")[0].rsplit("/", 3)[0])
        return super().download(url, offset=offset, etag=etag)

    def busy(self) -> int:
        """Return how many connections are in use."""
        connectors = {session.connector for session in (self._api, self._store) if session is not None}
        return sum(len(connector._acquired) for connector in connectors if connector is not None)


@dataclass
class Tripwire:
    """Counts operations, from any thread, and says when the one that is to fail has come."""

    trouble: Trouble | None
    seen: Counter[str] = field(default_factory=Counter)
    tripped: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def trips(self, operation: str) -> bool:
        """Count one operation."""
        with self._lock:
            self.seen[operation] += 1
            if self.trouble is None or operation != self.trouble.operation or self.tripped:
                return False
            self.tripped = self.seen[operation] == self.trouble.nth
            return self.tripped


class FailingFiles(Files):
    """The real file system but for one operation, which fails without having been done."""

    def __init__(self, wire: Tripwire) -> None:
        self._wire = wire

    def _maybe_fail(self, operation: str) -> None:
        if self._wire.trips(operation) and self._wire.trouble is not None:
            code = self._wire.trouble.code
            raise OSError(code, os.strerror(code))

    def open_folder(self, parent: int, name: str) -> int:
        self._maybe_fail("open_folder")
        return super().open_folder(parent, name)

    def make_folder(self, parent: int, name: str) -> bool:
        self._maybe_fail("make_folder")
        return super().make_folder(parent, name)

    def create(self, folder: int, name: str) -> int:
        self._maybe_fail("create")
        return super().create(folder, name)

    def look_at(self, file: int) -> os.stat_result:
        self._maybe_fail("look_at")
        return super().look_at(file)

    def lock(self, file: int) -> bool:
        self._maybe_fail("lock")
        return super().lock(file)

    def write(self, file: int, data: bytes) -> None:
        if self._wire.trips("write") and self._wire.trouble is not None:
            super().write(file, data[: len(data) // 2])
            code = self._wire.trouble.code
            raise OSError(code, os.strerror(code))
        super().write(file, data)

    def sync(self, file: int) -> None:
        self._maybe_fail("sync")
        super().sync(file)

    def rename(self, folder: int, old: str, new: str) -> None:
        self._maybe_fail("rename")
        super().rename(folder, old, new)

    def unlink(self, folder: int, name: str) -> None:
        self._maybe_fail("unlink")
        super().unlink(folder, name)


class BuggySink:
    """Somebody's sink: another one, but for one call that raises what no contract allows."""

    def __init__(self, sink: Memory, wire: Tripwire) -> None:
        self._sink = sink
        self.wire = wire

    def stumble(self, operation: str) -> None:
        """Raise if this is the call."""
        if self.wire.trips(operation):
            raise RuntimeError(f"a bug in {operation}")

    async def find(self, order: TransferOrder) -> Receipt | None:
        """Ask the other sink."""
        self.stumble("find")
        return await self._sink.find(order)

    async def settle(self, job: Job, parts: int) -> None:
        """Settle the other sink."""
        self.stumble("settle")
        await self._sink.settle(job, parts)

    def open(self, order: TransferOrder) -> AbstractAsyncContextManager[SinkWriter]:
        """Open the other sink."""
        self.stumble("open")
        return self._opened(order)

    @asynccontextmanager
    async def _opened(self, order: TransferOrder) -> AsyncIterator[SinkWriter]:
        self.stumble("begin")
        async with self._sink.open(order) as writer:
            yield _BuggyWriter(writer, self)
            self.stumble("commit")


class _BuggyWriter:
    def __init__(self, writer: SinkWriter, sink: BuggySink) -> None:
        self._writer = writer
        self._sink = sink

    async def write(self, batch: Batch) -> None:
        await self._writer.write(batch)

    def seal(self, evidence: Evidence) -> None:
        self._sink.stumble("seal")
        self._writer.seal(evidence)

    @property
    def receipt(self) -> Receipt:
        self._sink.stumble("receipt")
        return self._writer.receipt


def sinks(folder: Path | None, memory: Memory, wire: Tripwire) -> Sink:
    """Return the sink of a run: files below ``folder`` or the memory, with the trouble that is planned."""
    if folder is not None:
        return JsonLines(folder, files=FailingFiles(wire) if wire.trouble is not None else Files())
    return BuggySink(memory, wire) if wire.trouble is not None else memory
