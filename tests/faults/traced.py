"""Runs of the command line whose Nth file operation kills them or fails, and what they must leave behind.

The points of a run are its system calls out of ``CHANGING``, read from a trace of an undisturbed one; opening a file
only to read it is none. Then ``strace`` attaches to a fork of :mod:`tests.faults.warm_process` and tampers with one of
them. A kill comes before the call takes effect, so killing at every point shows every state between two of them.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from asyncexport.adapters import journal
from asyncexport.emulator.exports import ExportRecord
from asyncexport.emulator.server import EmulatorServer
from asyncexport.errors import AsyncexportError
from asyncexport.sinks.records import parse_record
from tests.test_end_to_end import Desk

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CHANGING: Final = (
    "?open,openat,?openat2,?creat,?mkdir,mkdirat,?rename,?renameat,renameat2,?unlink,unlinkat,?link,linkat,"
    "?symlink,symlinkat,write,writev,pwrite64,pwritev,?pwritev2,ftruncate,fallocate,fsync,fdatasync,"
    "?chmod,fchmod,fchmodat"
)
KILLED: Final = -signal.SIGKILL
STORAGE: Final = 74
LINE_LIMIT: Final = 1 << 24


Key = tuple[str, str]
"""A job of a night: profile id and entity."""


@dataclass(frozen=True)
class Ended:
    """How a run ended: ``status`` is its exit status or minus the signal; what it said, if it lived to say it."""

    status: int
    out: str = ""
    err: str = ""

    @property
    def events(self) -> list[dict[str, Any]]:
        """The JSON objects of its standard output."""
        return [json.loads(line) for line in self.out.splitlines()]


class WarmProcess:
    """A running :mod:`tests.faults.warm_process`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._running: int | None = None

    async def run(
        self, folder: Path, *argv: str, tamper: Sequence[str] | None = None, file_limit: int | None = None
    ) -> Ended:
        """Run the command in ``folder``, under ``strace`` with the options ``tamper`` if there are any."""
        pid = await self.start(folder, *argv, held=tamper is not None, threads=False, file_limit=file_limit)
        if tamper is None:
            return await self.end()
        tracer = await attach(pid, tamper)
        os.kill(pid, signal.SIGCONT)
        ended = await self.end()
        await tracer.wait()
        return ended

    async def start(self, folder: Path, *argv: str, **how: object) -> int:
        """Fork a run and return its process id; ``how`` is the rest of the wish."""
        wish = {"argv": argv, "cwd": str(folder), "held": False, "threads": True, "file_limit": None, **how}
        self._writer.write(json.dumps(wish).encode() + b"\n")
        pid: int = (await self._answer())["pid"]
        self._running = pid
        return pid

    async def end(self) -> Ended:
        """Wait until the run has ended."""
        said: dict[str, Any] = {}
        while "ended" not in (answer := await self._answer()):
            said = answer
        self._running = None
        return Ended(answer["ended"], said.get("out", ""), said.get("err", ""))

    def stop(self) -> None:
        """End the run that is under way, if there is one: a test that fails leaves it behind."""
        if self._running is not None:
            with suppress(ProcessLookupError):
                os.kill(self._running, signal.SIGKILL)

    async def _answer(self) -> dict[str, Any]:
        line = await self._reader.readline()
        assert line, "the warm process is gone"
        answer: dict[str, Any] = json.loads(line)
        return answer


@asynccontextmanager
async def warm_process() -> AsyncIterator[WarmProcess]:
    """Start a warm process for the length of the block."""
    ours, theirs = socket.socketpair()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.warm_process", str(theirs.fileno())),
        pass_fds=[theirs.fileno()],
        env={"PATH": "/usr/bin:/bin"},
    )
    theirs.close()
    reader, writer = await asyncio.open_connection(sock=ours, limit=LINE_LIMIT)
    warm = WarmProcess(reader, writer)
    try:
        yield warm
    finally:
        warm.stop()
        writer.close()
        await writer.wait_closed()
        await process.wait()


