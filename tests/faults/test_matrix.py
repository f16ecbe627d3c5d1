"""The matrix in README.md tells the truth: every row is there, and every test that it names exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
LETTERS = {"T": 13, "P": 7, "Q": 10, "L": 12, "D": 12, "M": 13, "Z": 6, "J": 12, "S": 10, "C": 17}
ROWS = [f"{letter}{number}" for letter, last in LETTERS.items() for number in range(1, last + 1)]
README = Path(__file__).with_name("README.md").read_text("utf-8").splitlines()
TABLE = [line for line in README if re.match(rf"\| [{''.join(LETTERS)}]\d+ \|", line)]
NAMED = sorted(set(re.findall(r"`((?:\w+/)*test_\w+)::(test_\w+)`", "\n".join(TABLE))))


@cache
def functions_of(module: str) -> frozenset[str]:
    """Return the names of all functions of a test module."""
    tree = ast.parse((TESTS / f"{module}.py").read_text("utf-8"))
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


def test_every_row_is_there() -> None:
    """Each once, in its order, with a fault and at least one test."""
    assert [line.split("|")[1].strip() for line in TABLE] == ROWS
    for line in TABLE:
        fault, held = line.split("|")[2:4]
        assert fault.strip()
        assert re.search(r"`(?:\w+/)*test_\w+::test_\w+`", held), line


@pytest.mark.parametrize(("module", "name"), NAMED, ids=[f"{module}::{name}" for module, name in NAMED])
def test_a_test_that_is_named(module: str, name: str) -> None:
    """The module is there, and so is the test in it."""
    assert name in functions_of(module)
