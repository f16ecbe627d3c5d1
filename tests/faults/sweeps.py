"""``make sweeps``: what is too large for every run. Each case in a process of its own, its memory measured.

``python -m tests.faults.sweeps`` runs all and prints a table; ``--case NAME`` one, in this process. Everything is
streamed: what is fed is made piece by piece, and what comes out is dropped, so that resident memory is the decoder's
own. Growth is counted from behind a small export that was decoded first, to the highest point the system saw.
"""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from asyncexport.emulator.records.data import export_bytes
from asyncexport.emulator.world import World
from asyncexport.errors import AsyncexportError
from asyncexport.models import Entity, Filters
from asyncexport.sansio.decoding.decode import Decoder
from asyncexport.sansio.decoding.gunzip import GunzipLimits
from asyncexport.sansio.decoding.rows import RowLimits

ROOT = Path(__file__).parents[2]
MIB = 1 << 20
ALLOWED_GROWTH = 32 * MIB
_PIECE = 65_536
_WIDE_ROW = b'{"a":"' + b" " * 1000 + b'"},'
_NO_RATIO = GunzipLimits(ratio=1 << 40)


@dataclass(frozen=True, slots=True)
class Case:
    """``pieces()`` are fed to ``decoder()``, which must end with ``error``. ``quick`` ones run in every CI run."""

    says: str
    pieces: Callable[[], Iterator[bytes]]
    error: str
    decoder: Callable[[], Decoder] = Decoder
    quick: bool = True


def packed(pieces: Iterator[bytes], level: int = 1) -> Iterator[bytes]:
    """Compress a stream into one gzip member."""
    packer = zlib.compressobj(level, zlib.DEFLATED, 31)
    for piece in pieces:
        yield packer.compress(piece)
    yield packer.flush()


