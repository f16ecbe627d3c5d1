"""Kill -9 in the middle of a large run, and the same command again: what the second run costs, and what was done twice.

    python -m benchmarks.resume --profiles 1000

The command runs as a process against the emulator, is killed when the journal knows a part of its jobs as committed,
and is started again. Exports asked for twice are counted by the server's books; bytes downloaded twice are what the
server sent beyond the sizes of the objects, each once; rows are compared with the server's by SHA-256.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asyncexport.adapters.journal import LabelCount, tally
from asyncexport.app.commands.emulate import configuration
from benchmarks.served import Served, served

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMMAND = (sys.executable, "-m", "asyncexport", "run", "--json", "-q", "--snapshot", "night")


@dataclass
class Night:
    """The two runs: how long they took, and what the journal knew between them."""

    first_seconds: float
    second_seconds: float
    status_seconds: float
    between: LabelCount
    summary: dict[str, Any]
    manifest: dict[str, Any]


def killed_and_resumed(folder: Path, server: Served, jobs: float) -> Night:
    """Run, kill when so many ``jobs`` are committed, and run again."""
    config = folder / "asyncexport.toml"
    config.touch(mode=0o600)
    config.write_text(configuration(server.accounts))
    began = time.perf_counter()
    with subprocess.Popen(COMMAND, cwd=folder, stdout=subprocess.DEVNULL) as process:
        while (counts := known(folder)) is None or counts.committed < jobs:
            if process.poll() is not None:
                raise SystemExit("the run ended before it could be killed; choose a smaller --part")
            time.sleep(0.1)
        process.kill()
    killed = time.perf_counter()
    subprocess.run((*COMMAND[:3], "status"), cwd=folder, stdout=subprocess.DEVNULL, check=False)
    between, again = known(folder), time.perf_counter()
    ended = subprocess.run(COMMAND, cwd=folder, stdout=subprocess.PIPE, check=True)
    over = time.perf_counter()
    if between is None:
        raise SystemExit("the journal is gone")
    manifest = json.loads(max((folder / "exports" / "_runs").iterdir()).read_bytes())
    summary = json.loads(ended.stdout.splitlines()[-1])
    return Night(killed - began, over - again, again - killed, between, summary, manifest)


def known(folder: Path) -> LabelCount | None:
    """Return what the journal knows of the night."""
    return next(iter(tally(folder / "state", kept_since=0.0)), None)


def identical(manifest: dict[str, Any], folder: Path, digests: dict[str, str]) -> int:
    """Count the files whose rows are the server's, read by another reader than ours."""
    return sum(
        _digest(folder / job["path"]) == digests[f"{job['profile_id']}/{job['entity']}"] for job in manifest["jobs"]
    )


def _digest(path: Path) -> str:
    with zstd.open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def report(night: Night, server: Served, folder: Path) -> str:
    """Return the figures as a Markdown table."""
    jobs, counters, between = night.manifest["jobs"], server.counters, night.between
    size = sum(job["source_bytes"] for job in jobs)
    twice = counters["bytes_served"] - size
    adopted = sum(job.get("adopted", False) for job in jobs)
    rows = [
        ("first run, until kill -9", f"{night.first_seconds:.1f} s"),
        (
            "committed / under way / POST not answered",
            f"{between.committed:,} / {between.requested} / {between.intended}",
        ),
        ("`status` in between", f"{night.status_seconds:.1f} s"),
        ("second run", f"{night.second_seconds:.1f} s"),
        ("found / taken up / asked for", f"{night.summary['skipped']:,} / {adopted} / {_asked(night, adopted):,}"),
        ("exports asked for twice, by the server's books", f"{counters['exports'] - len(jobs)} of {len(jobs):,}"),
        ("bytes downloaded twice", f"{twice / 1e6:.2f} MB of {size / 1e6:.1f} MB"),
        (
            "files whose rows are the server's, by SHA-256",
            f"{identical(night.manifest, folder, counters['digests']):,}",
        ),
        ("partial files left", str(len(list((folder / "exports").rglob("*.part"))))),
    ]
    return "\n".join(["| figure | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _asked(night: Night, adopted: int) -> int:
    return int(night.summary["exported"]) - adopted


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profiles", type=int, default=1000)
    parser.add_argument("--accounts", type=int, default=2)
    parser.add_argument("--rows", type=int, default=500_000, help="rows of all exports together")
    parser.add_argument("--median", type=float, default=0.5, help="seconds an export takes (log-normal, sigma 1)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--part", type=float, default=0.5, help="how much is committed when the run is killed")
    chosen = parser.parse_args()
    settings = {name: value for name, value in vars(chosen).items() if name != "part"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with served(**settings) as server:
            night = killed_and_resumed(folder, server, chosen.part * 4 * chosen.profiles)
        print(report(night, server, folder))


if __name__ == "__main__":
    main()
