"""``make fuzz``: coverage-guided fuzzing of the decoder by atheris, against ``gzip`` and ``json``.

The first byte of an input chooses how it is fed and whether it is packed first, so that the fuzzer need not guess
checksums to get at the JSON; the rest is the file or its text. Corpus and findings are kept in ``.fuzz``. Give the
fuzzer's own options behind ``--``: ``python -m tests.faults.fuzz -- -max_total_time=60``.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["asyncexport"]):
    from tests.faults.oracle import judge
    from tests.faults.test_fuzz import FILES, TEXT

_STEPS = (1, 7, 65_536)
_CORPUS = Path(".fuzz")


def test_one_input(data: bytes) -> None:
    """Judge one input."""
    choice, rest = data[:1] or b"\0", data[1:]
    step = _STEPS[choice[0] % 3]
    judge(gzip.compress(rest, 1, mtime=0) if choice[0] & 0x80 else rest, step)


def main() -> None:
    """Seed the corpus and search."""
    _CORPUS.mkdir(exist_ok=True)
    for number, file in enumerate(FILES):
        (_CORPUS / f"file-{number}").write_bytes(b"\x02" + file)
    (_CORPUS / "text").write_bytes(b"\x82" + TEXT)
    sys.set_int_max_str_digits(0)
    options = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []
    atheris.Setup([sys.argv[0], *options, str(_CORPUS)], test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
