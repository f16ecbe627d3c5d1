"""Fakes for your tests and ours: a clock that jumps, a transport that answers from a script, a journal without a file.

``FakeClock`` makes waiting free: whenever every task waits, it jumps to the moment the next sleeper wants, so an hour
of backoff takes no time and always the same course. It sees only what waits in the event loop, so use it with
``FakeTransport`` and ``MemoryJournal``, not with sockets or threads. For real bytes over real sockets there is the
emulator, as a fixture in :mod:`asyncexport.pytest_plugin`.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, TypeAlias

from anyio.lowlevel import checkpoint

from asyncexport.models import Filters, Job, Receipt, SignedUrl
from asyncexport.notes import Committed, Dropped, Habit, Intended, Known, Note, Requested, Split
from asyncexport.ports import Download, Request, Response
from asyncexport.sansio.looks.habits import Memory

__all__ = ["FakeClock", "FakeDownload", "FakeTransport", "MemoryJournal", "json_response"]


class FakeClock:
    """A :class:`asyncexport.ports.Clock` whose time passes only while every task waits."""

    def __init__(self, start: float = 0.0) -> None:
        self._now = start
        self._sleepers: list[tuple[float, int, asyncio.Future[None] | _Calling]] = []
        self._numbers = count()
        self._is_watching = False

    def now(self) -> float:
        """Return the seconds that have passed."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Wait until so much time has been jumped over."""
        if seconds <= 0:
            await checkpoint()
            return
        waking = asyncio.get_running_loop().create_future()
        self._wake(seconds, waking)
        await waking

    def call_later(self, seconds: float, call: Callable[[], None]) -> Callable[[], object]:
        """Call ``call`` when so much time has been jumped over; return what takes that back."""
        calling = _Calling(call)
        self._wake(max(0.0, seconds), calling)
        return calling.cancel

    def advance(self, seconds: float) -> None:
        """Let time pass without waiting for anybody."""
        self._now += seconds

    def _wake(self, seconds: float, waking: asyncio.Future[None] | _Calling) -> None:
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._numbers), waking))
        self._watch()

    def _watch(self) -> None:
        if not self._is_watching:
            self._is_watching = True
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        self._forget_the_cancelled()
        if not self._sleepers:
            self._is_watching = False
            return
        loop: Any = asyncio.get_running_loop()
        if loop._ready:  # noqa: SLF001  the standard loop's queue of what can run now
            loop.call_soon(self._look)
            return
        self._is_watching = False
        self._jump()
        if self._sleepers:
            self._watch()

    def _jump(self) -> None:
        at, _, waking = heapq.heappop(self._sleepers)
        self._now = max(self._now, at)
        waking.set_result(None)

    def _forget_the_cancelled(self) -> None:
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)

    def __repr__(self) -> str:
        return f"<FakeClock at {self._now:.3f} s, {len(self._sleepers)} asleep>"


