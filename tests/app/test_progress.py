"""Progress: the board is fed events, the views draw it."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import pty
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace

import pytest
from rich.console import Console

from asyncexport.adapters.logs import StderrHandler
from asyncexport.app.exits import say
from asyncexport.app.progress import Board, LineView, LiveView, headline, lines, showing, slots_line, volume
from asyncexport.events import (
    CallRetried,
    ExportAbandoned,
    ExportAdopted,
    ExportFinished,
    ExportRequested,
    JobFinished,
    JobSplit,
    OddityNoticed,
    OutageContinued,
    OutageEnded,
    OutageStarted,
    PartFinished,
    RunStarted,
    TransferProgressed,
    TransferRestarted,
    TransferStarted,
)
from asyncexport.models import Entity, Exported
from asyncexport.sansio.scheduling.splitting import split
from asyncexport.testing import FakeClock
from tests.app.support import exported, failed, in_parts, job

RETRIED = CallRetried("acme", "1", "POST", "503", 1.0, throttled=False)
THROTTLED = CallRetried("acme", "1", "POST", "429", 1.0, throttled=True)


def board(*events: object, slots: int | None = 5, clock: FakeClock | None = None) -> Board:
    made = Board(slots, (clock or FakeClock()).now)
    for event in events:
        made(event)  # type: ignore[arg-type]
    return made


def test_an_empty_board() -> None:
    """Before anything happens everything is zero."""
    made = board(OddityNoticed("x"))
    assert (made.jobs, made.done, made.running, made.rows, made.source_bytes, made.slots) == (0, 0, 0, 0, 0, {})


def test_the_life_of_a_job() -> None:
    """A job runs from its request to its outcome, through slot and transfer, and is counted once."""
    made = board(RunStarted(2), ExportRequested(job(), "e"))
    assert (made.running, made.slots) == (1, {Entity.CAMPAIGNS: (1, 5)})
    made(ExportFinished(job(), "e", 1.0, 300))
    assert (made.running, made.slots) == (0, {Entity.CAMPAIGNS: (0, 5)})
    made(TransferStarted(job()))
    made(TransferProgressed(job(), 200, 7))
    assert (made.running, made.rows, made.source_bytes) == (1, 7, 200)
    made(JobFinished(exported(rows=10)))
    assert (made.running, made.rows, made.source_bytes, made.exported) == (0, 10, 300, 1)
    assert repr(made) == "<Board 1/2 done, 0 running>"


def test_a_job_in_parts() -> None:
    """Parts take slots and places of their own; with the outcome of their job none of them is left."""
    parts = tuple(replace(job(), filters=filters) for filters in split(job().filters, Entity.CAMPAIGNS))
    made = board(RunStarted(1), ExportRequested(job(), "e"), ExportFinished(job(), "e", 1.0, None))
    made(JobSplit(job(), parts))
    for part in parts:
        made(ExportRequested(part, "p"))
    assert (made.running, made.slots) == (3, {Entity.CAMPAIGNS: (3, 5)})
    assert headline(made) == "0/1 export done, 3 running, 0 failed, 1 in 3 parts (0 done)"
    made(ExportFinished(parts[0], "p", 1.0, 300))
    made(TransferStarted(parts[0]))
    made(TransferProgressed(parts[0], 30, 5))
    assert (made.running, made.rows) == (3, 5)
    receipts = in_parts().receipt.parts
    made(PartFinished(job(), Exported(parts[0], receipts[0])))
    assert (made.running, made.rows, made.source_bytes) == (2, 5, 30)
    for part, receipt in zip(parts[1:], receipts[1:], strict=True):
        made(PartFinished(job(), Exported(part, receipt)))
    assert (made.running, made.rows) == (0, 15)
    assert headline(made) == "0/1 export done, 0 running, 0 failed, 1 in 3 parts (3 done)"
    made(JobFinished(in_parts()))
    assert headline(made) == "1/1 export done, 0 running, 0 failed"
    assert (made.running, made.done, made.rows, made.source_bytes) == (0, 1, 15, 90)


def test_a_job_in_parts_that_fails() -> None:
    """The rows of its committed parts stay counted; a part that failed runs no more, were the job not at its end."""
    parts = tuple(replace(job(), filters=filters) for filters in split(job().filters, Entity.CAMPAIGNS))
    made = board(RunStarted(1), JobSplit(job(), parts), *(ExportRequested(part, "p") for part in parts))
    made(PartFinished(job(), Exported(parts[0], in_parts().receipt.parts[0])))
    made(PartFinished(job(), failed(parts[1])))
    assert (made.running, made.slots, made.rows) == (1, {Entity.CAMPAIGNS: (1, 5)}, 5)
    made(JobFinished(failed()))
    assert (made.running, made.failed, made.rows, made.source_bytes) == (0, 1, 5, 30)


def test_a_job_that_is_taken_up() -> None:
    """An export of an earlier run has its slot like one that was asked for now."""
    made = board(RunStarted(1), ExportAdopted(job(), "e"))
    assert (made.running, made.slots) == (1, {Entity.CAMPAIGNS: (1, 5)})
    made(ExportFinished(job(), "e", 1.0, 300))
    assert (made.running, made.slots) == (0, {Entity.CAMPAIGNS: (0, 5)})


def test_an_export_that_is_given_up_and_runs_on() -> None:
    """Its job runs no more; its slot is taken until it must have ended, or is seen to have."""
    clock = FakeClock()
    made = board(RunStarted(2), clock=clock)
    for number in ("1", "2"):
        made(ExportRequested(job(number), f"e-{number}"))
        made(ExportAbandoned(job(number), f"e-{number}", 60.0))
        made(JobFinished(failed(job(number))))
    assert (made.running, made.failed) == (0, 2)
    assert slots_line(made) == "slots  campaigns 2/5, 2 of exports given up"
    made(ExportFinished(job("1"), "e-1", 100.0, None))
    assert slots_line(made) == "slots  campaigns 1/5, 1 of an export given up"
    clock.advance(60.0)
    assert slots_line(made) == "slots  campaigns 0/5"


def test_an_export_that_vanished() -> None:
    """Its slot is free; the job has one again with its next export, whatever is told of the first."""
    made = board(RunStarted(1), ExportAdopted(job(), "e-1"), ExportAbandoned(job(), "e-1", 0.0))
    assert (made.running, made.slots) == (0, {Entity.CAMPAIGNS: (0, 5)})
    made(ExportRequested(job(), "e-2"))
    made(ExportFinished(job(), "e-1", 1.0, None))
    assert (made.running, made.slots) == (1, {Entity.CAMPAIGNS: (1, 5)})


def test_an_export_that_is_taken_up_after_it_was_given_up() -> None:
    """It has one slot, not two."""
    made = board(ExportRequested(job(), "e"), ExportAbandoned(job(), "e", 60.0), ExportAdopted(job(), "e"))
    assert (made.running, made.slots) == (1, {Entity.CAMPAIGNS: (1, 5)})


def test_slots_of_a_number_to_be_found_out() -> None:
    """Only those in use are told."""
    made = board(ExportRequested(job(), "export-1"), slots=None)
    assert made.slots == {Entity.CAMPAIGNS: (1, None)}
    assert slots_line(made) == "slots  campaigns 1"


def test_a_transfer_that_starts_over() -> None:
    """What a restart threw away is not counted twice."""
    made = board(TransferStarted(job()), TransferProgressed(job(), 200, 7), TransferRestarted(job(), "cut"))
    assert (made.rows, made.source_bytes) == (0, 0)


def test_a_job_that_was_there() -> None:
    """Rows of an earlier run count as rows, not as bytes that came in."""
    made = board(RunStarted(1), JobFinished(exported(found=True)))
    assert (made.found, made.exported, made.rows, made.source_bytes) == (1, 0, 10, 0)


def test_a_job_that_failed() -> None:
    """A failure frees the slot and the bytes it had taken."""
    made = board(ExportRequested(job(), "e"), TransferProgressed(job(), 200, 7), JobFinished(failed()))
    assert (made.failed, made.running, made.rows, made.source_bytes) == (1, 0, 0, 0)


def test_slots_of_several_accounts() -> None:
    """Each account and region that asks at an endpoint brings its own slots."""
    made = board(ExportRequested(job(), "e"), ExportRequested(job(account="beta"), "f"))
    assert made.slots == {Entity.CAMPAIGNS: (2, 10)}
    assert slots_line(made) == "slots  campaigns 2/10"


def test_the_lines() -> None:
    """The lines say what is there and leave out what is zero."""
    made = board(RunStarted(2))
    assert headline(made) == "0/2 exports done, 0 running, 0 failed"
    assert volume(made, 0.0) == "0 rows, 0 B, 0 B/s, 0.0 s"
    made = board(RunStarted(2), JobFinished(exported(found=True)), JobFinished(exported(job("2"))), THROTTLED, RETRIED)
    assert headline(made) == "2/2 exports done, 0 running, 1 already there, 0 failed"
    assert volume(made, 2.0) == "20 rows, 300 B, 150 B/s, 2.0 s, 1 throttled, 1 retry"


def test_plain_lines() -> None:
    """A plain view writes a line when something has changed, and none before the run has begun."""
    stream = io.StringIO()
    view = LineView(stream)
    made = board()
    view.draw(made, 1.0)
    assert stream.getvalue() == ""
    made(RunStarted(1))
    view.draw(made, 2.0)
    view.draw(made, 3.0)
    made(JobFinished(exported()))
    view.draw(made, 4.0)
    assert stream.getvalue().splitlines() == [
        "0/1 export done, 0 running, 0 failed; 0 rows, 0 B, 0 B/s, 2.0 s",
        "1/1 export done, 0 running, 0 failed; 10 rows, 300 B, 75 B/s, 4.0 s",
    ]


def test_a_host_that_answers_nobody() -> None:
    """Either display says so, as of the last try, until the host answers again."""
    plain, live = io.StringIO(), io.StringIO()
    line, view = LineView(plain), LiveView(Console(file=live, width=120, force_terminal=True, color_system=None))
    made = board(RunStarted(1), OutageStarted("api.example", 10.0, "ConnectError", 2.0))
    line.draw(made, 10.0)
    made(OutageContinued("api.example", 24.0, "ServerError", 7.0))
    line.draw(made, 24.0)
    now = "no answer from api.example for 24.0 s, next try in 7.0 s (the server cannot answer now)"
    with view.showing():
        view.draw(made, 24.0)
        assert now in live.getvalue()
    made(OutageEnded("api.example", 41.0))
    line.draw(made, 41.0)
    first, second, last = plain.getvalue().splitlines()
    assert first.endswith("; no answer from api.example for 10.0 s, next try in 2.0 s (cannot connect)")
    assert second.endswith(f"; {now}")
    assert "api.example" not in last
    assert made.outages == ()


def test_a_log_that_went_away() -> None:
    """Progress nobody can read any more is no reason to fail."""

    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    LineView(Gone()).draw(board(RunStarted(1)), 1.0)


@pytest.mark.parametrize("width", [80, 12])
def test_a_live_display(width: int) -> None:
    """The live view draws a bar and three lines, cut to the terminal's width, and takes them away at the end."""
    stream = io.StringIO()
    view = LiveView(Console(file=stream, width=width, force_terminal=True, color_system=None))
    made = board(RunStarted(4), ExportRequested(job(), "e"), JobFinished(exported(job("2"))))
    with view.showing():
        view.draw(made, 2.0)
        drawn = stream.getvalue()
    lines = drawn.removeprefix("\x1b[?25l").splitlines()
    assert len(lines) == 4
    assert all(len(line) <= width for line in lines)
    assert ("1/4 exports done, 1 running" in drawn) == (width == 80)
    assert stream.getvalue().endswith("\x1b[2K")


