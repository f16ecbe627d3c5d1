"""``python -m benchmarks.runners``: how fast exports are moved, and how long the caller's loop is held meanwhile.

One large export, made on the spot, is moved many times, so many at once, from a server in a process of its own: in the
caller's loop, in one worker process and in two, and in the two workers of a Dask cluster on this machine; ``decode``
only decodes it as often, from memory. Each case runs in a process of its own; the cases take turns, and medians are
shown. The cluster is there before the clock starts, as one usually is; worker processes are started while it runs.

Beside the transfers a ticker wants to run every 2 ms; how late it comes is the *stall*. On a machine that has other
work too it is late for that as well: the case ``idle`` moves nothing, so its stalls are the machine's. *Held* is the
processor time that the caller's thread used from one tick until the next one: without the other work a tick is never
later than that. *CPU* is the processor time of the exporter, and of its workers from their start to their end, for a
gigabyte of text.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import gzip
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from asyncexport.accounts import Region
from asyncexport.adapters.clock import SystemClock
from asyncexport.adapters.http import AiohttpTransport
from asyncexport.engine.runners import InProcess, Pool, Workers, starting
from asyncexport.engine.runners.carrying import Places
from asyncexport.engine.runners.choosing import seats_for
from asyncexport.engine.transfers.border import GuardedSink
from asyncexport.engine.transfers.turns import Turns
from asyncexport.events import Event
from asyncexport.models import Entity, Job, Limits, Profile, SignedUrl, TransferOrder
from asyncexport.ports import Runner, Sink
from asyncexport.sansio.decoding.decode import Decoder
from asyncexport.sansio.pacing.backoff import Backoff
from asyncexport.sinks import JsonLines
from benchmarks.runners.counting import Counting
from benchmarks.runners.store import stored
from benchmarks.shapes import SHAPES

if TYPE_CHECKING:
    from asyncexport.engine.runners.dask.seats import Seats

_TICK = 0.002
_IDLE_SECONDS = 4.0
PLACES = {"idle": 0, "decode": 0, "loop": 0, "1 worker": 1, "2 workers": 2, "dask": 2}
_GIGABYTE = 1e9
_CHUNK = 65_536
_FILE = "export.json.gz"


class Ticker:
    """Wants to run every 2 ms: how late it came each time, and how long the thread had worked since the time before."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self.held: list[float] = []

    async def tick(self) -> None:
        """Tick until cancelled."""
        while True:
            due, worked = time.perf_counter() + _TICK, time.thread_time()
            await asyncio.sleep(_TICK)
            self.late.append(time.perf_counter() - due)
            self.held.append(time.thread_time() - worked)

    def figures(self) -> dict[str, float]:
        """Return what was measured, in milliseconds."""
        late, held = sorted(self.late), sorted(self.held)
        shares = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
        found = {name: late[int(len(late) * share)] * 1e3 for name, share in shares.items()}
        found |= {f"held {name}": held[int(len(held) * share)] * 1e3 for name, share in shares.items()}
        return {**found, "max": late[-1] * 1e3, "held max": held[-1] * 1e3}


class Mover:
    """Moves the same export again and again."""

    def __init__(self, url: str, size: int, sink: Sink, exports: int, downloads: int) -> None:
        self._url = SignedUrl(url)
        self._size = size
        self._sink = sink
        self._left = iter(range(exports))
        self._downloads = downloads

    async def move_all(self, place: str) -> tuple[float, float]:
        """Move all exports; return for how long, without the opening, and the peak memory of the largest worker in MiB.

        The memory is 0 without a worker.
        """
        async with AiohttpTransport() as transport, AsyncExitStack() as stack:
            runner: Runner = self._here(transport)
            places = self._places(place)
            if places is not None:
                stack.push_async_callback(places.aclose)
                await places.open()
                runner = Workers(
                    places, runner, guard=_guard, listener=_nobody, renew=_renew, store_is_busy=lambda: None
                )
            began = time.perf_counter()
            await asyncio.gather(*(self._move_some(runner) for _ in range(self._downloads)))
            return time.perf_counter() - began, max(map(_peak, await _pids(places)), default=0.0)

    def _places(self, place: str) -> Places | None:
        if place != "dask":
            return Pool(PLACES[place], starting(**_POLICY)) if PLACES[place] else None
        limits = Limits(downloads=self._downloads)
        return seats_for(None, None, Backoff(), limits, workers=PLACES[place], environment=None, listener=_nobody)

    async def _move_some(self, runner: Runner) -> None:
        for number in self._left:
            job = Job(Profile("bench", Region.EU, str(number)), Entity.CAMPAIGNS, snapshot="s")
            await runner.run(TransferOrder(job, f"export-{number}", self._url, self._size), self._sink)

    def _here(self, transport: AiohttpTransport) -> InProcess:
        clock = SystemClock()
        return InProcess(
            transport=transport,
            clock=clock,
            spread=random.random,
            listener=_nobody,
            guard=_guard,
            renew=_renew,
            store_is_busy=lambda: None,
            turns=Turns(clock),
        )


_POLICY: dict[str, Any] = {"ca_file": None, "backoff": Backoff(), "sink_timeout": 600.0}


def _nobody(event: Event) -> None:
    """Listen to nothing."""


_guard = partial(GuardedSink, clock=SystemClock(), seconds=600.0, listener=_nobody)


async def _pids(places: Places | None) -> list[int]:
    """Return the ids of the processes that transfers were in."""
    if isinstance(places, Pool):
        return places.pids
    return [] if places is None else list((await cast("Seats", places).cluster.asked(os.getpid)).values())


