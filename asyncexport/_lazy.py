"""Public names that are imported when they are first used, so that whoever needs one does not pay for all.

Contract: a package says below ``TYPE_CHECKING`` where its names come from, for readers and type checkers, and once more
for :func:`lazily`, which gives the module's ``__getattr__`` and ``__dir__`` (PEP 562). A name is looked up once; then
it stands in the module as if it had been imported.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any


def lazily(
    package: str, homes: Mapping[str, str], modules: Collection[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package.

    ``homes``: names, apart by blanks, by the module below ``package`` that they are in; ``modules`` are those that can
    be used as attributes themselves.
    """
    home_of = {name: f"{package}.{home}" for home, names in homes.items() for name in names.split()}
    space = vars(sys.modules[package])

    def find(name: str) -> Any:  # noqa: ANN401
        if name in modules:
            return importlib.import_module(f"{package}.{name}")
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        space[name] = found = getattr(importlib.import_module(home_of[name]), name)
        return found

    def names() -> list[str]:
        return sorted({*home_of, *modules, *(name for name in space if name.startswith("__"))})

    return find, names
