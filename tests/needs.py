"""Tests that need what a machine may not have: said aloud where they cannot run, failed on CI."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Callable
from functools import cache

import pytest

from tests.reporting import DESELECTED
from tests.sinks.postgres_server import programs

_NEEDS = {
    "strace": "strace, allowed to trace (apt-get install strace)",
    "mounting": "root, allowed to mount a tmpfs",
    "postgres": "a PostgreSQL server (make postgres)",
}


def pytest_configure(config: pytest.Config) -> None:
    """Make the marks known."""
    for mark, need in _NEEDS.items():
        config.addinivalue_line("markers", f"{mark}: needs {need}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what cannot run here, unless this is continuous integration."""
    if os.environ.get("CI") == "true":
        return
    cannot = [item for item in items if _missing(item)]
    if cannot:
        items[:] = [item for item in items if item not in cannot]
        config.hook.pytest_deselected(items=cannot)
        missing = Counter(map(_missing, cannot))
        config.stash[DESELECTED] = [f"{number} of the tests, which need {need}" for need, number in missing.items()]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail what cannot run where everything has to."""
    if need := _missing(item):
        pytest.fail(f"this test needs {need}, and on CI nothing is left out", pytrace=False)


def _missing(item: pytest.Item) -> str:
    """Return what a test needs and this machine has not."""
    has: dict[str, Callable[[], bool]] = {"strace": _can_trace, "mounting": _can_mount, "postgres": _can_serve}
    return next((need for mark, need in _NEEDS.items() if item.get_closest_marker(mark) and not has[mark]()), "")


@cache
def _can_trace() -> bool:
    return _works("strace", "-o", os.devnull, "true")


@cache
def _can_mount() -> bool:
    return _works("unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt")


def _can_serve() -> bool:
    return programs() is not None


def _works(*command: str) -> bool:
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0  # noqa: S603  ours
    except OSError:
        return False
