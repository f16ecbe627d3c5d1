"""``python -m benchmarks.decode``: the decoder against what is possible, and against decoding the whole file at once.

Each case runs in a process of its own, which reports its peak memory; the cases of a shape take turns, several times,
and medians of processor time are compared. The limits are sums: inflating alone, and parsing pieces of 32 KiB that were
cut at true ends of rows beforehand, so no decoder that must find those ends can reach them. Ratios are of one run.
"""

from __future__ import annotations

import argparse
import gc
import gzip
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import orjson

from asyncexport.sansio.decode import Decoder
from asyncexport.sansio.gunzip import GunzipLimits
from asyncexport.sansio.inflating import FASTEST
from asyncexport.sansio.rows import RowLimits
from benchmarks.shapes import SHAPES

_CHUNK = 65_536
_PIECE = 32_768
_RATIO = GunzipLimits(ratio=1 << 40)
_LIMITS = RowLimits(row=1 << 30)
_RAW = msgspec.json.Decoder(list[msgspec.Raw])


def _decoded(data: bytes, *, objects: bool, rows: bool) -> Callable[[], int]:
    def run() -> int:
        decoder, size = Decoder(gunzip=_RATIO, rows=_LIMITS, objects=objects), 0
        for at in range(0, len(data), _CHUNK):
            for batch in decoder.feed(data[at : at + _CHUNK]):
                size += len(batch.rows() if rows else batch.text)
        return size + sum(len(batch.rows() if rows else batch.text) for batch in decoder.close())

    return run


def _inflate(data: bytes) -> int:
    inflater, at, size, crc, ended = FASTEST.inflater(), 10, 0, 0, False
    while not ended:
        fed = data[at : at + _CHUNK]
        made = inflater.decompress(fed, _PIECE)
        crc = FASTEST.crc32(made, crc)
        size += len(made)
        ended = inflater.eof
        at += len(fed) - len(inflater.unused_data if ended else inflater.unconsumed_tail)
    if crc != int.from_bytes(data[-8:-4], "little"):
        raise ValueError("the file is damaged")
    return size


def _ready(data: bytes) -> list[bytes]:
    """Cut the text between rows into arrays of about 32 KiB."""
    pieces: list[bytes] = []
    held: list[bytes] = []
    size = 0
    for row in msgspec.json.decode(gzip.decompress(data), type=list[msgspec.Raw]):
        held.append(bytes(row))
        size += len(held[-1])
        if size >= _PIECE:
            pieces.append(b"[" + b",".join(held) + b"]")
            held, size = [], 0
    return [*pieces, b"[" + b",".join(held) + b"]"]


def _limit(data: bytes, parse: Callable[[bytes], object]) -> Callable[[], int]:
    pieces = _ready(data)

    def run() -> int:
        size = _inflate(data)
        for piece in pieces:
            parse(piece)
        return size

    return run


def _split(piece: bytes) -> None:
    _RAW.decode(piece)
    if not piece.isascii():
        str(piece, "utf-8")


def _whole(data: bytes, *, collector: bool) -> Callable[[], int]:
    def run() -> int:
        if not collector:
            gc.disable()
        return len(orjson.loads(zlib.decompress(data, 31)))

    return run


CASES: dict[str, Callable[[bytes], Callable[[], int]]] = {
    "objects": lambda data: _decoded(data, objects=True, rows=True),
    "limit of objects": lambda data: _limit(data, orjson.loads),
    "text": lambda data: _decoded(data, objects=False, rows=False),
    "limit of text": lambda data: _limit(data, _split),
    "text, then objects": lambda data: _decoded(data, objects=False, rows=True),
    "whole, collector off": lambda data: _whole(data, collector=False),
    "whole, collector on": lambda data: _whole(data, collector=True),
}


def measured(case: str, path: Path) -> tuple[float, int]:
    """Run one case in this process; return seconds of the processor and peak memory in bytes."""
    data = path.read_bytes()
    run = CASES[case](data)
    if case.startswith("limit"):
        run()
    began = time.process_time()
    run()
    return time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _in_a_process(case: str, path: Path) -> tuple[float, int]:
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.decode", "--case", case, "--file", str(path)],
        stdout=subprocess.PIPE,
        check=True,
    )
    seconds, peak = json.loads(ended.stdout)
    return float(seconds), int(peak)


def _write(path: Path, shape: str, size: int) -> int:
    made = 0
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as file:
        for text in SHAPES[shape](size):
            made += file.write(text.encode())
    return made


def _rows(shape: str, size: int, repeats: int, folder: Path) -> Iterator[str]:
    path = folder / f"{shape}.json.gz"
    made = _write(path, shape, size)
    seconds: dict[str, list[float]] = {case: [] for case in CASES}
    peaks: dict[str, int] = dict.fromkeys(CASES, 0)
    for _ in range(repeats):
        for case in CASES:
            used, peak = _in_a_process(case, path)
            seconds[case].append(used)
            peaks[case] = max(peaks[case], peak)
    path.unlink()
    took = {case: statistics.median(each) for case, each in seconds.items()}
    yield (
        f"| {shape} | {made / took['objects'] / 1e6:.0f} | {took['limit of objects'] / took['objects']:.2f} "
        f"| {took['whole, collector off'] / took['objects']:.1f} | {took['whole, collector on'] / took['objects']:.1f} "
        f"| {made / took['text'] / 1e6:.0f} | {took['limit of text'] / took['text']:.2f} "
        f"| {made / took['text, then objects'] / 1e6:.0f} "
        f"| {peaks['objects'] >> 20} / {peaks['text'] >> 20} / {peaks['whole, collector off'] >> 20} "
        f"| {max((max(each) - min(each)) / statistics.median(each) for each in seconds.values()):.0%} |"
    )


def main() -> None:
    """Print the table, or run one case."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decode", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=50, help="text of each export")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--case", choices=CASES, help="run this case alone and print seconds and peak memory")
    parser.add_argument("--file", type=Path, help="what --case decodes")
    options = parser.parse_args()
    if options.case:
        print(json.dumps(measured(options.case, options.file)))
        return
    print(
        "| shape | objects, MB/s | of its limit | x whole, collector off | x whole, collector on "
        "| text, MB/s | of its limit | text, then objects, MB/s | peak MiB: objects / text / whole | widest spread |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for shape in options.shapes:
            for row in _rows(shape, options.megabytes * 10**6, options.repeats, Path(folder)):
                print(row, flush=True)


if __name__ == "__main__":
    main()
