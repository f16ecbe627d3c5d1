"""What is imported when, and what is not: start-up is what a small file costs."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import asyncexport
from asyncexport import sinks
from asyncexport.engine import runners

HEAVY = {"aiohttp", "anyio", "duckdb", "msgspec", "obstore", "orjson", "pyarrow", "rich", "sqlite3", "ssl", "structlog"}
"""What takes 10 ms or more to import, or brings such along."""

LAZY = (asyncexport, sinks, runners)


def imported_for_types(package: ModuleType) -> dict[str, str]:
    """Return by name the module that a package takes it from, as its source tells the type checker."""
    assert package.__file__ is not None
    [guard] = [node for node in ast.parse(Path(package.__file__).read_text()).body if isinstance(node, ast.If)]
    found = [node for node in guard.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in found for alias in node.names}


@pytest.mark.parametrize("package", LAZY)
def test_names_are_found_where_the_source_says(package: ModuleType) -> None:
    """A lazy package gives exactly the names that it tells the type checker of, from the same modules."""
    told = imported_for_types(package)

    assert set(package.__all__) - {"__version__"} == set(told)
    for name, home in told.items():
        assert getattr(package, name) is getattr(importlib.import_module(home), name)


@pytest.mark.parametrize("package", LAZY)
def test_a_name_that_is_not_there(package: ModuleType) -> None:
    """A name that a lazy package does not have is missing as from any module, and is not listed."""
    with pytest.raises(AttributeError, match=f"module '{package.__name__}' has no attribute 'nothing'"):
        _ = package.nothing
    assert "nothing" not in dir(package)
    assert set(package.__all__) <= set(dir(package))


def loaded_by(code: str) -> set[str]:
    """Return which of the heavy modules a new interpreter has imported when it has run ``code``."""
    told = f"import sys\n{code}\nprint(*sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)"
    other = subprocess.run(  # noqa: S603
        [sys.executable, "-c", told], capture_output=True, text=True, check=True
    )
    return set(other.stderr.split())


def command(*arguments: str) -> str:
    """Return code that runs our command."""
    return f"from asyncexport.app.cli import main\nmain({list(arguments)!r}, standalone_mode=False)"


def test_modules_of_the_package_are_attributes() -> None:
    """Who has imported the package alone may use its modules for users by their names."""
    assert loaded_by("import asyncexport\nasyncexport.errors.ConfigError, asyncexport.events.Event") == set()


def test_describing_work_is_light() -> None:
    """Accounts and jobs can be described without a client, a decoder or a database."""
    assert loaded_by("from asyncexport import Account, Entity, Filters, Limits, plan") == set()


def test_an_exporter_without_need_of_them() -> None:
    """An exporter neither imports aiohttp before it is entered nor ever what its sinks and places do not need."""
    account = "Account('acme', region='EU', client_id='a', client_secret='b', refresh_token='c')"
    code = "from asyncexport import Account, Exporter\nfrom asyncexport.sinks import JsonLines\n"

    assert (
        loaded_by(f"{code}Exporter([{account}])\nJsonLines('exports')")
        & {"aiohttp", "duckdb", "obstore", "pyarrow", "rich", "structlog"}
        == set()
    )


@pytest.mark.parametrize("arguments", [("version",), ("--help",)])
def test_commands_that_only_speak(arguments: tuple[str, ...]) -> None:
    """Version and help import click and nothing heavy."""
    assert loaded_by(command(*arguments)) == set()


def test_rows_of_a_file(tmp_path: Path) -> None:
    """Decoding a file imports the decoder and nothing else that is heavy."""
    file = tmp_path / "export.json"
    file.write_bytes(b"[{}]")

    assert loaded_by(command("rows", str(file))) == {"msgspec", "orjson"}


@pytest.mark.parametrize("name", ["run", "plan", "profiles"])
def test_commands_before_they_call(name: str) -> None:
    """The commands that call the API import neither the client nor the logger before they do."""
    assert loaded_by(command(name, "--help")) & {"aiohttp", "duckdb", "obstore", "pyarrow", "structlog"} == set()
