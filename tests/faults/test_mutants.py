"""The table of guards stays true: every mutant still applies. Whether a test notices it is ``make mutants``."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.faults.guards import MUTANTS, Mutant
from tests.faults.mutants import ROOT, occurrences


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_guard_that_can_be_taken_away(mutant: Mutant) -> None:
    """Its text stands exactly once where the table says; where the code has moved on, the table has to follow."""
    assert occurrences(mutant) == 1
    assert mutant.new != mutant.old


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_code_without_a_guard_is_still_code(mutant: Mutant) -> None:
    """A mutant that cannot even be imported proves nothing about the tests."""
    text = (ROOT / "asyncexport" / mutant.file).read_text().replace(mutant.old, mutant.new)
    compile(text, mutant.file, "exec")


def test_the_tests_that_must_notice_exist() -> None:
    """Each mutant names tests, and they are there; no name stands twice."""
    assert all((ROOT / test).exists() for mutant in MUTANTS for test in mutant.tests)
    assert Counter(mutant.name for mutant in MUTANTS).most_common(1)[0][1] == 1
    assert len(MUTANTS) >= 100