def test_what_a_live_display_says_before_the_run_begins() -> None:
    """Not that nothing of nothing is done, but what is waited for; and nothing of slots as long as there are none."""
    made = board(OutageStarted("api.example", 10.0, "ConnectError", 2.0))
    assert lines(made, 12.0) == [
        "looking up the profiles, 12.0 s",
        "no answer from api.example for 10.0 s, next try in 2.0 s (cannot connect)",
    ]
    made = board(RunStarted(1))
    assert lines(made, 13.0) == ["0/1 export done, 0 running, 0 failed", "0 rows, 0 B, 0 B/s, 13.0 s"]


def test_a_live_display_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Left to itself the live view belongs to stderr, where without a terminal it stays silent."""
    view = LiveView()
    with view.showing():
        view.draw(board(RunStarted(1)), 1.0)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("tell", [say, logging.getLogger("asyncexport.test").error], ids=["notice", "log"])
def test_a_line_beside_a_live_display(tell: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said or logged while the display stands comes above it, and nothing of the display is left behind."""
    reader, writer = pty.openpty()
    with os.fdopen(writer, "w") as terminal, monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", terminal)
        view, made = LiveView(), board(RunStarted(4))
        with view.showing(), logged_on_stderr():
            view.draw(made, 1.0)
            tell("nothing new")
            view.draw(made, 2.0)
    assert on_screen(all_from(reader)) == ["nothing new"]


