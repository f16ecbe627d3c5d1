"""What tests tell beyond passing and failing: their figures, and which of them could not run.

Tests may run in several processes (pytest-xdist), of which none prints. So figures travel with the report of their
test, and what was left out with the end of its process. A plugin of ``tests/conftest.py``, since the process that
prints collects no tests and so reads no other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

DESELECTED = pytest.StashKey[list[str]]()
"""Lines that say which tests were left out, and why."""

_NOT_RUN = "not run"
_FIGURE = "figure"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what was left out to the process that prints, if this is another one."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output[_NOT_RUN] = session.config.stash.get(DESELECTED, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a process left out: each has left out the same."""
    node.config.stash[DESELECTED] = getattr(node, "workeroutput", {}).get(_NOT_RUN, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was not run, and why, and the figures of what was."""
    for line in config.stash.get(DESELECTED, []):
        terminalreporter.write_line(f"NOT RUN: {line}")
    for report in (report for reports in terminalreporter.stats.values() for report in reports):
        if isinstance(report, pytest.TestReport) and report.when == "call":
            for text in (value for name, value in report.user_properties if name == _FIGURE):
                terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {text}")


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Return what tells a figure of a test at the end of the session."""
    return lambda text: request.node.user_properties.append((_FIGURE, text))
