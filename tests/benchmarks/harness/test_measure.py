"""A case in a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.harness.measure import CaseFailed, run


def _python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def test_what_a_case_and_its_children_take_is_counted(tmp_path: Path) -> None:
    """Processor time and memory of a child that was waited for are the case's."""
    child = "held = bytearray(80 << 20); sum(i * i for i in range(300_000))"
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], check=True)"
    usage = run(_python(program), {}, folder=tmp_path)
    alone = run(_python("pass"), {}, folder=tmp_path)
    assert usage.peak_mib > 80
    assert usage.cpu > alone.cpu > 0


def test_a_case_is_told_its_work_and_says_what_it_saw(tmp_path: Path) -> None:
    """The work is JSON on standard input; the last line of its output is JSON as well."""
    program = "import json, sys; print('at work'); print(json.dumps({'rows': json.load(sys.stdin)['times'] * 2}))"
    assert run(_python(program), {"times": 4}, folder=tmp_path).said == {"rows": 8}


def test_a_case_that_fails_tells_its_last_words(tmp_path: Path) -> None:
    """The end of standard error is the reason."""
    with pytest.raises(CaseFailed, match="ended with 3: no such thing"):
        run(_python("import sys; sys.stderr.write('no such thing'); sys.exit(3)"), {}, folder=tmp_path)


def test_a_case_that_hangs_is_ended(tmp_path: Path) -> None:
    """A case has a bound, after which it is killed with all it started."""
    with pytest.raises(CaseFailed, match="ended with -9"):
        run(_python("import time; time.sleep(600)"), {}, folder=tmp_path, seconds=0.05)
