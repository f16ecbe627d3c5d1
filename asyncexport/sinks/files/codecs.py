"""How text is stored: zstd, gzip or as it is, always the same bytes for the same text.

zstd comes from the standard library where it has it (3.14) and from its backport otherwise; frames carry a checksum.
gzip headers carry no time. Worst case: an encoder holds one block of at most a few hundred KiB.
"""

from __future__ import annotations

import sys
import zlib
from collections import defaultdict
from typing import ClassVar, Final, Literal, Protocol, TypeAlias

from asyncexport.errors import ConfigError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["SUFFIXES", "Compression", "Encoder", "check_compression", "encoder", "zstd"]

Compression: TypeAlias = Literal["zstd", "gzip", "none"]

SUFFIXES: Final[dict[str, str]] = {"zstd": ".jsonl.zst", "gzip": ".jsonl.gz", "none": ".jsonl"}

_ZSTD_LEVEL = 3
_GZIP_LEVEL = 6
_GZIP_CONTAINER = 16
_PARAMETER = zstd.CompressionParameter
_SPARE = 4
"""So many compressors of a level are kept for the next frames."""
_CHEAP = _ZSTD_LEVEL
"""Up to this level a compressor holds no more than three megabytes; of the highest one, 700."""


class Encoder(Protocol):
    """One stream: text in, stored bytes out; ``flush()`` ends it."""

    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


class _Plain:
    @staticmethod
    def compress(data: bytes, /) -> bytes:
        return data

    @staticmethod
    def flush() -> bytes:
        return b""


class _Zstd:
    """Takes a compressor for one frame: making one touches a megabyte, which is most of what a small file costs.

    Those of high levels hold far more, and end with their frame.
    """

    _spare: ClassVar[dict[int, list[zstd.ZstdCompressor]]] = defaultdict(list)

    def __init__(self, level: int) -> None:
        self._level = level
        try:
            self._compressor: zstd.ZstdCompressor | None = self._spare[level].pop()
        except IndexError:
            options: dict[int, int] = {_PARAMETER.compression_level: level, _PARAMETER.checksum_flag: 1}
            self._compressor = zstd.ZstdCompressor(options=options)

    def compress(self, data: bytes, /) -> bytes:
        return self._own.compress(data)

    def flush(self) -> bytes:
        compressor, self._compressor = self._own, None
        rest = compressor.flush()
        if self._level <= _CHEAP and len(self._spare[self._level]) < _SPARE:
            self._spare[self._level].append(compressor)
        return rest

    @property
    def _own(self) -> zstd.ZstdCompressor:
        if self._compressor is None:
            raise ValueError("the frame has ended")
        return self._compressor


def check_compression(compression: str, level: int | None) -> None:
    """Raise :class:`ConfigError` unless :func:`encoder` can do this."""
    if compression not in SUFFIXES:
        raise ConfigError(f"compression {compression!r} is none of {', '.join(SUFFIXES)}")
    low, high = _levels(compression)
    if level is not None and not low <= level <= high:
        allowed = f"from {low} to {high}" if high else "not to be given"
        raise ConfigError(f"compression level {level} does not exist: for {compression} it is {allowed}")


def encoder(compression: str, level: int | None) -> Encoder:
    """Return a new stream. ``level`` None: the usual one (zstd 3, gzip 6)."""
    match compression:
        case "zstd":
            return _Zstd(_ZSTD_LEVEL if level is None else level)
        case "gzip":
            strength = _GZIP_LEVEL if level is None else level
            return zlib.compressobj(strength, zlib.DEFLATED, zlib.MAX_WBITS + _GZIP_CONTAINER)
        case _:
            return _Plain()


def _levels(compression: str) -> tuple[int, int]:
    match compression:
        case "zstd":
            return 1, zstd.CompressionParameter.compression_level.bounds()[1]
        case "gzip":
            return 1, 9
        case _:
            return 1, 0