async def attach(pid: int, options: Sequence[str]) -> asyncio.subprocess.Process:
    """Attach ``strace`` to a stopped process; returns once it has."""
    tracer = await asyncio.create_subprocess_exec(
        *("strace", "-o", os.devnull, "-p", str(pid), *options), stderr=asyncio.subprocess.PIPE
    )
    assert tracer.stderr is not None
    said = (await tracer.stderr.readline()).decode()
    assert "attached" in said, f"strace could not attach: {said or 'it said nothing'}"
    return tracer


@dataclass(frozen=True)
class Point:
    """One system call of a run: the ``nth`` one of its name, from 1. ``line`` is how it looked undisturbed."""

    call: str
    nth: int
    line: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.call} {self.nth}: {self.line}"

    @property
    def kill(self) -> list[str]:
        """Options that end the process right before this call takes effect."""
        return self._inject("signal=SIGKILL")

    def fail(self, error: str) -> list[str]:
        """Options that let this call fail."""
        return self._inject(f"error={error}")

    def _inject(self, what: str) -> list[str]:
        return ["-e", f"trace={self.call}", "-e", f"inject={self.call}:{what}:when={self.nth}"]


async def points_of(night: Night, *more: str) -> list[Point]:
    """Run a night once more, with nothing in its way, and return its points in their order."""
    trace = night.desk.folder.with_suffix(".trace")
    ended = await night.run(
        *more, tamper=["-e", f"trace={CHANGING}", "-e", "signal=none", "-s", "16", "-o", str(trace)]
    )
    assert ended.status == 0, ended.err
    seen: Counter[str] = Counter()
    points = []
    for line in trace.read_text("utf-8", "replace").splitlines():
        call = line.partition("(")[0]
        if not call.isidentifier():
            continue
        seen[call] += 1
        if not call.startswith("open") or "O_CREAT" in line:
            points.append(Point(call, seen[call], line.partition(" = ")[0].strip()))
    return points


class Books:
    """What the server's own counters do not tell: downloads by job, and the moment of a certain request."""

    def __init__(self, server: EmulatorServer) -> None:
        self.fetched: Counter[Key] = Counter()
        self.requests = Tripwire(server.state.counters.requests)
        self.rough = bool(server.state.weather.unmet())
        server.state.counters.requests = self.requests
        self._find = server.state._signed_for
        vars(server.state)["_signed_for"] = self._signed_for

    def _signed_for(self, *request: Any) -> ExportRecord:
        record = self._find(*request)
        self.fetched[record.key.profile_id, record.key.entity.value] += 1
        return record


class Tripwire(Counter[str]):
    """Counts requests, and springs at one of them."""

    def arm(self, after: int, spring: Callable[[], object]) -> None:
        """Call ``spring`` at the request that comes ``after`` so many more."""
        self._left, self._spring = after, spring

    def disarm(self) -> None:
        """Spring no more."""
        self._left = 0

    _left = 0

    def __setitem__(self, endpoint: str, times: int) -> None:
        super().__setitem__(endpoint, times)
        self._left -= 1
        if self._left == 0:
            self._spring()


@dataclass
class Scene:
    """A warm process, an emulator, and what one of its nights must end in: rows by (profile id, entity)."""

    warm: WarmProcess
    server: EmulatorServer
    root: Path
    entities: tuple[str, ...]
    books: Books
    wanted: dict[Key, bytes] = field(default_factory=dict)

    @property
    def argv(self) -> list[str]:
        """The command."""
        return [
            "run",
            "--json",
            "--snapshot",
            "night",
            *(word for name in self.entities for word in ("--entity", name)),
        ]

    def night(self, name: object) -> Night:
        """Prepare a new folder."""
        folder = self.root / str(name)
        folder.mkdir(exist_ok=True)
        desk = Desk(self.server, folder)
        if not self.wanted:
            self.wanted.update((key, text) for key, text in desk.truth().items() if key[1] in self.entities)
        return Night(self.warm, desk, tuple(self.argv), self.wanted, self.books)


