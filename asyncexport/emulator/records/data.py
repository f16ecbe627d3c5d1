"""The rows an export holds, and the gzip file they come in.

``rows`` walks the profile's tree and yields each row that passes the filters as compact JSON in UTF-8, nothing escaped
that need not be. A row is the same whatever the filters are: they only decide whether it is there. ``pieces`` makes
the file: one JSON array, one gzip member whose header is that of Java's ``GZIPOutputStream`` (no time, no level, OS 0),
so that the empty export is exactly the 22 bytes seen in the wild. Both are lazy: memory does not grow
with the export.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import orjson

from asyncexport.emulator.records.ad_records import ad_rows
from asyncexport.emulator.records.campaign_records import ad_group_rows, campaign_rows
from asyncexport.emulator.records.palette import Palette
from asyncexport.emulator.records.target_records import Wanted, target_rows
from asyncexport.emulator.records.tree import Campaign, campaigns
from asyncexport.emulator.world import Advertiser
from asyncexport.models import Entity, Filters

EMPTY_EXPORT = bytes.fromhex("1f8b08000000000000008b8e050029bb4c0d02000000")
"""The file of an export without rows."""

_HEADER = bytes.fromhex("1f8b0800000000000000")
_SLICE = 64 * 1024

Maker = Callable[[Campaign], Iterator[dict[str, Any]]]


def rows(profile: Advertiser, entity: Entity, filters: Filters, seed: int) -> Iterator[bytes]:
    """Yield the profile's rows of one file, each one JSON object; the same arguments give the same bytes."""
    make = _maker(Palette(profile, seed), entity, filters)
    products = frozenset(filters.ad_products)
    for campaign in campaigns(profile, seed):
        if campaign.product in products:
            yield from map(orjson.dumps, make(campaign))


def _maker(palette: Palette, entity: Entity, filters: Filters) -> Maker:
    states, wanted = frozenset(filters.states), Wanted(filters)
    makers: dict[Entity, Maker] = {
        Entity.CAMPAIGNS: lambda campaign: campaign_rows(palette, campaign, states),
        Entity.AD_GROUPS: lambda campaign: ad_group_rows(palette, campaign, states),
        Entity.TARGETS: lambda campaign: target_rows(palette, campaign, wanted),
        Entity.ADS: lambda campaign: ad_rows(palette, campaign, states),
    }
    return makers[entity]


def text(records: Iterable[bytes]) -> Iterator[bytes]:
    """Join rows into the text of one JSON array, handed out in slices of about 64 KiB."""
    held = bytearray(b"[")
    comma = b""
    for record in records:
        held += comma
        held += record
        comma = b","
        if len(held) >= _SLICE:
            yield bytes(held)
            held.clear()
    yield bytes(held + b"]")


def pieces(slices: Iterable[bytes], *, level: int = 6) -> Iterator[bytes]:
    """Compress a text into one gzip member, handed out slice by slice: one piece (maybe empty) for each, one more."""
    deflate = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    checksum = length = 0
    held = _HEADER
    for part in slices:
        checksum = zlib.crc32(part, checksum)
        length += len(part)
        yield held + deflate.compress(part)
        held = b""
    yield held + deflate.flush() + struct.pack("<LL", checksum, length & 0xFFFFFFFF)


def export_bytes(
    profile: Advertiser, entity: Entity, filters: Filters, seed: int, *, level: int = 6
) -> Iterator[bytes]:
    """Yield the gzip file of one export piece by piece."""
    return pieces(text(rows(profile, entity, filters, seed)), level=level)
