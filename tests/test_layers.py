"""The shape of the package: who may import whom, who may know aiohttp, the clock and the environment.

Imports are read from the source, wherever they stand: also those inside functions and for the type checker only.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "asyncexport"

FACTS = ("errors", "accounts", "models", "notes", "batch", "events")
LAYERS = (*FACTS, "ports", "sansio", "adapters", "sinks", "engine", "emulator", "app")
"""From the top: a module imports only from its own layer and from those before it."""

OUTSIDE = {"__init__", "_lazy", "_version", "dlt", "metrics", "otel", "testing", "pytest_plugin"}
"""Modules for users of the package, above which only ``app`` is not to be."""

AIOHTTP_FOR_TYPES = {"engine/exporter.py"}
"""Modules that name a class of aiohttp in a signature."""


@dataclass(frozen=True)
class Import:
    """One imported name, and whether the type checker alone sees it."""

    name: str
    line: int
    for_types: bool


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports_of(node: ast.AST, *, for_types: bool = False) -> Iterator[Import]:
    """Yield every import below ``node``, absolute, with the names it takes from a module."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, for_types) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"line {child.lineno}: imports are absolute here"
            yield from (Import(f"{child.module}.{alias.name}", child.lineno, for_types) for alias in child.names)
        else:
            is_guard = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            yield from imports_of(child, for_types=for_types or is_guard)


def layer_of(dotted: str) -> str:
    return dotted.split(".")[1] if dotted.startswith("asyncexport.") else ""


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def described(path: Path) -> str:
    return name_of(path).removesuffix(".py").replace("/", ".")


def upward(path: Path) -> list[str]:
    """Return the imports of a module that go against the order of the layers."""
    own = name_of(path).removesuffix(".py").split("/")[0]
    if own == "__main__":
        return []
    reach = LAYERS.index("app") - 1 if own in OUTSIDE else LAYERS.index(own)
    found = []
    for each in imports_of(tree_of(path)):
        layer = layer_of(each.name)
        if layer in {"", "_lazy", "_version"}:
            continue
        if layer not in LAYERS or LAYERS.index(layer) > reach:
            found.append(f"line {each.line}: {each.name}")
    return found


@pytest.mark.parametrize("path", modules(), ids=described)
def test_imports_go_upward_only(path: Path) -> None:
    """A module imports from its own layer and from those above it."""
    assert upward(path) == []


@pytest.mark.parametrize("path", modules(), ids=described)
def test_who_knows_aiohttp(path: Path) -> None:
    """Only adapters and the emulator import aiohttp; one signature names a class of it for the type checker."""
    known = {Path(name_of(path)).parts[0]} & {"adapters", "emulator"}
    found = [each for each in imports_of(tree_of(path)) if each.name.partition(".")[0] in {"aiohttp", "yarl"}]
    if name_of(path) in AIOHTTP_FOR_TYPES:
        found = [each for each in found if not each.for_types]

    assert known or found == []


FOREIGN_TO_PURE = {"asyncio", "anyio", "time", "random", "secrets", "socket", "os", "pathlib", "threading", "sqlite3"}


@pytest.mark.parametrize("path", sorted((PACKAGE / "sansio").rglob("*.py")), ids=described)
def test_pure_logic(path: Path) -> None:
    """Pure logic has no loop, no clock, no randomness, no socket and no file, and awaits nothing."""
    tree = tree_of(path)
    imported = {each.name.partition(".")[0] for each in imports_of(tree)}
    waits = (ast.Await, ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith)
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}

    assert not imported & FOREIGN_TO_PURE
    assert not [node for node in ast.walk(tree) if isinstance(node, waits)]
    assert not called & {"open", "print", "input", "exec", "eval"}
    assert "now" not in {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


@pytest.mark.parametrize("path", modules(), ids=described)
def test_who_reads_the_environment(path: Path) -> None:
    """Only the settings of the command line read the environment."""
    names = {"environ", "environb", "getenv", "getenvb", "putenv"}
    tree = tree_of(path)
    read = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} & names
    imported = {each.name for each in imports_of(tree)} & {f"os.{name}" for name in names}

    assert name_of(path) == "app/settings.py" or (read, imported) == (set(), set())


@pytest.mark.parametrize("path", modules(), ids=described)
def test_who_configures_logging(path: Path) -> None:
    """A library neither configures logging nor installs signal handlers nor chooses the loop; an application may."""
    forbidden = {"basicConfig", "add_signal_handler", "set_event_loop_policy", "captureWarnings"}
    called = {node.attr for node in ast.walk(tree_of(path)) if isinstance(node, ast.Attribute)}

    assert name_of(path).startswith("app/") or not called & forbidden


def test_the_reader_of_imports() -> None:
    """The reader sees imports wherever they stand, and which of them are for types only."""
    source = (
        "import a.b\nif TYPE_CHECKING:\n    import c\ndef f():\n"
        "    from asyncexport.app import d\n    try:\n        import e\n    except ImportError:\n        pass\n"
    )
    found = list(imports_of(ast.parse(source)))

    assert [(each.name, each.line, each.for_types) for each in found] == [
        ("a.b", 1, False),
        ("c", 3, True),
        ("asyncexport.app.d", 5, False),
        ("e", 7, False),
    ]


def test_every_module_has_a_layer() -> None:
    """A module outside the layers would escape the tests above."""
    places = {Path(name_of(path)).parts[0].removesuffix(".py") for path in modules()}

    assert places <= set(LAYERS) | OUTSIDE | {"__main__"}


@pytest.mark.parametrize("path", modules(), ids=described)
def test_every_module_opens_with_its_strategy(path: Path) -> None:
    """A module says at its head what it is for; one that holds nothing may be silent."""
    tree = tree_of(path)

    assert ast.get_docstring(tree) or not tree.body


def floors() -> dict[str, tuple[int, ...]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = {}
    for requirement in project["dependencies"]:
        match = re.match(r"([\w.-]+)>=([\d.]+)", requirement)
        assert match, f"{requirement!r} has no floor"
        found[match[1]] = tuple(map(int, match[2].split(".")))
    return found


@pytest.mark.parametrize(("name", "floor"), [("aiohttp", (3, 14, 3)), ("orjson", (3, 11, 5))])
def test_floors_of_dependencies(name: str, floor: tuple[int, ...]) -> None:
    """Versions with known advisories cannot be installed beside us; every dependency has a floor."""
    assert floors()[name] >= floor
