"""The experiments: what is compared with what, on how much.

Each takes the running server and a size, and returns a :class:`~benchmarks.harness.findings.Finding`. A new experiment
is a function here and a line in :data:`EXPERIMENTS`.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.harness.findings import Finding
from benchmarks.harness.measure import ROOT, Usage, python
from benchmarks.harness.rounds import Case, Rows, compare
from benchmarks.harness.server import Server
from benchmarks.programs import MORNING, OURS_TO_LINES, PLACES, SINKS, SMALL, WAYS, Program, ours


@dataclass(frozen=True)
class Size:
    """How much is done.

    ``export`` and ``memory`` are bytes of text, ``stalled`` numbers of downloads at once, ``profiles`` those of the
    small exports, four each; ``large`` are bytes and number of the exports that are moved in one place or another;
    ``morning`` are the books of the server of the same name.
    """

    export: int
    memory: tuple[int, ...]
    stalled: tuple[int, ...]
    profiles: int
    large: tuple[int, int]
    repeats: int
    morning: Mapping[str, Any] = field(default_factory=dict)


QUICK = Size(
    export=20 * 10**6,
    memory=(10**6, 10**8),
    stalled=(16,),
    profiles=100,
    large=(10**7, 8),
    repeats=1,
    morning={"profiles": 2, "rows": 2_000, "median": 0.3, "sigma": 0.5},
)
WHOLE = Size(
    export=200 * 10**6,
    memory=(10**6, 10**8, 10**9, 4 * 10**9),
    stalled=(16, 64),
    profiles=2_500,
    large=(5 * 10**7, 64),
    repeats=3,
    morning={"profiles": 10, "rows": 60_000, "median": 3.0},
)


def sinks(server: Server, size: Size) -> Finding:
    """One export into each sink, beside decoding it for nobody."""
    with _export(size.export) as (file, made):
        server.begin(file=str(file))
        return _compared(
            Finding("sinks", "One export into each sink", [], base=SINKS[0].name, text_bytes=made["text_bytes"]),
            _cases(SINKS, server.url()),
            Rows.told(made),
            size.repeats,
        )


def ways(server: Server, size: Size) -> Finding:
    """One export to JSON Lines: ours and what else there is; and what each takes for an export of next to nothing."""
    finding = Finding(
        "ways",
        "One export to JSON Lines",
        [],
        base=OURS_TO_LINES.name,
        said=("stall p99",),
        plotted=("wall, s", "CPU, s", "peak MiB"),
        note="From the signed URL to a file of lines; whole processes, start-up included.",
    )
    with _export(1) as (file, made):
        server.begin(file=str(file))
        idle = compare(list(_cases(WAYS, server.url())), Rows.told(made), 1, _note)
    with _export(size.export) as (file, made):
        server.begin(file=str(file))
        finding.text_bytes = made["text_bytes"]
        finding = _compared(finding, _cases(WAYS, server.url()), Rows.told(made), size.repeats)
    for result, start in zip(finding.results, idle, strict=True):
        result.idle = start.usages[0].cpu if start.is_good else None
    return finding


def memory(server: Server, size: Size) -> Finding:
    """Exports of growing size: memory must not grow with them."""
    finding = Finding(
        "memory",
        "Memory against size",
        [],
        plotted=("peak MiB",),
        note="Into nothing, and into JSON Lines with zstd.",
    )
    block = 10**6
    for export in size.memory:
        server.begin(repeat=("campaigns", block, export // block))
        url = server.url()
        truth = Rows(_rows_of(block) * (export // block), "")
        programs = (
            ours(f"{export / 1e6:,.0f} MB, no sink", "null", "count"),
            ours(f"{export / 1e6:,.0f} MB, zstd", "jsonl-zstd", "count"),
        )
        finding = _compared(finding, _cases(programs, url), truth, 1)
    return finding


def stall(server: Server, size: Size) -> Finding:
    """Many downloads in one loop: how long is it held."""
    finding = Finding(
        "stall",
        "How long the loop is held",
        [],
        said=("stall p50", "stall p99", "stall p99.9", "stall max"),
        plotted=("stall p99", "stall p99.9"),
        note="Lateness of a 2 ms ticker in the loop that all downloads run in, in milliseconds.",
    )
    with _export(size.export // 10) as (file, made):
        server.begin(file=str(file))
        url = server.url()
        for times in size.stalled:
            programs = (
                ours(f"{times} downloads, no sink", "null", "count", times=times),
                ours(f"{times} downloads, zstd", "jsonl-zstd", "count", times=times),
            )
            truth = Rows(made["rows"] * times, "")
            finding = _compared(finding, _cases(programs, url), truth, size.repeats)
    return finding


def places(server: Server, size: Size) -> Finding:
    """Many large exports, moved in the loop, by one process, by two, and by a Dask cluster of two."""
    export, count = size.large
    with _export(export) as (file, made):
        finding = Finding(
            "places",
            f"{count} exports of {export / 1e6:,.0f} MB, moved in one place or another",
            [],
            base=PLACES[0].name,
            said=("MB/s", "stall p99", "stall p99.9"),
            plotted=("MB/s", "stall p99"),
            note="A whole exporter, 16 downloads at once, into nothing; stalls of its loop in milliseconds.",
        )
        books = {"file": str(file), "profiles": count, "rows": count, "cap": None}
        told = {"text_bytes": made["text_bytes"]}
        cases = (_booked(each, server, books, **told) for each in PLACES)
        return _compared(finding, cases, Rows.told(made).times(count), size.repeats)


def small(server: Server, size: Size) -> Finding:
    """Thousands of exports of one row: what the client takes for each."""
    finding = Finding(
        "small",
        f"{4 * size.profiles:,} exports of one row",
        [],
        base=SMALL[0].name,
        said=("ms an export", "stall p99", "looks", "429s"),
        plotted=("ms an export", "looks", "peak MiB"),
        note="Processor time of the client per export, start-up aside.",
    )
    with _export(1) as (file, made):
        books = {"file": str(file), "profiles": size.profiles, "rows": size.profiles, "cap": None}
        rows = Rows.told(made).times(4 * size.profiles)
        return _compared(finding, (_booked(each, server, books) for each in SMALL), rows, size.repeats)


def morning(server: Server, size: Size) -> Finding:
    """Every export of some profiles, by those who ask for it themselves; the server keeps the real limits."""
    books = {"warm": True, "cap": 5, "rate": 10.0, **size.morning}
    server.begin(**{**books, "warm": False})
    finding = Finding(
        "morning",
        f"Every export of {size.morning['profiles']} profiles",
        [],
        base=MORNING[0].name,
        said=("tokens", "asked", "looks", "429s", "most in progress", "longest endpoint, s", "stall p99"),
        plotted=("wall, s", "CPU, s", "looks", "429s", "peak MiB"),
        note="No endpoint can be done before a fifth of the longest endpoint's seconds. Counters are the server's own.",
    )
    truth = Rows.told(server.truth())
    return _compared(finding, (_booked(each, server, books) for each in MORNING), truth, min(size.repeats, 2))


EXPERIMENTS: dict[str, Callable[[Server, Size], Finding]] = {
    "ways": ways,
    "sinks": sinks,
    "memory": memory,
    "stall": stall,
    "places": places,
    "small": small,
    "morning": morning,
}
"""By name, in the order in which they are done."""


def _cases(programs: Iterable[Program], url: str) -> Iterator[Case]:
    return (program.case({"url": url}) for program in programs)


def _booked(program: Program, server: Server, books: Mapping[str, Any], **told: object) -> Case:
    """Return the case of a program that asks for exports itself: new books each time, and what stands in them after."""

    def work() -> tuple[Usage, Rows]:
        usage, rows = program.done({**server.begin(**books), **told})
        return replace(usage, said={**usage.said, **server.count()}), rows

    return Case(program.name, work, program.missing(), program.proof)


def _compared(finding: Finding, cases: Iterable[Case], truth: Rows, repeats: int) -> Finding:
    finding.results = [*finding.results, *compare(list(cases), truth, repeats, _note)]
    finding.load = os.getloadavg()[0]
    return finding


def _note(text: str) -> None:
    print("  " + text.splitlines()[-1], flush=True)


@contextmanager
def _export(size: int) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Make an export of campaigns, in a process of its own, which may become large."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        file = Path(folder) / "export.json.gz"
        command = [*python("benchmarks.harness.exports"), "campaigns", str(size), str(file)]
        yield file, json.loads(subprocess.run(command, check=True, capture_output=True, cwd=ROOT).stdout)


def _rows_of(size: int) -> int:
    with _export(size) as (_, made):
        return int(made["rows"])