@asynccontextmanager
async def scene(server: EmulatorServer, root: Path, *entities: str) -> AsyncIterator[Scene]:
    """Set the scene for nights of these entities; the emulator has made their objects."""
    async with warm_process() as warm:
        found = Scene(warm, server, root, entities, Books(server))
        await found.night("warming").run()
        yield found


@dataclass
class Night:
    """One folder with one label, run until everything is there; ``findings`` is what was not as promised."""

    warm: WarmProcess
    desk: Desk
    argv: tuple[str, ...]
    wanted: dict[Key, bytes]
    books: Books
    findings: list[str] = field(default_factory=list)

    async def run(self, *more: str, tamper: Sequence[str] | None = None, file_limit: int | None = None) -> Ended:
        """Run once, with ``more`` arguments."""
        return await self.warm.run(self.desk.folder, *self.argv, *more, tamper=tamper, file_limit=file_limit)

    async def resume(self) -> None:
        """Run again, undisturbed: completes, asks for nothing that was noted, fetches nothing that was committed."""
        noted, stored = self.noted(), self.look()
        asked, fetched = self.asked(), Counter(self.books.fetched)
        ended = await self.run()
        if ended.status != 0:
            self.findings.append(f"the next run ended with {ended.status}: {ended.err}")
        for key, times in (self.asked() - asked).items():
            if times > 1 or key in noted or key in stored:
                self.findings.append(f"{key} was asked for {times} times more, noted before: {key in noted}")
        for key, times in (self.books.fetched - fetched).items():
            if key in stored or (times > 1 and not self.books.rough):
                self.findings.append(f"{key} was downloaded {times} times more, stored before: {key in stored}")
        self.end()

    def end(self) -> None:
        """Hold that everything is there, once, with the server's rows, and nothing else is."""
        if self.look() != self.wanted:
            self.findings.append("the rows are not the server's")
        if left := self.parts():
            self.findings.append(f"left behind: {left}")
        if {row["state"] for row in journal.read(self.desk.folder / "state")} != {"committed"}:
            self.findings.append("the journal does not say that all is committed")

    def look(self) -> dict[Key, bytes]:
        """Return what is committed; every file under a final name must be whole, whatever has happened before."""
        found = {}
        for path in (self.desk.folder / "exports").rglob("*"):
            if path.is_file() and path.suffix != ".part":
                try:
                    found.update(self._read(path))
                except (ValueError, KeyError, AssertionError, zstd.ZstdError) as error:
                    self.findings.append(f"{path.name} is not whole: {error}")
        return found

    def _read(self, path: Path) -> dict[Key, bytes]:
        if path.name.endswith(".receipt.json"):
            assert parse_record(path.read_bytes()) is not None, "no record"
        elif path.parent.name == "_runs":
            json.loads(path.read_bytes())["format"]
        else:
            key = (path.parent.name.partition("=")[2], path.parts[-4].partition("=")[2])
            text = zstd.decompress(path.read_bytes())
            assert text == self.wanted[key], "other rows"
            return {key: text}
        return {}

    def parts(self) -> list[str]:
        """Return the ``.part`` files there are."""
        return [str(path.relative_to(self.desk.folder)) for path in self.desk.folder.rglob("*.part")]

    def noted(self) -> set[Key]:
        """Return the jobs whose export is known to the journal, read from a copy, since reading mends it."""
        state, copy = self.desk.folder / "state", self.desk.folder / "copy"
        if not state.exists():
            return set()
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(state, copy)
        try:
            rows = journal.read(copy)
        except AsyncexportError as error:
            self.findings.append(f"the journal cannot be read: {error}")
            return set()
        return {(row["profile_id"], row["entity"]) for row in rows if row["export_id"]}

    def asked(self) -> Counter[Key]:
        """Count the exports that the server was asked for, by job."""
        records = self.desk.server.state.journal.values()
        return Counter((record.key.profile_id, record.key.entity.value) for record in records)