async def _renew(_: TransferOrder) -> SignedUrl:
    raise RuntimeError("nothing expires here")


async def _case(order: dict[str, Any]) -> dict[str, float]:
    ticker = Ticker()
    ticking = asyncio.create_task(ticker.tick())
    gc.freeze()
    seconds, largest, began, worked = 0.0, 0.0, time.perf_counter(), time.process_time()
    if order["place"] == "idle":
        await asyncio.sleep(_IDLE_SECONDS)
    elif order["place"] == "decode":
        await _decode_all(await asyncio.to_thread(Path(order["path"]).read_bytes), order["exports"])
    else:
        sink: Sink = JsonLines(order["out"]) if order["out"] else Counting()
        mover = Mover(order["url"], order["size"], sink, order["exports"], order["downloads"])
        seconds, largest = await mover.move_all(order["place"])
    wall, own = time.perf_counter() - began, time.process_time() - worked
    ticking.cancel()
    theirs = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "wall": seconds or wall,
        "own": own,
        "theirs": theirs.ru_utime + theirs.ru_stime,
        "rss": _peak(),
        "worker rss": largest,
        **ticker.figures(),
    }


def _peak(pid: int | str = "self") -> float:
    """Return a process's peak memory in MiB; the kernel's other figure counts that of whoever started it too."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


async def _decode_all(data: bytes, times: int) -> None:
    """Decode the export so many times, a turn of its text at a time."""
    for _ in range(times):
        decoder = Decoder()
        for at in range(0, len(data), _CHUNK):
            for batch in decoder.feed(data[at : at + _CHUNK]):
                len(batch.text)
            await asyncio.sleep(0)
        decoder.close()


def _in_a_process(**order: object) -> dict[str, float]:
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.runners", "--case", json.dumps(order)], stdout=subprocess.PIPE, check=True
    )
    found: dict[str, float] = json.loads(ended.stdout)
    return found


def _export(path: Path, megabytes: int, times: int) -> tuple[int, int]:
    """Write an export, its rows so many times over; return the sizes of its text and of the file."""
    rows = "".join(SHAPES["campaigns"](megabytes * 10**6)).encode()[1:-1]
    first, more, last = (gzip.compress(text, 6, mtime=0) for text in (b"[" + rows, b"," + rows, b"]"))
    with path.open("wb") as file:
        for member in (first, *[more] * (times - 1), last):
            file.write(member)
    return (len(rows) + 1) * times + 1, path.stat().st_size


def _table(options: argparse.Namespace, folder: Path) -> Iterator[str]:
    path = folder / _FILE
    text, size = _export(path, options.megabytes, options.times)
    yield f"{options.exports} times {text / 1e6:.0f} MB of campaigns ({size / 1e6:.1f} MB gzip); load {_load()}"
    yield ""
    yield (
        "| sink | downloads | place | MB/s | CPU s/GB (own + workers) | stall p50 / p99 / p99.9 / max, ms "
        "| held p50 / p99 / p99.9 / max, ms | MiB |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    with stored(path) as url:
        for sink in options.sinks:
            for downloads in options.downloads:
                yield from _rows(options, folder, sink, downloads, url=url, size=size, text=text)
    yield ""
    yield f"load at the end {_load()}"


def _rows(
    options: argparse.Namespace, folder: Path, sink: str, downloads: int, *, url: str, size: int, text: int
) -> Iterator[str]:
    found: dict[str, list[dict[str, float]]] = {place: [] for place in options.places}
    for _ in range(options.repeats):
        for place in options.places:
            with tempfile.TemporaryDirectory(dir=folder) as out:
                order = {"url": url, "size": size, "exports": options.exports, "downloads": downloads}
                order["path"] = str(folder / _FILE)
                measured = _in_a_process(place=place, out=out if sink == "jsonl" else "", **order)
            found[place].append(measured)
    moved = text * options.exports
    for place, cases in found.items():
        shown = {name: statistics.median(case[name] for case in cases) for name in cases[0]}
        stalls, held = (
            " / ".join(f"{shown[kind + name]:.1f}" for name in ("p50", "p99", "p99.9", "max")) for kind in ("", "held ")
        )
        speed, used = "-", "-"
        if place != "idle":
            speed = f"{moved / shown['wall'] / 1e6:.0f}"
            used = f"{shown['own'] / moved * _GIGABYTE:.2f} + {shown['theirs'] / moved * _GIGABYTE:.2f}"
        memory = f"{shown['rss']:.0f}" + (f" + {shown['worker rss']:.0f} each" if PLACES[place] else "")
        yield f"| {sink} | {downloads} | {place} | {speed} | {used} | {stalls} | {held} | {memory} |"


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


def main() -> None:
    """Print the table, or run one case."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.runners", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=50, help="text of the export")
    parser.add_argument("--times", type=int, default=1, help="how often the rows stand in the export")
    parser.add_argument("--exports", type=int, default=64, help="how often it is moved")
    parser.add_argument("--downloads", type=int, nargs="+", default=[16, 64], help="how many at once")
    parser.add_argument("--sinks", nargs="+", choices=("null", "jsonl"), default=["null", "jsonl"])
    parser.add_argument("--places", nargs="+", choices=PLACES, default=list(PLACES))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--case", type=json.loads, help="run this case alone and print its figures")
    options = parser.parse_args()
    if options.case:
        print(json.dumps(asyncio.run(_case(options.case))))
        return
    with tempfile.TemporaryDirectory() as folder:
        for line in _table(options, Path(folder)):
            print(line, flush=True)


if __name__ == "__main__":
    main()
