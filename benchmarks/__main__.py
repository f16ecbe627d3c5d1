"""``python -m benchmarks``: run the experiments; leave JSON, a Markdown page and plots in a folder.

``--quick`` does each on little data; ``--only`` picks some; ``--again`` makes page and plots anew from the JSON.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks.harness.findings import Finding, page
from benchmarks.harness.server import running
from benchmarks.machine import described
from benchmarks.suite import EXPERIMENTS, QUICK, WHOLE


def write(folder: Path, machine: dict[str, object], findings: list[Finding]) -> None:
    """Write all three forms of what was found."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {"machine": machine, "findings": [finding.told() for finding in findings]}
    (folder / "results.json").write_text(json.dumps(told, indent=1) + "\n")
    _draw(folder, machine, findings)


def read(folder: Path) -> tuple[dict[str, object], list[Finding]]:
    """Read what :func:`write` wrote."""
    told = json.loads((folder / "results.json").read_text())
    return told["machine"], [Finding.read(each) for each in told["findings"]]


def _draw(folder: Path, machine: dict[str, object], findings: list[Finding]) -> None:
    (folder / "results.md").write_text(page(machine, findings))
    for finding in findings:
        (folder / f"{finding.name}.svg").write_text(finding.plot())


def main() -> None:
    """Run what is chosen."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="little data, few repeats: under two minutes")
    parser.add_argument("--only", nargs="+", choices=EXPERIMENTS, default=list(EXPERIMENTS))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--again", action="store_true", help="run nothing")
    chosen = parser.parse_args()
    if chosen.again:
        _draw(chosen.out, *read(chosen.out))
        return
    machine, findings = described(), []
    with running() as server:
        for name in chosen.only:
            print(f"{name}:", flush=True)
            findings.append(EXPERIMENTS[name](server, QUICK if chosen.quick else WHOLE))
            write(chosen.out, machine, findings)
    print("\n" + (chosen.out / "results.md").read_text())


if __name__ == "__main__":
    main()
