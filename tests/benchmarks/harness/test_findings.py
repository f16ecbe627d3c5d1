"""Tables and plots of what was found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.__main__ import draw, write
from benchmarks.harness.findings import Finding
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
    machine={
        "date": "2026-11-23",
        "commit": "abc",
        "cores": 2,
        "processor": "EPYC",
        "memory_gib": 24,
        "system": "Linux",
        "python": "3.11.7",
        "load": 0.1,
        "packages": {"isal": "1.9.1"},
    },
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
    """Bars end at the medians, the line across the longest one at the greatest of all; names are escaped."""
    drawn = ElementTree.fromstring(FINDING.plot())  # noqa: S314  our own text
    bars = [each for each in drawn.iter() if each.tag.endswith("rect")][1:]
    reaches = [each.attrib["d"] for each in drawn.iter() if each.tag.endswith("path")]
    assert [float(bar.attrib["width"]) for bar in bars] == [86.7, 520.0]
    assert reaches == ["M273.3,83H360.0", "M750.0,113H750.0"]
    words = [each.text for each in drawn.iter() if each.tag.endswith("text")]
    assert words == ["One export <to> lines", "CPU, s", "ours", "1.00", "theirs", "6.00"]


def test_a_plot_has_a_panel_for_each_figure() -> None:
    """A case without the figure has no bar there."""
    drawn = ElementTree.fromstring(replace(FINDING, plotted=("peak MiB", "stall p99")).plot())  # noqa: S314  ours
    words = [each.text for each in drawn.iter() if each.tag.endswith("text")][1:]
    assert words == ["peak MiB", "ours", "41", "theirs", "1600", "stall p99", "ours", "3.50"]


def test_page_and_plots_are_functions_of_the_json(tmp_path: Path) -> None:
    """What is in the folder is drawn, byte for byte the same, and what an earlier run left there of others stays."""
    write(tmp_path, FINDING)
    page, plot = (tmp_path / "results.md").read_text(), (tmp_path / "ways.svg").read_text()
    assert "## One export <to> lines\n\nWhole processes.\n\n2026-11-23, commit abc; 2 cores (EPYC)" in page
    assert TABLE in page
    write(tmp_path, replace(FINDING, name="sinks", title="Sinks"))
    later = (tmp_path / "results.md").read_text()
    assert later.startswith(page)
    assert "## Sinks" in later
    assert draw(tmp_path) == later
    assert (tmp_path / "ways.svg").read_text() == plot
    assert Finding.read(json.loads((tmp_path / "ways.json").read_text())) == FINDING
