"""Objects with bytes."""

from __future__ import annotations

import asyncio
import gzip
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from asyncexport.emulator.records.data import EMPTY_EXPORT, export_bytes
from asyncexport.emulator.store.objects import ObjectKey
from asyncexport.emulator.store.spool import CHUNK, Spool
from asyncexport.models import Entity, Filters
from tests.emulator.rowing import PROFILE, WORLD


def key_of(entity: Entity) -> ObjectKey:
    return ObjectKey.of(PROFILE.profile_id, entity, Filters())


@asynccontextmanager
async def working(**options: Any) -> AsyncIterator[Spool]:
    spool = Spool(WORLD, **options)
    worker = asyncio.create_task(spool.work())
    try:
        yield spool
    finally:
        worker.cancel()
        await asyncio.wait([worker])
        spool.close()


async def test_an_ordered_object_is_made_as_the_data_says() -> None:
    """Its bytes are those of the export, its size and ETag are known."""
    async with working() as spool:
        for entity in Entity:
            assert spool.find(key_of(entity)) is None
            spool.order(key_of(entity))
        await spool.filled()
        for entity in Entity:
            expected = b"".join(export_bytes(PROFILE, entity, Filters(), WORLD.seed))
            stored = spool.find(key_of(entity))
            assert stored is not None
            assert (stored.size, stored.plain_size) == (len(expected), len(gzip.decompress(expected)))
            assert len(stored.etag) == 32
            assert b"".join(spool.read(key_of(entity), 0, stored.size)) == expected


async def test_any_piece_can_be_read_in_chunks() -> None:
    """A stretch of the object, or of its text, comes in chunks of at most 128 KiB."""
    async with working() as spool:
        key = key_of(Entity.TARGETS)
        spool.order(key)
        await spool.filled()
        stored = spool.find(key)
        assert stored is not None
        whole = b"".join(spool.read(key, 0, stored.size))
        assert b"".join(spool.read(key, 1_000, stored.size - 7)) == whole[1_000:-7]
        plain = list(spool.read(key, 5_000, 700_000, plain=True))
        assert b"".join(plain) == gzip.decompress(whole)[5_000:700_000]
        assert max(map(len, plain)) <= CHUNK


async def test_an_object_is_made_once() -> None:
    """Ordering again changes nothing."""
    made: list[ObjectKey] = []

    def content(key: ObjectKey) -> Iterable[bytes]:
        made.append(key)
        return [EMPTY_EXPORT]

    async with working(content=content) as spool:
        for _ in range(3):
            spool.order(key_of(Entity.ADS))
            await spool.filled()
    assert made == [key_of(Entity.ADS)]


async def test_small_objects_come_first() -> None:
    """Of what waits, the smallest is made next."""
    made: list[Entity] = []

    def content(key: ObjectKey) -> Iterable[bytes]:
        made.append(key.entity)
        return [EMPTY_EXPORT]

    async with working(content=content) as spool:
        for entity in (Entity.TARGETS, Entity.ADS, Entity.CAMPAIGNS):
            spool.order(key_of(entity))
        await spool.filled()
    assert made == [Entity.CAMPAIGNS, Entity.ADS, Entity.TARGETS]


async def test_content_can_be_replaced_object_by_object() -> None:
    """None leaves the usual one."""
    async with working(content=lambda key: [b"not ", b"gzip"] if key.entity is Entity.ADS else None) as spool:
        spool.order(key_of(Entity.ADS))
        spool.order(key_of(Entity.CAMPAIGNS))
        await spool.filled()
        assert b"".join(spool.read(key_of(Entity.ADS), 0, 8)) == b"not gzip"
        assert b"".join(spool.read(key_of(Entity.CAMPAIGNS), 0, 2)) == b"\x1f\x8b"


async def test_the_loop_runs_while_an_object_is_made() -> None:
    """Other tasks get their turn many times before a large object is finished."""
    turns = 0
    async with working() as spool:
        spool.order(key_of(Entity.TARGETS))
        while spool.find(key_of(Entity.TARGETS)) is None:
            turns += 1
            await asyncio.sleep(0)
    assert turns > 50


async def test_nothing_lies_in_the_folder(tmp_path: Path) -> None:
    """The file has no name, neither while it is used nor after."""
    async with working(folder=tmp_path) as spool:
        spool.order(key_of(Entity.CAMPAIGNS))
        await spool.filled()
        assert os.listdir(tmp_path) == []  # noqa: PTH208


async def test_a_maker_that_fails_ends_the_work() -> None:
    """The worker's error is the maker's."""

    def content(_: ObjectKey) -> Iterable[bytes]:
        raise RuntimeError("no such content")

    spool = Spool(WORLD, content=content)
    spool.order(key_of(Entity.ADS))
    with pytest.raises(RuntimeError, match="no such content"):
        await spool.work()
    spool.close()
