"""``make mutants``: does a test fail when a guard is taken away?

Each line of :mod:`tests.faults.guards` is applied to a copy of the tree, and the tests named there are run until one
fails. A mutant that no test notices *survives*, and that is a failure here: some guard could be lost without anybody
being told. One whose text is not found exactly once is a failure too, since it would prove nothing any more. Before
anything is mutated the tests must pass as they are.

``python -m tests.faults.mutants`` runs all; ``--only TEXT`` those whose name or file holds the text, ``--jobs N`` so
many at once.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults.guards import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
_PATIENCE = 300.0
_COPIED = ("asyncexport", "tests", "benchmarks", "pyproject.toml", "README.md", "Makefile", "constraints.txt", ".ci")
_PYTEST = ("-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--no-header", "--tb=line")


class Tree:
    """A copy of the tree that may be broken."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in _COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, folder / name)

    def failing(self, tests: Sequence[str]) -> str:
        """Run the tests; return the first that fails, empty if none does."""
        environment = {**os.environ, "PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            ended = subprocess.run(  # noqa: S603 - our own interpreter
                [sys.executable, *_PYTEST, *tests],
                cwd=self.folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=_PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"nothing came to an end within {_PATIENCE:.0f} s"
        if ended.returncode == 0:
            return ""
        said = [line for line in ended.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
        return said[0].partition(" - ")[0] if said else f"pytest ended with {ended.returncode}: {ended.stdout[-500:]}"

    def failing_without(self, mutant: Mutant) -> str:
        """Take one guard away, run its tests, put the guard back."""
        path = self.folder / "asyncexport" / mutant.file
        text = path.read_text()
        path.write_text(text.replace(mutant.old, mutant.new))
        try:
            return self.failing(mutant.tests)
        finally:
            path.write_text(text)


def occurrences(mutant: Mutant) -> int:
    """Return how often the mutant's old text stands in its file: exactly once, or it proves nothing."""
    return (ROOT / "asyncexport" / mutant.file).read_text().count(mutant.old)


def check_all(mutants: Sequence[Mutant], jobs: int) -> list[str]:
    """Try every mutant and print a line for each; return the names of those that survive."""
    survivors = []
    with tempfile.TemporaryDirectory() as folder:
        trees = [Tree(Path(folder, str(number))) for number in range(jobs)]
        tests = sorted({test for mutant in mutants for test in mutant.tests})
        if failing := trees[0].failing(tests):
            raise SystemExit(f"the tests do not pass as they are: {failing}")
        with ThreadPoolExecutor(jobs) as pool:

            def attempt(mutant: Mutant) -> str:
                tree = trees.pop()
                try:
                    return tree.failing_without(mutant)
                finally:
                    trees.append(tree)

            for mutant, noticed in zip(mutants, pool.map(attempt, mutants), strict=True):
                _say(f"{'noticed ' if noticed else 'SURVIVES'}  {mutant.file:24} {mutant.name:48} {noticed}")
                survivors += [] if noticed else [mutant.name]
    return survivors


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """Try the mutants; 1 if one survives or does not apply."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.mutants", description="take guards away")
    parser.add_argument("--only", default="", help="those whose name or file holds this text")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    wish = parser.parse_args()
    mutants = [mutant for mutant in MUTANTS if wish.only in f"{mutant.file} {mutant.name}"]
    stale = [mutant for mutant in mutants if occurrences(mutant) != 1]
    for mutant in stale:
        _say(f"no longer applies: {mutant.name}: the old text stands {occurrences(mutant)} times in {mutant.file}")
    began = time.monotonic()
    survivors = check_all([mutant for mutant in mutants if mutant not in stale], wish.jobs)
    _say(f"{len(mutants)} mutants in {time.monotonic() - began:.0f} s: {len(survivors)} survive, {len(stale)} stale")
    return 1 if survivors or stale else 0


if __name__ == "__main__":
    sys.exit(main())
