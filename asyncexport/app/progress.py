"""Progress on stderr: a live display for a terminal, a line now and then for a log.

Contract: :class:`Board` is the state, a listener that is given the time and knows no terminal, so that every number can
be tested by feeding events. Views draw it: :class:`LiveView` in place, :class:`LineView` as plain lines, one whenever
something has changed since the last. :func:`showing` draws at the view's own pace in the loop itself, without a thread:
what stalls the loop is seen to stall, and nothing else writes to the terminal at the same time.

One line before the run begins and three during it fit any terminal, with one more for each host that does not answer;
what is too long for a narrow one is cut, never wrapped, so nothing jumps.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from typing import Protocol, TextIO

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from asyncexport.app.console import count, duration, size
from asyncexport.app.patience import silence
from asyncexport.events import (
    CallRetried,
    Event,
    ExportAbandoned,
    ExportAdopted,
    ExportFinished,
    ExportRequested,
    JobFinished,
    JobSplit,
    OutageContinued,
    OutageEnded,
    OutageStarted,
    PartFinished,
    RunStarted,
    TransferProgressed,
    TransferRestarted,
    TransferStarted,
)
from asyncexport.models import Entity, Exported, Job, Outcome
from asyncexport.ports import Clock

_BAR = 60


class Board:
    """A run in numbers while it is under way. ``slots``: how many exports a client may have in progress, if known.

    ``now`` returns seconds, as a clock does. An export that is given up while Amazon goes on making it is no longer
    ``running``, and takes its slot until it must have ended.
    """

    def __init__(self, slots: int | None, now: Callable[[], float]) -> None:
        self._slots = slots
        self._now = now
        self._in_progress: dict[Job, str] = {}
        self._abandoned: dict[str, tuple[Entity, float]] = {}
        self._lanes: dict[Entity, set[tuple[str, str]]] = {}
        self._transfers: dict[Job, tuple[int, int]] = {}
        self._parts: dict[Job, tuple[Job, ...]] = {}
        self._ended: Counter[Job] = Counter()
        self._committed = (0, 0)
        self._outages: dict[str, OutageStarted | OutageContinued] = {}
        self.jobs = self.exported = self.found = self.failed = 0
        self.throttled = self.retried = 0

    def __call__(self, event: Event) -> None:
        """Take note of an event."""
        match event:
            case RunStarted():
                self.jobs += event.jobs
            case ExportRequested() | ExportAdopted():
                self._request(event.job, event.export_id)
            case ExportFinished() | ExportAbandoned():
                self._end(event)
            case JobSplit():
                self._parts[event.job] = event.parts
            case PartFinished():
                self._ended[event.job] += 1
                self._leave(event.outcome.job)
                self._commit(event.outcome)
            case TransferStarted() | TransferRestarted():
                self._transfers[event.job] = (0, 0)
            case TransferProgressed():
                self._transfers[event.job] = (event.source_bytes, event.rows)
            case CallRetried():
                self._retry(throttled=event.throttled)
            case JobFinished():
                self._finish(event.outcome)
            case _:
                self._note_outage(event)

    def __repr__(self) -> str:
        return f"<Board {self.done}/{self.jobs} done, {self.running} running>"

    @property
    def done(self) -> int:
        """Jobs with an outcome."""
        return self.exported + self.found + self.failed

    @property
    def running(self) -> int:
        """Jobs, or parts of jobs, that are being exported or transferred now."""
        return len(self._in_progress.keys() | self._transfers.keys())

    @property
    def source_bytes(self) -> int:
        """Bytes of export files that have come in, in committed and in running transfers."""
        return self._committed[0] + sum(taken for taken, _ in self._transfers.values())

    @property
    def rows(self) -> int:
        """Rows that have come in, in committed and in running transfers."""
        return self._committed[1] + sum(rows for _, rows in self._transfers.values())

    @property
    def outages(self) -> tuple[OutageStarted | OutageContinued, ...]:
        """The hosts that answer nobody now, as of the last try at each."""
        return tuple(self._outages.values())

    @property
    def slots(self) -> dict[Entity, tuple[int, int | None]]:
        """Slots in use and slots there are, by endpoint, over all accounts that have asked for something there."""
        busy = [*(job.entity for job in self._in_progress), *self.abandoned]
        return {
            each: (busy.count(each), None if self._slots is None else self._slots * len(self._lanes[each]))
            for each in Entity
            if each in self._lanes
        }

    @property
    def abandoned(self) -> list[Entity]:
        """The endpoints of exports that were given up and keep their slots."""
        now = self._now()
        return [entity for entity, until in self._abandoned.values() if until > now]

    @property
    def parts(self) -> tuple[int, int, int]:
        """Jobs that are under way in parts, how many parts that makes, and how many of these have ended."""
        there = sum(map(len, self._parts.values()))
        return len(self._parts), there, sum(self._ended[job] for job in self._parts)

    def _request(self, job: Job, export_id: str) -> None:
        self._abandoned.pop(export_id, None)
        self._in_progress[job] = export_id
        self._lanes.setdefault(job.entity, set()).add((job.profile.account, job.profile.region.value))

    def _end(self, event: ExportFinished | ExportAbandoned) -> None:
        self._abandoned.pop(event.export_id, None)
        if self._in_progress.get(event.job) == event.export_id:
            del self._in_progress[event.job]
        if isinstance(event, ExportAbandoned) and event.seconds:
            self._abandoned[event.export_id] = (event.job.entity, self._now() + event.seconds)

    def _note_outage(self, event: Event) -> None:
        match event:
            case OutageStarted() | OutageContinued():
                self._outages[event.host] = event
            case OutageEnded():
                self._outages.pop(event.host, None)

    def _retry(self, *, throttled: bool) -> None:
        self.throttled += throttled
        self.retried += not throttled

    def _finish(self, outcome: Outcome) -> None:
        parts = self._parts.pop(outcome.job, None)
        del self._ended[outcome.job]
        for job in (outcome.job, *(parts or ())):
            self._leave(job)
        if not isinstance(outcome, Exported):
            self.failed += 1
            return
        self.found += outcome.found
        self.exported += not outcome.found
        if parts is None:
            self._commit(outcome)

    def _leave(self, job: Job) -> None:
        self._in_progress.pop(job, None)
        self._transfers.pop(job, None)

    def _commit(self, outcome: Outcome) -> None:
        """Count what is committed: of a job in parts each part by itself, which stays when the job fails."""
        if isinstance(outcome, Exported):
            taken, rows = self._committed
            new = 0 if outcome.found else outcome.receipt.source_bytes
            self._committed = (taken + new, rows + outcome.receipt.rows)


def headline(board: Board) -> str:
    """Return how far the jobs are."""
    parts = [f"{board.done:,}/{count(board.jobs, 'export')} done", f"{board.running:,} running"]
    if board.found:
        parts.append(f"{board.found:,} already there")
    parts.append(f"{board.failed:,} failed")
    in_parts, there, ended = board.parts
    if in_parts:
        parts.append(f"{in_parts:,} in {count(there, 'part')} ({ended:,} done)")
    return ", ".join(parts)


def volume(board: Board, seconds: float) -> str:
    """Return how much has come in and how fast; ``seconds`` since the run began."""
    rate = board.source_bytes / seconds if seconds > 0 else 0.0
    parts = [count(board.rows, "row"), size(board.source_bytes), f"{size(rate)}/s", duration(seconds)]
    if board.throttled:
        parts.append(f"{board.throttled:,} throttled")
    if board.retried:
        parts.append(count(board.retried, "retry", "retries"))
    return ", ".join(parts)


def slots_line(board: Board) -> str:
    """Return how many slots of each endpoint are in use."""
    slots = {entity: f"{busy}" if there is None else f"{busy}/{there}" for entity, (busy, there) in board.slots.items()}
    kept = len(board.abandoned)
    given_up = f", {kept:,} of {'an export' if kept == 1 else 'exports'} given up" if kept else ""
    return "slots  " + "  ".join(f"{entity.value} {text}" for entity, text in slots.items()) + given_up


def lines(board: Board, seconds: float) -> list[str]:
    """Return what there is to say, before the run has begun and during it, a line for each host that is silent."""
    outages = map(silence, board.outages)
    if not board.jobs:
        return [f"looking up the profiles, {duration(seconds)}", *outages]
    slots = [slots_line(board)] if board.slots else []
    return [headline(board), volume(board, seconds), *slots, *outages]


class View(Protocol):
    """Something that can show a board. ``interval`` is in seconds."""

    @property
    def interval(self) -> float: ...

    def showing(self) -> AbstractContextManager[object]: ...

    def draw(self, board: Board, seconds: float) -> None: ...


class LiveView:
    """A few lines in place; they are gone when the block is left. What others write to stderr appears above them."""

    interval = 0.125

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, stderr=True)
        self._live = Live(console=self._console, auto_refresh=False, transient=True, redirect_stdout=False)

    @property
    def is_possible(self) -> bool:
        """Whether the terminal can write over what it has shown (``TERM=dumb`` cannot)."""
        return not self._console.is_dumb_terminal

    def showing(self) -> AbstractContextManager[object]:
        """Return the block during which the display is there."""
        return self._live

    def draw(self, board: Board, seconds: float) -> None:
        """Show the board as it is now."""
        self._live.update(self._picture(board, seconds), refresh=True)

    def _picture(self, board: Board, seconds: float) -> Table:
        width = min(_BAR, max(self._console.width - 1, 1))
        picture = Table.grid()
        picture.add_row(ProgressBar(total=max(board.jobs, 1), completed=board.done, width=width))
        for line in lines(board, seconds):
            picture.add_row(Text(line, no_wrap=True, overflow="ellipsis"))
        return picture


class LineView:
    """One plain line an interval, if anything has changed since the last. A reader that went away is no fault."""

    interval = 10.0

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last = ""

    def showing(self) -> AbstractContextManager[object]:
        """Return an empty block: there is nothing to put up or to take away."""
        return nullcontext()

    def draw(self, board: Board, seconds: float) -> None:
        """Write a line unless it would say the same as the one before."""
        outages = [f"; {silence(each)}" for each in board.outages]
        state = "".join([headline(board), f", {board.rows:,}", *outages])
        if board.jobs and state != self._last:
            self._last = state
            with suppress(OSError):
                print(f"{headline(board)}; {volume(board, seconds)}", *outages, sep="", file=self._stream, flush=True)


@asynccontextmanager
async def showing(board: Board, view: View | None, clock: Clock) -> AsyncIterator[None]:
    """Draw ``board`` at the view's pace while the block runs; without a view do nothing."""
    if view is None:
        yield
        return
    with view.showing():
        ticking = asyncio.create_task(_tick(board, view, clock))
        try:
            yield
        finally:
            ticking.cancel()
            await asyncio.wait([ticking])
        if not ticking.cancelled():
            ticking.result()


async def _tick(board: Board, view: View, clock: Clock) -> None:
    began = clock.now()
    while True:
        await clock.sleep(view.interval)
        view.draw(board, clock.now() - began)
