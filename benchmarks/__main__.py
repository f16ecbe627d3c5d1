"""``python -m benchmarks``: run the experiments; leave JSON and a plot of each, and a Markdown page, in a folder.

``--quick`` does each on little data; ``--only`` picks some, and leaves in the folder what is there of others;
``--again`` makes page and plots anew from the JSON.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from benchmarks.harness.findings import Finding, page
from benchmarks.harness.server import running
from benchmarks.machine import described
from benchmarks.suite import EXPERIMENTS, QUICK, WHOLE


def write(folder: Path, finding: Finding) -> None:
    """Write what was found beside what is there of other experiments."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{finding.name}.json").write_text(json.dumps(finding.told(), indent=1) + "\n")
    draw(folder)


def draw(folder: Path) -> str:
    """Make page and plots of all there is in the folder; return the page."""
    files = [folder / f"{name}.json" for name in EXPERIMENTS]
    findings = [Finding.read(json.loads(file.read_text())) for file in files if file.exists()]
    for finding in findings:
        (folder / f"{finding.name}.svg").write_text(finding.plot())
    text = page(findings)
    (folder / "results.md").write_text(text)
    return text


def main() -> None:
    """Run what is chosen."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="little data, few repeats: under two minutes")
    parser.add_argument("--only", nargs="+", choices=EXPERIMENTS, default=list(EXPERIMENTS))
    parser.add_argument("--repeats", type=int, help="how often each case is run")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/bench"))
    parser.add_argument("--again", action="store_true", help="run nothing")
    chosen = parser.parse_args()
    size = QUICK if chosen.quick else WHOLE
    size = replace(size, repeats=chosen.repeats or size.repeats)
    with running() as server:
        for name in [] if chosen.again else chosen.only:
            print(f"{name}:", flush=True)
            machine = described()
            write(chosen.out, replace(EXPERIMENTS[name](server, size), machine=machine))
    print("\n" + draw(chosen.out))


if __name__ == "__main__":
    main()