def filled(start: bytes, unit: bytes, size: int) -> Iterator[bytes]:
    """Yield ``start`` and then ``size`` bytes of ``unit`` over and over."""
    yield start
    block = unit * (_PIECE // len(unit))
    for _ in range(size // len(block)):
        yield block


def noise(start: bytes, size: int) -> Iterator[bytes]:
    """Yield ``start`` and then ``size`` bytes of text that hardly compresses."""
    yield start
    value = 1
    for _ in range(size // _PIECE):
        value = value * 6364136223846793005 % (1 << 521) + 1
        yield (f"{value:x}" * 600)[:_PIECE].encode()


def nested(size: int) -> Iterator[bytes]:
    """Yield a bomb inside of a gzip file."""
    return packed(packed(filled(b"[", b" ", size)))


def empty_members(count: int) -> Iterator[bytes]:
    """Yield so many gzip members of nothing."""
    member = gzip.compress(b"", mtime=0)
    for _ in range(count // 1000):
        yield member * 1000


CASES = {
    "bomb": Case("a bomb of 10 GB of rows", lambda: packed(filled(b"[", _WIDE_ROW, 10**10), 9), "BombLimit"),
    "bomb-output": Case(
        "10 GB of rows without a limit to the ratio, where 1 GiB of output is allowed",
        lambda: packed(filled(b"[", _WIDE_ROW, 10**10)),
        "BombLimit",
        lambda: Decoder(gunzip=GunzipLimits(ratio=1 << 40, output=1 << 30)),
        quick=False,
    ),
    "bomb-blanks": Case("10 GB of blanks", lambda: packed(filled(b"[", b" ", 10**10), 9), "BombLimit"),
    "bomb-nested": Case("a bomb inside of a gzip file", lambda: nested(10**10), "JsonSyntax", quick=False),
    "row": Case("a row of 1 GB", lambda: noise(b'[{"a":"', 10**9), "RowTooLarge"),
    "row-packed": Case("a row of 1 GB, packed", lambda: packed(noise(b'[{"a":"', 10**9)), "RowTooLarge", quick=False),
    "row-of-rows": Case(
        "a row of 1 GB that looks like rows", lambda: filled(b'[{"a":[', b'{"b":1},', 10**9), "RowTooLarge", quick=False
    ),
    "members": Case("200,000 empty members", lambda: empty_members(200_000), "BombLimit"),
    "header": Case("a file name of 1 GB", lambda: filled(b"\x1f\x8b\x08\x08" + bytes(6), b"a", 10**9), "GzipCorrupt"),
    "rows": Case("333 million empty rows", lambda: filled(b"[{}", b",{}", 10**9), "BombLimit", quick=False),
    "rows-packed": Case(
        "333 million empty rows, packed, without a limit to the ratio",
        lambda: packed(filled(b"[{}", b",{}", 10**9)),
        "BombLimit",
        lambda: Decoder(gunzip=_NO_RATIO),
        quick=False,
    ),
    "rows-limited": Case(
        "more than a million empty rows where a million is the limit",
        lambda: filled(b"[{}", b",{}", 10**8),
        "BombLimit",
        lambda: Decoder(rows=RowLimits(rows=10**6)),
        quick=False,
    ),
    "depth": Case("10 million levels", lambda: filled(b'[{"a":', b"[", 10**7), "JsonSyntax"),
    "digits": Case("a number of 1 GB", lambda: filled(b'[{"a":1', b"0", 10**9), "RowTooLarge", quick=False),
    "blanks": Case("1 GB of blanks, never closed", lambda: filled(b"[", b" ", 10**9), "JsonTruncated", quick=False),
}


@dataclass(frozen=True, slots=True)
class Found:
    """How a case ended: the error's name, megabytes fed, resident growth in bytes, CPU seconds."""

    error: str
    fed: float
    growth: int
    seconds: float


def measured(case: Case) -> Found:
    """Run one case in this process."""
    list(Decoder().feed(real_export()))
    before, began, fed, name = _peak(), time.process_time(), 0, "accepted"
    decoder = case.decoder()
    try:
        for piece in case.pieces():
            fed += len(piece)
            for _ in decoder.feed(piece):
                pass
        decoder.close()
    except AsyncexportError as error:
        name = type(error).__name__
    return Found(name, fed / 1e6, _peak() - before, time.process_time() - began)


def in_a_process(name: str) -> Found:
    """Run one case in a process of its own."""
    ended = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", "tests.faults.sweeps", "--case", name],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return Found(**json.loads(ended.stdout))


def real_export(entity: Entity = Entity.CAMPAIGNS, rows: int = 24) -> bytes:
    """Return the file of a small export as the emulator serves it."""
    world = World.generate(seed=7, accounts=1, profiles=1, rows=rows)
    profile = next(iter(world.profiles.values()))
    return b"".join(export_bytes(profile, entity, Filters(), world.seed))


def flips(data: bytes) -> Iterator[bytes]:
    """Yield ``data`` with each of its bits turned round."""
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        yield bytes(damaged)


def prefixes(data: bytes) -> Iterator[bytes]:
    """Yield every proper beginning of ``data``."""
    return (data[:end] for end in range(len(data)))


def judged(variants: Iterator[bytes], truth: bytes, step: int) -> tuple[int, int]:
    """Decode each variant; return how many were refused, and how many read as the truth. Any other is an error."""
    refused = same = 0
    for variant in variants:
        try:
            text = decoded_text(variant, step)
        except AsyncexportError:
            refused += 1
        else:
            assert text == truth, "a damaged export was accepted with other rows"
            same += 1
    return refused, same


def decoded_text(data: bytes, step: int) -> bytes:
    """Return the rows' text, fed in pieces of ``step`` bytes."""
    decoder = Decoder()
    batches = [batch for at in range(0, len(data), step) for batch in decoder.feed(data[at : at + step])]
    return b"".join(batch.text for batch in [*batches, *decoder.close()])


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _all() -> int:
    failed = 0
    for name, case in CASES.items():
        found = in_a_process(name)
        good = found.error == case.error and found.growth < ALLOWED_GROWTH
        failed += not good
        _say(
            f"| {case.says} | {found.error} | {found.fed:,.1f} MB | {found.growth / MIB:.1f} MiB | "
            f"{found.seconds:.1f} s |{'' if good else ' FAILED'}"
        )
    for entity in Entity:
        data = real_export(entity, 60)
        truth = decoded_text(data, len(data))
        for what, variants in (("prefixes", prefixes), ("bit flips", flips)):
            for step in (7, 65_536):
                refused, same = judged(variants(data), truth, step)
                _say(
                    f"| {entity.value}, {len(data)} bytes, {what}, pieces of {step} | {refused} refused | {same} same |"
                )
    return 1 if failed else 0


def main() -> int:
    """Run everything, or one case."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.sweeps", description="the large decoder sweeps")
    parser.add_argument("--case", choices=CASES)
    name = parser.parse_args().case
    if name is None:
        return _all()
    found = measured(CASES[name])
    json.dump({"error": found.error, "fed": found.fed, "growth": found.growth, "seconds": found.seconds}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
