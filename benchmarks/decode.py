"""``python -m benchmarks.decode``: the decoder against what is possible, and against decoding the whole file at once.

Each case runs in a process of its own, which reports its peak memory; the cases of a shape take turns, several times,
and seconds of the processor are compared: each ratio is the median of those of the single rounds. The limits are sums:
inflating alone, and parsing pieces that were cut at true ends of rows beforehand, so no decoder that must find those
ends can reach them. One of the limits runs twice in each round: how far from 1 that ratio is tells the noise.

``--growth`` measures shapes that are meant to be hard at twice and four times the size instead.
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

from asyncexport.sansio.decoding.decode import Decoder
from asyncexport.sansio.decoding.gunzip import GunzipLimits
from asyncexport.sansio.decoding.inflating import FASTEST
from asyncexport.sansio.decoding.pieces import lines_of, rows_of
from asyncexport.sansio.decoding.rows import BATCH, OBJECTS, RowLimits
from benchmarks.shapes import SHAPES

_CHUNK = 65_536
_SLICE = 16_384
_INFLATED = 65_536
_WARM = 3
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
        fed = data[at : at + _SLICE]
        made = inflater.decompress(fed, _INFLATED)
        crc = FASTEST.crc32(made, crc)
        size += len(made)
        ended = inflater.eof
        at += len(fed) - len(inflater.unused_data if ended else inflater.unconsumed_tail)
    if crc != int.from_bytes(data[-8:-4], "little"):
        raise ValueError("the file is damaged")
    return size


def _ready(data: bytes, wanted: int) -> list[bytes]:
    """Cut the text between rows into arrays of about ``wanted`` bytes, each as it is spelt."""
    text, pieces, start, end = gzip.decompress(data), [], 0, 0
    for row in msgspec.json.decode(text, type=list[msgspec.Raw]):
        begin = text.index(b"{", end)
        start = start or begin
        end = begin + len(row)
        if end - start >= wanted:
            pieces.append(b"[" + text[start:end] + b"]")
            start = 0
    return [*pieces, b"[" + text[start:end] + b"]"] if start else pieces


def _limit(data: bytes, parse: Callable[[bytes], object], wanted: int = BATCH) -> Callable[[], int]:
    pieces = _ready(data, wanted)

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
    "limit of objects": lambda data: _limit(data, orjson.loads, OBJECTS),
    "limit of judged objects": lambda data: _limit(data, lambda piece: rows_of(piece, _LIMITS.depth), OBJECTS),
    "text": lambda data: _decoded(data, objects=False, rows=False),
    "limit of text": lambda data: _limit(data, _split),
    "limit of text again": lambda data: _limit(data, _split),
    "limit of judged text": lambda data: _limit(data, lambda piece: lines_of(piece, _LIMITS.depth)),
    "text, then objects": lambda data: _decoded(data, objects=False, rows=True),
    "whole, collector off": lambda data: _whole(data, collector=False),
    "whole, collector on": lambda data: _whole(data, collector=True),
}


def measured(case: str, path: Path) -> tuple[float, int]:
    """Run one case in this process; return seconds of the processor and peak memory in bytes."""
    data = path.read_bytes()
    run = CASES[case](data)
    seconds = []
    for _ in range(1 if case.startswith("whole") else _WARM):
        began = time.process_time()
        run()
        seconds.append(time.process_time() - began)
    return statistics.median(seconds), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


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

    def ratio(one: str, other: str) -> float:
        return statistics.median(a / b for a, b in zip(seconds[one], seconds[other], strict=True))

    def pace(case: str) -> str:
        return f"{made / statistics.median(seconds[case]) / 1e6:.0f}"

    yield (
        f"| {shape} | {pace('objects')} | {ratio('limit of objects', 'objects'):.2f} "
        f"| {ratio('limit of judged objects', 'objects'):.2f} "
        f"| {ratio('whole, collector off', 'objects'):.1f} | {ratio('whole, collector on', 'objects'):.1f} "
        f"| {pace('text')} | {ratio('limit of text', 'text'):.2f} | {ratio('limit of judged text', 'text'):.2f} "
        f"| {pace('text, then objects')} "
        f"| {peaks['objects'] >> 20} / {peaks['text'] >> 20} / {peaks['whole, collector off'] >> 20} "
        f"| {ratio('limit of text', 'limit of text again'):.2f} |"
    )


def _growth(shape: str, size: int, repeats: int, folder: Path) -> str:
    """Return a row of the table of growth: how many times as long twice and four times the text take."""
    took: dict[tuple[str, int], list[float]] = {}
    for times in (1, 2, 4):
        _write(folder / f"{times}.json.gz", shape, times * size)
    for _ in range(repeats):
        for case in ("text", "objects"):
            for times in (1, 2, 4):
                took.setdefault((case, times), []).append(_in_a_process(case, folder / f"{times}.json.gz")[0])
    median = {key: statistics.median(each) for key, each in took.items()}
    cells = [
        f"{times * size / median[case, times] / 1e6:.0f} | {median[case, 2] / median[case, 1]:.1f} "
        f"| {median[case, 4] / median[case, 2]:.1f}"
        for case, times in (("text", 4), ("objects", 4))
    ]
    return f"| {shape} | {' | '.join(cells)} |"


def main() -> None:
    """Print the table, or run one case."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decode", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=50, help="text of each export")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--growth", action="store_true", help="measure at once, twice and four times the size")
    parser.add_argument("--case", choices=CASES, help="run this case alone and print seconds and peak memory")
    parser.add_argument("--file", type=Path, help="what --case decodes")
    options = parser.parse_args()
    if options.case:
        print(json.dumps(measured(options.case, options.file)))
        return
    if options.growth:
        print("| shape | text, MB/s | x twice | x twice again | objects, MB/s | x twice | x twice again |")
        print("|---|---|---|---|---|---|---|")
        with tempfile.TemporaryDirectory() as folder:
            for shape in options.shapes:
                print(_growth(shape, options.megabytes * 10**6, options.repeats, Path(folder)), flush=True)
        return
    print(
        "| shape | objects, MB/s | of its limit | of judged objects' | x whole, collector off | x whole, collector on "
        "| text, MB/s | of its limit | of judged text's | text, then objects, MB/s "
        "| peak MiB: objects / text / whole | limit, twice |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for shape in options.shapes:
            for row in _rows(shape, options.megabytes * 10**6, options.repeats, Path(folder)):
                print(row, flush=True)


if __name__ == "__main__":
    main()
