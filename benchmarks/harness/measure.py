"""One case in a process of its own: its seconds, its processor time, its memory, and what it says of itself.

The kernel's accounting is read when the process has ended, so that start-up and every child it waited for are in it.
Peak memory is that of the largest process among them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class CaseFailed(Exception):
    """A case ended with an error; the message has the end of what it said."""


@dataclass(frozen=True)
class Usage:
    """What one process took: seconds of wall and processor time (its own and its children's), peak memory in MiB.

    ``said`` are the figures it printed as its last line, one JSON object.
    """

    wall: float
    cpu: float
    peak_mib: float
    said: Mapping[str, float] = field(default_factory=dict)


def run(command: Sequence[str], work: Mapping[str, object], *, folder: Path, seconds: float = 900.0) -> Usage:
    """Run ``command`` in ``folder`` with ``work`` as JSON on its standard input.

    Raises :class:`CaseFailed` for an exit status other than 0, which a case that takes longer than ``seconds`` has too.
    """
    told = {"command": list(command), "work": work, "folder": str(folder), "seconds": seconds}
    launched = subprocess.run(
        [sys.executable, "-S", str(Path(__file__).with_name("launch.py"))],
        input=json.dumps(told),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    took = json.loads(launched.stdout)
    if took["status"] != 0:
        raise CaseFailed(f"{' '.join(command)} ended with {took['status']}: {took['complaint']}")
    return Usage(took["wall"], took["cpu"], took["peak_mib"], _said(took["said"]))


def python(module: str) -> list[str]:
    """Return the command that runs a module of this project in this interpreter."""
    return [sys.executable, "-m", module]


def _said(text: str) -> Mapping[str, float]:
    last = text.rpartition("\n")[2]
    said: Mapping[str, float] = json.loads(last) if last.startswith("{") else {}
    return said