class _Calling:
    """A function that sleeps as a task would: it is called when it is woken, unless that was cancelled before."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call: Callable[[], None] | None = call

    def done(self) -> bool:
        return self._call is None

    def cancel(self) -> None:
        self._call = None

    def set_result(self, _: None) -> None:
        call, self._call = self._call, None
        if call is not None:
            call()


Answer: TypeAlias = "Response | Exception | Callable[[Request], Response]"
Opening: TypeAlias = "FakeDownload | Exception"


class FakeTransport:
    """A :class:`asyncexport.ports.Transport` that plays a script and keeps what it was asked.

    ``answers`` are given to one call after the other: a response, an error to raise, or a function of the request;
    ``downloads`` likewise. A call beyond the script is an ``AssertionError``. ``requests`` and ``opened`` (url, offset,
    etag) hold what came.
    """

    def __init__(self, *answers: Answer, downloads: list[Opening] | None = None) -> None:
        self._answers = list(answers)
        self._downloads = list(downloads or ())
        self.requests: list[Request] = []
        self.opened: list[tuple[SignedUrl, int, str | None]] = []

    async def send(self, request: Request) -> Response:
        """Play the next answer."""
        self.requests.append(request)
        await checkpoint()
        assert self._answers, f"nothing was expected after {len(self.requests) - 1} requests: {request.url}"
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Response) else answer(request)

    def download(self, url: SignedUrl, *, offset: int, etag: str | None) -> AbstractAsyncContextManager[Download]:
        """Play the next download."""
        self.opened.append((url, offset, etag))
        return self._open()

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Download]:
        await checkpoint()
        assert self._downloads, "no further download was expected"
        opening = self._downloads.pop(0)
        if isinstance(opening, Exception):
            raise opening
        yield opening


class FakeDownload:
    """An answer of the object store: a head, then chunks; an exception among the chunks is raised in its turn."""

    def __init__(self, status: int, headers: Mapping[str, str] | None = None, *chunks: bytes | Exception) -> None:
        self.status = status
        self.headers = dict(headers or {})
        self._chunks = chunks

    async def chunks(self) -> AsyncGenerator[bytes]:
        """Play the body."""
        for chunk in self._chunks:
            await checkpoint()
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk


def json_response(text: str | bytes, status: int = 200, **headers: str) -> Response:
    """Return a response with a JSON body; underscores in header names stand for hyphens."""
    body = text.encode() if isinstance(text, str) else text
    given = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    return Response(status, {"content-type": "application/json", **given}, body)


@dataclass(frozen=True, slots=True)
class _Row:
    """``split`` is what the job is to be taken in, ``parts`` those of it that have rows of their own."""

    state: str
    export_id: str
    asked_at: float
    split: tuple[Filters, ...] = ()
    parts: tuple[Filters, ...] = ()


class MemoryJournal:
    """A :class:`asyncexport.ports.Journal` that keeps everything in memory: give it to one exporter after the other.

    It answers as the journal of a state folder does, but touches no file and no thread, so that runs on a
    :class:`FakeClock` have nights before them. ``wall`` gives the seconds from which the age of exports is told; set it
    when the clock changes.
    """

    def __init__(self, wall: Callable[[], float] = lambda: 0.0) -> None:
        self.wall = wall
        self._rows: dict[tuple[str, ...], _Row] = {}
        self._memories: dict[tuple[str, ...], Memory] = {}

    async def recall(self, jobs: Iterable[Job]) -> dict[tuple[str, ...], Known]:
        """Return what is known of these jobs, and of the parts of those that are split, by job key."""
        await checkpoint()
        known: dict[tuple[str, ...], Known] = {}
        for job in jobs:
            split = self._rows[job.key].split if job.key in self._rows else ()
            keys = [job.key, *(replace(job, filters=filters).key for filters in split)]
            known |= {key: self._known(self._rows[key]) for key in keys if key in self._rows}
        return known

    async def habits(self, jobs: Iterable[Job]) -> dict[tuple[str, ...], Habit]:
        """Return what was learned of these jobs, and of the parts that they begin in, by job subject."""
        await checkpoint()
        learned: dict[tuple[str, ...], Habit] = {}
        for job in jobs:
            split = self._memories.get(job.subject, Memory()).habit.split
            subjects = [job.subject, *(replace(job, filters=filters).subject for filters in split)]
            learned |= {each: self._memories[each].habit for each in subjects if each in self._memories}
        return learned

    async def note(self, job: Job, note: Note) -> None:
        """Keep one note."""
        await checkpoint()
        before = self._rows.get(job.key) or _Row("", "", self.wall())
        self._rows[job.key] = after = self._noted(before, note)
        self._take_parts(job, before.parts, after.parts)
        if isinstance(note, Committed):
            self._commit_parts(job, after.parts, note.receipt.parts)
        memory = self._memories.get(job.subject, Memory())
        if (learned := memory.after(note)) != memory:
            self._memories[job.subject] = learned

    def plant(self, job: Job, seconds: float, *, nights: int = 1) -> None:
        """Let ``job`` have taken so many seconds on each of so many earlier nights."""
        self._memories[job.subject] = Memory(math.log(seconds), nights)

    def state_of(self, job: Job) -> str:
        """Return where a job or a part stands, in :class:`Known`'s words; empty if it was never noted."""
        return self._rows[job.key].state if job.key in self._rows else ""

    def _noted(self, before: _Row, note: Note) -> _Row:
        match note:
            case Intended():
                return replace(before, state="intended", export_id="", split=(), parts=(), asked_at=self.wall())
            case Requested(export_id=export_id):
                return replace(before, state="requested", export_id=export_id, asked_at=self.wall())
            case Committed(receipt=receipt):
                parts = before.parts if len(before.parts) == len(receipt.parts) else ()
                return replace(before, state="committed", export_id=receipt.export_id, parts=parts)
            case Dropped(keep=keep):
                return replace(before, state="failed", export_id=before.export_id if keep else "")
            case Split(parts=parts):
                return replace(before, state="split", export_id="", split=parts, parts=parts)

    def _take_parts(self, job: Job, before: tuple[Filters, ...], parts: tuple[Filters, ...]) -> None:
        for filters in set(before) - set(parts):
            self._rows.pop(replace(job, filters=filters).key, None)
        for filters in parts:
            self._rows.setdefault(replace(job, filters=filters).key, _Row("waiting", "", self.wall()))

    def _commit_parts(self, job: Job, parts: tuple[Filters, ...], receipts: tuple[Receipt, ...]) -> None:
        for filters, receipt in zip(parts, receipts, strict=False):
            key = replace(job, filters=filters).key
            self._rows[key] = replace(self._rows[key], state="committed", export_id=receipt.export_id)

    def _known(self, row: _Row) -> Known:
        return Known(row.state, row.export_id, max(0.0, self.wall() - row.asked_at), row.split)

    def __repr__(self) -> str:
        return f"<MemoryJournal {len(self._rows)} jobs, {len(self._memories)} habits>"
