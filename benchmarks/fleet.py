"""A fleet: every export of many profiles over real sockets into JSON Lines, checked row for row.

    python -m benchmarks.fleet --profiles 200

The emulator runs in a process of its own and keeps the in-progress cap; this process is the client, so its peak memory
is the library's. Beside the client's figures stand the server's own counters. Wall time is compared with its floor: an
endpoint cannot be done before the sum of its generation times divided by its slots.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from asyncexport import Exported, Exporter, Failed, Limits, Summary, plan
from asyncexport.sinks import JsonLines
from benchmarks.served import Served, served

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


@dataclass
class Result:
    """What a run over the fleet gave."""

    summary: Summary
    seconds: float
    cpu_seconds: float
    peak_mib: float
    receipts: list[Exported]
    digests: dict[str, str]
    failures: Counter[str] = field(default_factory=Counter)

    def identical(self, truth: dict[str, str]) -> int:
        """Count the exports whose stored rows are the server's, byte for byte."""
        return sum(truth[name] == digest for name, digest in self.digests.items())


async def pull(server: Served, folder: Path, limits: Limits) -> Result:
    """Pull everything the server has into ``folder``."""
    began, busy = time.perf_counter(), time.process_time()
    async with Exporter(server.accounts, state_dir=folder / "state", limits=limits) as exporter:
        jobs = plan(await exporter.profiles(), snapshot="bench")
        async with exporter.run(jobs, sink=JsonLines(folder / "exports")) as running:
            outcomes = [outcome async for outcome in running]
        summary = exporter.summary
    return Result(
        summary,
        seconds=time.perf_counter() - began,
        cpu_seconds=time.process_time() - busy,
        peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        receipts=[outcome for outcome in outcomes if isinstance(outcome, Exported)],
        digests={_name(outcome): _digest(outcome) for outcome in outcomes if isinstance(outcome, Exported)},
        failures=Counter(type(outcome.error).__name__ for outcome in outcomes if isinstance(outcome, Failed)),
    )


def _name(exported: Exported) -> str:
    return f"{exported.job.profile.profile_id}/{exported.job.entity.value}"


def _digest(exported: Exported) -> str:
    """Read a committed file again, with another reader than ours, and hash its rows."""
    digest = hashlib.sha256()
    with zstd.open(exported.receipt.location, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def report(result: Result, server: Served, slots: int) -> str:
    """Return the figures as a Markdown table."""
    counters, summary = server.counters, result.summary
    stored = sum(exported.receipt.bytes for exported in result.receipts)
    floor = counters["longest_endpoint_seconds"] / slots
    rows: Sequence[tuple[str, str]] = [
        ("exports committed / failed", f"{summary.exported:,} / {summary.failed:,} {dict(result.failures) or ''}"),
        ("rows", f"{summary.rows:,}"),
        ("exports whose rows are the server's, by SHA-256", f"{result.identical(counters['digests']):,}"),
        ("downloaded / stored", f"{counters['bytes_served'] / 1e6:,.1f} MB / {stored / 1e6:,.1f} MB"),
        ("wall", f"{result.seconds:.1f} s"),
        ("floor: generation / slots of the longest endpoint", f"{floor:.1f} s"),
        ("client CPU", f"{result.cpu_seconds:.1f} s ({1000 * result.cpu_seconds / summary.exported:.1f} ms an export)"),
        ("client peak memory", f"{result.peak_mib:.0f} MiB"),
        ("API and token requests (client / server)", f"{summary.requests:,} / {_api_requests(counters):,}"),
        ("looks per export", f"{counters['requests'].get('exports', 0) / counters['exports']:.2f}"),
        ("token requests", f"{counters['requests']['token']} for {len(server.raw_accounts)} grants"),
        (
            "429s by the cap / by rate",
            f"{counters['throttled'].get('cap', 0)} / {counters['throttled'].get('rate', 0)}",
        ),
        ("429s seen by the client, weather included", f"{summary.throttled}"),
        ("peak in progress per client and endpoint", f"{counters['peak_in_progress']} of {slots}"),
    ]
    return "\n".join(["| figure | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _api_requests(counters: dict[str, dict[str, int]]) -> int:
    return sum(count for endpoint, count in counters["requests"].items() if endpoint != "store")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profiles", type=int, default=200)
    parser.add_argument("--accounts", type=int, default=2)
    parser.add_argument("--rows", type=int, default=500_000, help="rows of all exports together")
    parser.add_argument("--median", type=float, default=0.5, help="seconds an export takes (log-normal, sigma 1)")
    parser.add_argument("--slots", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--weather", default="", help="a plan of faults, in the emulator's words")
    chosen = parser.parse_args()
    settings = {name: value for name, value in vars(chosen).items() if name != "slots"}
    with tempfile.TemporaryDirectory() as folder:
        with served(cap=chosen.slots, **settings) as server:
            result = asyncio.run(pull(server, Path(folder), Limits(in_progress=chosen.slots)))
        print(report(result, server, chosen.slots))


if __name__ == "__main__":
    main()
