"""Cases that take turns: the same work again and again, A B A B, so that what disturbs the machine disturbs all alike.

Medians and spreads are of one run, and so is every ratio. Rows are counted and hashed after each case, outside of what
is measured; a case whose rows are not the ones there are has failed, however fast it was.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from benchmarks.harness.measure import CaseFailed, Usage

MODULUS = 1 << 128
"""Digests are sums of hashes, modulo this."""

Proof = Literal["values", "ids", "count"]
"""How the rows of a case are compared: as values, by their ids (typed columns), or by their number (nothing stored)."""


@dataclass(frozen=True)
class Rows:
    """How many rows there are, and their digest; ``ids`` is the digest of their ids alone."""

    count: int
    digest: str
    ids: str = ""

    @classmethod
    def told(cls, figures: Mapping[str, object]) -> Rows:
        """Read what :meth:`benchmarks.harness.digest.RowsDigest.told` says."""
        return cls(int(str(figures["rows"])), str(figures["digest"]), str(figures["ids"]))

    def times(self, count: int) -> Rows:
        """Return what these rows are when each is there so often."""
        return Rows(self.count * count, _times(self.digest, count), _times(self.ids, count))

    def trouble(self, truth: Rows, proof: Proof) -> str:
        """Return what speaks against these being the rows there are, "" if nothing does."""
        if self.count != truth.count:
            return f"gave {self.count:,} rows, there are {truth.count:,}"
        same = {"values": self.digest == truth.digest, "ids": self.ids == truth.ids, "count": True}[proof]
        return "" if same else "gave as many rows as there are, but not the same"


Work = Callable[[], tuple[Usage, Rows]]
"""Does a case once; raises :class:`CaseFailed` when it could not be done."""


@dataclass(frozen=True)
class Case:
    """Something to be measured; ``skipped`` says why it is not."""

    name: str
    work: Work
    skipped: str = ""
    proof: Proof = "values"


@dataclass
class Result:
    """What a case took, time after time, or why there is nothing to tell.

    ``idle`` are the seconds of processor time that it takes with next to nothing to do, where that was measured.
    """

    name: str
    usages: list[Usage] = field(default_factory=list)
    idle: float | None = None
    rows: int = 0
    trouble: str = ""

    def median(self, figure: Callable[[Usage], float]) -> float:
        """Return the median of a figure over the repeats."""
        return statistics.median(map(figure, self.usages))

    def spread(self, figure: Callable[[Usage], float]) -> float:
        """Return by how much a figure differs over the repeats, as a share of its median."""
        values = [figure(usage) for usage in self.usages]
        middle = statistics.median(values)
        return (max(values) - min(values)) / middle if middle else 0.0

    @property
    def is_good(self) -> bool:
        """Whether it can be compared."""
        return not self.trouble and bool(self.usages)


def compare(cases: Sequence[Case], truth: Rows, repeats: int, note: Callable[[str], object] = print) -> list[Result]:
    """Let the cases take turns ``repeats`` times; one that fails once is not tried again."""
    results = {case.name: Result(case.name, trouble=case.skipped) for case in cases}
    for turn in range(repeats):
        for case in cases:
            result = results[case.name]
            if result.trouble:
                continue
            try:
                usage, rows = case.work()
            except CaseFailed as error:
                result.trouble = str(error)
            else:
                result.usages.append(usage)
                result.rows = rows.count
                result.trouble = rows.trouble(truth, case.proof)
            note(f"{turn + 1}/{repeats} {case.name}: {result.trouble or _brief(result.usages[-1])}")
    return list(results.values())


def _times(digest: str, count: int) -> str:
    return f"{int(digest, 16) * count % MODULUS:032x}"


def _brief(usage: Usage) -> str:
    return f"{usage.wall:.2f} s, {usage.cpu:.2f} s CPU, {usage.peak_mib:.0f} MiB"
