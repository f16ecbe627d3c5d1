"""The header of one gzip member: read to its last byte and not further."""

from __future__ import annotations

import gzip
import io

import pytest

from asyncexport.errors import GzipCorrupt, TrailingGarbage
from asyncexport.sansio.decoding.gzip_header import HeaderReader

PLAIN = b"\x1f\x8b\x08\x00\0\0\0\0\0\x03"


def reader(*, later: bool = False, limit: int = 64) -> HeaderReader:
    return HeaderReader(start=100, later=later, limit=limit)


def named(name: str) -> bytes:
    file = io.BytesIO()
    with gzip.GzipFile(filename=name, mode="wb", fileobj=file, mtime=0):
        pass
    return file.getvalue()[: 10 + len(name) + 1]


@pytest.mark.parametrize("header", [PLAIN, named("campaigns.json")])
def test_it_stops_exactly_behind_the_header(header: bytes) -> None:
    """What follows the header is not touched, wherever the chunks end."""
    for cut in range(len(header)):
        head = reader()
        first = (head.feed(header[:cut], 0), head.done)
        second = (head.feed(header[cut:] + b"body", 0), head.done)
        assert (first, second) == ((cut, False), (len(header) - cut, True))
        assert head.size == len(header)


def test_it_begins_where_it_is_told() -> None:
    """The offset into the chunk is respected."""
    assert reader().feed(b"trailer" + PLAIN, 7) == 7 + len(PLAIN)


def test_the_first_member_must_look_like_gzip() -> None:
    """A wrong first byte is damage, named with its place in the file."""
    with pytest.raises(GzipCorrupt, match="byte 100") as caught:
        reader().feed(b"GIF89a", 0)
    assert type(caught.value) is GzipCorrupt


def test_behind_a_member_anything_else_is_garbage() -> None:
    """The same bytes behind a whole member are garbage behind the end."""
    with pytest.raises(TrailingGarbage) as caught:
        reader(later=True).feed(b"GIF89a", 0)
    assert caught.value.offset == 100


def test_a_damaged_header_behind_a_member_is_damage() -> None:
    """A later member that begins like gzip is judged as a member."""
    with pytest.raises(GzipCorrupt) as caught:
        reader(later=True).feed(b"\x1f\x8b\x07\x00", 0)
    assert type(caught.value) is GzipCorrupt


def test_a_header_as_large_as_the_limit_is_read() -> None:
    """The limit itself is still allowed, one byte more is not."""
    header = named("x" * 53)
    assert reader(limit=len(header)).feed(header, 0) == len(header)
    with pytest.raises(GzipCorrupt, match="larger"):
        reader(limit=len(header) - 1).feed(header, 0)
