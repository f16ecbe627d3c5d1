"""The objects for real: made once each, kept in one temporary file that has no name.

Objects are made one after the other, the smallest first, in slices between which the event loop runs; each is a stretch
of the file. So a multi-gigabyte export costs disk but no memory, one descriptor serves them all, and nothing can be
left behind: the file has been unlinked from the start. ``content`` replaces what an object holds, for tests that want a
file no honest server would make.
"""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import os
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

from asyncexport.emulator.records.data import export_bytes
from asyncexport.emulator.store.objects import ObjectKey, StoredObject, reckoned_size
from asyncexport.emulator.world import World

CHUNK = 128 * 1024

Content: TypeAlias = Callable[[ObjectKey], Iterable[bytes] | None]
"""Gives the pieces of an object's file, or None for the usual ones."""


class Spool:
    """A shelf whose objects have bytes. :meth:`work` must be running for orders to be filled."""

    def __init__(self, world: World, *, folder: Path | None = None, content: Content | None = None) -> None:
        self._world = world
        self._content = content
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._end = 0
        self._places: dict[ObjectKey, tuple[int, StoredObject]] = {}
        self._known: set[ObjectKey] = set()
        self._orders: list[tuple[int, int, ObjectKey]] = []
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def order(self, key: ObjectKey) -> None:
        """Ask for an object to be made; asking again changes nothing."""
        if key not in self._known:
            self._known.add(key)
            heapq.heappush(self._orders, (reckoned_size(self._world, key), len(self._known), key))
            self._idle.clear()
            self._wake.set()

    def find(self, key: ObjectKey) -> StoredObject | None:
        """Return the object if it is finished."""
        place = self._places.get(key)
        return None if place is None else place[1]

    async def work(self) -> None:
        """Make what is ordered, until cancelled or until something cannot be made."""
        try:
            while True:
                await self._wake.wait()
                while self._orders:
                    await self._make(heapq.heappop(self._orders)[2])
                self._wake.clear()
                self._idle.set()
        finally:
            self._idle.set()

    async def filled(self) -> None:
        """Wait until everything that was ordered is there, or the work has ended."""
        await self._idle.wait()

    def read(self, key: ObjectKey, start: int, stop: int, *, plain: bool = False) -> Iterator[bytes]:
        """Yield bytes ``start`` to ``stop`` of a finished object, or of its text, in chunks of at most 128 KiB."""
        if plain:
            return _cut(self._inflated(key), start, stop)
        offset = self._places[key][0]
        return self._stretch(offset + start, offset + stop)

    def close(self) -> None:
        """Give the disk space back."""
        self._file.close()

    async def _make(self, key: ObjectKey) -> None:
        start = self._end
        digest = hashlib.md5(usedforsecurity=False)
        last = b""
        for piece in self._pieces(key):
            self._file.write(piece)
            digest.update(piece)
            self._end += len(piece)
            last = (last + piece)[-4:]
            await asyncio.sleep(0)
        self._file.flush()
        plain_size = int.from_bytes(last, "little")
        self._places[key] = (start, StoredObject(self._end - start, plain_size, digest.hexdigest()))

    def _pieces(self, key: ObjectKey) -> Iterable[bytes]:
        chosen = self._content(key) if self._content is not None else None
        if chosen is not None:
            return chosen
        return export_bytes(self._world.profiles[key.profile_id], key.entity, key.filters, self._world.seed)

    def _stretch(self, at: int, end: int) -> Iterator[bytes]:
        while at < end:
            chunk = os.pread(self._file.fileno(), min(CHUNK, end - at), at)
            yield chunk
            at += len(chunk)

    def _inflated(self, key: ObjectKey) -> Iterator[bytes]:
        offset, stored = self._places[key]
        inflate = zlib.decompressobj(wbits=31)
        for chunk in self._stretch(offset, offset + stored.size):
            yield inflate.decompress(chunk)
        yield inflate.flush()


def _cut(chunks: Iterable[bytes], start: int, stop: int) -> Iterator[bytes]:
    at = 0
    for chunk in chunks:
        piece = chunk[max(0, start - at) : max(0, stop - at)]
        for begin in range(0, len(piece), CHUNK):
            yield piece[begin : begin + CHUNK]
        at += len(chunk)
