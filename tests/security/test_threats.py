"""The table of threats in README.md tells the truth: every threat is there, and every test that it names exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TABLE = [line for line in (HERE / "README.md").read_text("utf-8").splitlines() if re.match(r"\| X\d+ \|", line)]
NAMED = sorted(set(re.findall(r"`((?:\w+/)*test_\w+)(?:::(test_\w+))?`", "\n".join(TABLE))))


def test_every_threat_is_there() -> None:
    """X1 to X26, each once, each with a promise and either a test or the reason why there is none."""
    assert [line.split("|")[1].strip() for line in TABLE] == [f"X{number}" for number in range(1, 27)]
    for line in TABLE:
        promise, held = line.split("|")[3:5]
        assert promise.strip()
        assert "`test_" in held or "/test_" in held or "does not apply" in held, line


@pytest.mark.parametrize(("module", "name"), NAMED, ids=[f"{module}::{name}" for module, name in NAMED])
def test_a_test_that_is_named(module: str, name: str) -> None:
    """The module is there, and so is the test in it."""
    file = (HERE if "/" not in module else HERE.parent) / f"{module}.py"
    if not file.exists():
        file = HERE.parent / f"{module}.py"
    tree = ast.parse(file.read_text("utf-8"))
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert not name or name in functions
    assert any(each.startswith("test_") for each in functions)