@contextmanager
def logged_on_stderr() -> Iterator[None]:
    handler, logger = StderrHandler(), logging.getLogger("asyncexport.test")
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.propagate = True
        logger.removeHandler(handler)


def all_from(reader: int) -> str:
    """Return what was written to a terminal that has been closed: the system says so by an error."""
    written = b""
    with os.fdopen(reader, "rb", buffering=0) as terminal, suppress(OSError):
        while piece := terminal.read(1 << 16):
            written += piece
    return written.decode()


def on_screen(written: str) -> list[str]:
    """Return the lines that a terminal shows which has got this, as far as the display makes use of one."""
    lines, row = [""], 0
    for token in re.findall(r"\x1b\[[?0-9;]*[A-Za-z]|[\r\n]|[^\x1b\r\n]+", written):
        if token == "\n":
            row += 1
            lines += [""] * (row == len(lines))
        elif token.endswith("[1A"):
            row -= 1
        elif token.endswith("[2K"):
            lines[row] = ""
        elif token[0] not in "\x1b\r":
            lines[row] += token
    return [line for line in lines if line]


class Recording:
    """A view that keeps what it was asked to draw."""

    interval = 2.0

    def __init__(self, fault: Exception | None = None) -> None:
        self.drawn: list[float] = []
        self.fault = fault

    def showing(self) -> AbstractContextManager[object]:
        return nullcontext()

    def draw(self, _board: Board, seconds: float) -> None:
        self.drawn.append(seconds)
        if self.fault is not None:
            raise self.fault


async def test_the_pace_of_drawing() -> None:
    """A view is drawn at its own interval while the block runs, and not afterwards."""
    view, clock = Recording(), FakeClock()
    async with showing(board(), view, clock):
        await clock.sleep(7.0)
    await clock.sleep(7.0)
    assert view.drawn == [2.0, 4.0, 6.0]


async def test_no_view() -> None:
    """Without a view the block just runs."""
    clock = FakeClock()
    async with showing(board(), None, clock):
        await clock.sleep(1.0)
    assert clock.now() == 1.0


async def test_a_view_that_breaks() -> None:
    """A fault of the display comes out once the work is done, and does not stop it."""
    view, clock = Recording(ValueError("torn")), FakeClock()
    worked = False
    with pytest.raises(ValueError, match="torn"):
        async with showing(board(), view, clock):
            await clock.sleep(7.0)
            worked = True
    assert worked
    assert view.drawn == [2.0]


async def test_work_that_breaks() -> None:
    """A fault of the work comes out as itself and ends the drawing."""
    view, clock = Recording(), FakeClock()
    with pytest.raises(KeyError):
        async with showing(board(), view, clock):
            raise KeyError("work")
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 1
