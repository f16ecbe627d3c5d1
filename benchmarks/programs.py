"""The programs that are compared: where each runs, what it needs, and how its rows are counted."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import environments
from benchmarks.harness.measure import ROOT, CaseFailed, Usage, python, run
from benchmarks.harness.rounds import Case, Proof, Rows

_ROWS = ("*.jsonl", "*.jsonl.gz", "*.jsonl.zst", "*.parquet", "*.duckdb", "*.json")


@dataclass(frozen=True)
class Program:
    """A module to be run. ``environment`` "" is ours; ``work`` goes with what every program is told."""

    name: str
    module: str
    environment: str = ""
    tools: tuple[str, ...] = ()
    proof: Proof = "values"
    work: Mapping[str, object] = field(default_factory=dict)

    def missing(self) -> str:
        """Return why it cannot run here, "" if it can."""
        absent = [tool for tool in self.tools if shutil.which(tool) is None]
        if absent:
            return f"needs {' and '.join(absent)}, not installed"
        return environments.missing(self.environment) if self.environment else ""

    def command(self) -> list[str]:
        """Return the command that runs it."""
        if self.environment:
            return [str(environments.interpreter(self.environment)), "-m", self.module]
        return python(self.module)

    def case(self, told: Mapping[str, object]) -> Case:
        """Return the case of doing ``told`` with it."""
        return Case(self.name, lambda: self.done(told), self.missing(), self.proof)

    def done(self, told: Mapping[str, object]) -> tuple[Usage, Rows]:
        """Run it once in a folder that is gone afterwards; its rows are read outside of what is measured."""
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            usage = run(self.command(), {**told, **self.work, "out": folder}, folder=Path(folder))
            if self.proof == "count":
                return usage, Rows(int(usage.said["rows"]), "")
            return usage, rows_below(Path(folder))


def rows_below(folder: Path) -> Rows:
    """Count and hash the rows of all files in a folder, in a process of its own."""
    files = [str(path) for pattern in _ROWS for path in folder.rglob(pattern) if not _hidden(path, folder)]
    read = subprocess.run(
        [*python("benchmarks.harness.digest"), *files], capture_output=True, text=True, cwd=ROOT, check=False
    )
    if read.returncode != 0:
        raise CaseFailed(f"its rows cannot be read: {read.stderr[-500:]}")
    return Rows.told(json.loads(read.stdout))


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith("_") for part in path.relative_to(folder).parts)


def ours(name: str, sink: str, proof: Proof = "values", **work: object) -> Program:
    """Return our own transfer into a sink."""
    return Program(name, "benchmarks.cases.one_export", proof=proof, work={"sink": sink, **work})


SMALL = (
    Program("bare aiohttp, nothing stored", "benchmarks.peers.small_with_aiohttp", proof="count"),
    Program("asyncexport, nothing stored", "benchmarks.cases.small_exports", proof="count", work={"sink": "null"}),
    Program("asyncexport, JSON Lines, journal", "benchmarks.cases.small_exports", work={"sink": "jsonl-zstd"}),
)
MORNING = (
    Program("asyncexport", "benchmarks.cases.morning", work={"sink": "jsonl"}),
    Program(
        "python-amazon-ad-api, 20 threads", "benchmarks.peers.morning_with_python_amazon_ad_api", "python-amazon-ad-api"
    ),
    Program("async-amazon-ads-api-v1", "benchmarks.peers.morning_with_async_amazon_ads_api", "async-amazon-ads-api-v1"),
    Program("airbyte-cdk", "benchmarks.peers.morning_with_airbyte", "airbyte-cdk"),
)
PLACES = tuple(
    Program(name, "benchmarks.cases.places", proof="count", work={"sink": "null", "place": place})
    for name, place in (
        ("in the loop", {}),
        ("1 worker", {"workers": 1}),
        ("2 workers", {"workers": 2}),
        ("Dask, 2 workers", {"runner": "dask", "workers": 2}),
    )
)
OURS_TO_LINES = ours("asyncexport", "jsonl")
SINKS = (
    ours("decoded, no sink", "null", "count"),
    OURS_TO_LINES,
    ours("JSON Lines, gzip", "jsonl-gzip"),
    ours("JSON Lines, zstd", "jsonl-zstd"),
    ours("Parquet", "parquet", "ids"),
    ours("DuckDB", "duckdb", "ids"),
)
WAYS = (
    OURS_TO_LINES,
    Program("aiohttp + zlib + ijson", "benchmarks.peers.with_ijson"),
    Program("requests + gzip + json", "benchmarks.peers.with_requests", "requests"),
    Program("curl, gunzip, jq", "benchmarks.peers.with_jq", tools=("curl", "jq")),
    Program("duckdb read_json", "benchmarks.peers.with_duckdb", tools=("curl",)),
    Program("python-amazon-ad-api", "benchmarks.peers.with_python_amazon_ad_api", "python-amazon-ad-api"),
    Program("amazon-ads-mcp", "benchmarks.peers.with_amazon_ads_mcp", "amazon-ads-mcp"),
)
