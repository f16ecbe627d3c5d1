"""Who inflates: ISA-L where it is installed, zlib otherwise, behind one face.

Contract: a :class:`Backend` makes raw inflaters of zlib's shape and counts CRC-32. Both give the same bytes for every
good stream and are bounded by ``max_length``. They differ in three ways: their exceptions are of different types; after
the end of the stream zlib keeps its old ``unconsumed_tail`` beside ``unused_data``, so the tail counts only while
``eof`` is false; ISA-L reads on through a few kinds of damage (an incomplete set of codes) that zlib names at once, so
that only the checksum tells. ISA-L is about three times as fast. It is chosen when this module is imported.

Worst case: where there is no wheel of ISA-L, the pace of zlib.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

_RAW = -zlib.MAX_WBITS


class Inflater(Protocol):
    """An object as :func:`zlib.decompressobj` makes it."""

    @property
    def eof(self) -> bool: ...

    @property
    def unconsumed_tail(self) -> bytes: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Backend:
    """A library: ``inflater()`` begins a raw deflate stream, which raises ``error`` when it is damaged."""

    name: str
    inflater: Callable[[], Inflater]
    crc32: Callable[[bytes, int], int]
    error: type[Exception]


ZLIB: Final = Backend("zlib", lambda: zlib.decompressobj(_RAW), zlib.crc32, zlib.error)


def _isal() -> Backend | None:
    try:
        library = importlib.import_module("isal.isal_zlib")
    except ImportError:  # there are no wheels for some processors
        return None
    return Backend("isal", lambda: library.decompressobj(_RAW), library.crc32, library.error)


ISAL: Final = _isal()
FASTEST: Final = ISAL or ZLIB
