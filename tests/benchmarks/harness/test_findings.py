"""Tables and plots of what was found."""

from __future__ import annotations

import json
from xml.etree import ElementTree

from benchmarks.harness.findings import Finding, page
from benchmarks.harness.measure import Usage
from benchmarks.harness.rounds import Result

FINDING = Finding(
    "ways",
    "One export <to> lines",
    [
        Result(
            "ours", [Usage(1.0, 0.5, 40.0, {"stall p99": 3.25}), Usage(3.0, 1.5, 42.0, {"stall p99": 3.75})], idle=0.3
        ),
        Result("theirs", [Usage(8.0, 6.0, 1600.0)]),
        Result("cheat", [Usage(0.1, 0.1, 10.0)], trouble="gave 2 rows, there are 3"),
    ],
    base="ours",
    text_bytes=20_000_000,
    said=("stall p99",),
    note="Whole processes.",
    load=0.5,
)
TABLE = """\
| case   | wall, s | CPU, s | peak MiB | stall p99 | spread of CPU | MB/s of CPU | x CPU | x wall | start-up, s CPU |
|--------|---------|--------|----------|-----------|---------------|-------------|-------|--------|-----------------|
| ours   | 2.00    | 1.00   | 41       | 3.50      | 100%          | 20          | 1.00  | 1.00   | 0.30            |
| theirs | 8.00    | 6.00   | 1600     |           | 0%            | 3           | 6.00  | 4.00   |                 |

Not measured: cheat (gave 2 rows, there are 3)."""


def test_a_table_has_medians_and_ratios_of_what_did_the_work() -> None:
    """Ratios are to the base of the same run; who cheated stands below, without a figure."""
    assert FINDING.table() == TABLE


def test_a_plot_has_a_bar_for_each_good_case() -> None:
    """The longest bar is the longest time, and names are escaped."""
    drawn = ElementTree.fromstring(FINDING.plot())  # noqa: S314  our own text
    bars = [each for each in drawn.iter() if each.tag.endswith("rect")][1:]
    assert [float(bar.attrib["width"]) for bar in bars] == [86.7, 520.0]
    assert any(each.text == "One export <to> lines: seconds of processor time" for each in drawn.iter())


def test_page_and_plots_can_be_made_again_from_the_json() -> None:
    """What is read from JSON gives the same page and the same plot, byte for byte."""
    machine = {
        "date": "2026-11-23", "commit": "abc", "cores": 2, "processor": "EPYC", "memory_gib": 24, "system": "Linux",
        "python": "3.11.7", "load": 0.1, "packages": {"isal": "1.9.1"},
    }  # fmt: skip
    read = Finding.read(json.loads(json.dumps(FINDING.told())))
    assert page(machine, [read]) == page(machine, [FINDING])
    assert read.plot() == FINDING.plot()
    assert "## One export <to> lines\n\nWhole processes. Load when it ended: 0.5.\n\n" + TABLE in page(machine, [read])
