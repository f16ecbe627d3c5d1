"""Cases that take turns."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks.harness.measure import CaseFailed, Usage
from benchmarks.harness.rounds import Case, Proof, Result, Rows, compare

TRUTH = Rows(3, "right", "ids")


def _case(name: str, rows: Rows = TRUTH, proof: Proof = "values", told: Callable[[str], object] = str) -> Case:
    def work() -> tuple[Usage, Rows]:
        told(name)
        return Usage(1.0, 0.5, 20.0), rows

    return Case(name, work, proof=proof)


def _failing() -> tuple[Usage, Rows]:
    raise CaseFailed("it ended with 1")


def _quiet(_: str) -> None:
    pass


def test_cases_take_turns() -> None:
    """A B A B, never A A B B: what disturbs the machine for a while disturbs both."""
    order: list[str] = []
    compare([_case("a", told=order.append), _case("b", told=order.append)], TRUTH, 3, _quiet)
    assert order == ["a", "b"] * 3


@pytest.mark.parametrize(
    ("rows", "proof", "trouble"),
    [
        (Rows(2, "right", "ids"), "values", "gave 2 rows, there are 3"),
        (Rows(2, "right", "ids"), "count", "gave 2 rows, there are 3"),
        (Rows(3, "wrong", "ids"), "values", "gave as many rows as there are, but not the same"),
        (Rows(3, "right", "wrong"), "ids", "gave as many rows as there are, but not the same"),
        (Rows(3, "wrong", "ids"), "ids", ""),
        (Rows(3, "", ""), "count", ""),
    ],
)
def test_a_case_that_cheats_fails(rows: Rows, proof: Proof, trouble: str) -> None:
    """A case whose rows are not the ones there are is not compared, and its table says why."""
    [result] = compare([_case("swift", rows, proof)], TRUTH, 1, _quiet)
    assert (result.trouble, result.is_good) == (trouble, not trouble)


def test_a_case_that_failed_is_not_tried_again_and_others_go_on() -> None:
    """An error ends that case alone, and leaves its reason."""
    failed, good = compare([Case("broken", _failing), _case("good")], TRUTH, 2, _quiet)
    assert (failed.trouble, failed.usages) == ("it ended with 1", [])
    assert (good.is_good, len(good.usages), good.rows) == (True, 2, 3)


def test_a_case_that_cannot_run_here_is_skipped_with_its_reason() -> None:
    """A missing tool is a reason, not an error."""
    [result] = compare([Case("elsewhere", _failing, skipped="needs jq")], TRUTH, 1, _quiet)
    assert (result.trouble, result.is_good) == ("needs jq", False)


def test_rows_that_are_there_several_times_have_that_many_times_the_digest() -> None:
    """A sum of hashes, modulo its width, so that many copies of one export have a digest without being made."""
    rows = Rows(2, f"{(1 << 128) - 3:032x}", f"{5:032x}")
    assert rows.times(2) == Rows(4, f"{(1 << 128) - 6:032x}", f"{10:032x}")


def test_median_and_spread_are_those_of_the_repeats() -> None:
    """The spread is a share of the median; of nothing it is none."""
    result = Result("a", [Usage(1.0, cpu, 0.0) for cpu in (2.0, 5.0, 4.0)])
    assert result.median(lambda usage: usage.cpu) == 4.0
    assert result.spread(lambda usage: usage.cpu) == 0.75
    assert result.spread(lambda usage: usage.peak_mib) == 0.0
