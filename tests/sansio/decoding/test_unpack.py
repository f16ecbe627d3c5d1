"""gzip, plain JSON or no export: decided on the first bytes."""

from __future__ import annotations

import gzip

import pytest

from asyncexport.errors import GzipCorrupt, GzipTruncated, NotAnExport
from asyncexport.sansio.decoding.gunzip import GunzipLimits
from asyncexport.sansio.decoding.unpack import Unpack
from tests.support import feed_all, feed_every_way

TEXT = b'[{"campaignId":"1"}]'


def unpacked(data: bytes) -> bytes:
    return b"".join(feed_every_way(Unpack, data))


def test_gzip_is_inflated() -> None:
    """The magic bytes decide for gzip."""
    assert unpacked(gzip.compress(TEXT)) == TEXT


@pytest.mark.parametrize("blanks", [b"", b" \r\n\t", b" " * 100_000])
def test_a_plain_array_goes_through_unchanged(blanks: bytes) -> None:
    """Plain JSON is passed on byte for byte, blanks included."""
    assert unpacked(blanks + TEXT) == blanks + TEXT


def test_integrity_names_what_was_proved() -> None:
    """A gzip file is proved by its checksums, plain JSON by length and closing bracket, nothing before two bytes."""
    undecided, zipped, plain = Unpack(), Unpack(), Unpack()
    list(undecided.feed(b"\x1f"))
    list(zipped.feed(gzip.compress(TEXT)))
    list(plain.feed(TEXT))
    assert (undecided.integrity, zipped.integrity, plain.integrity) == ("", "gzip", "length+json")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html><body>sign in</body></html>", "XML or HTML"),
        (b"<?xml version='1.0'?><Error/>", "XML or HTML"),
        (b'{"message":"Too Many Requests"}', "JSON error message"),
        (b"\xef\xbb\xbf[]", "bytes ef"),
        (b"PK\x03\x04", "bytes 50"),
        (b"\x1fx", "bytes 1f"),
        (b" \x1f\x8b", "bytes 1f"),
        (b"  <html>", "XML or HTML"),
        (b"   ", "blanks"),
    ],
)
def test_anything_else_is_no_export(body: bytes, reason: str) -> None:
    """An error page, a JSON error or another format is refused and named, without its content."""
    with pytest.raises(NotAnExport, match=reason):
        unpacked(body)


@pytest.mark.parametrize("body", [b"", b"\x1f"])
def test_an_object_without_two_bytes_is_truncated(body: bytes) -> None:
    """An empty export is an array, never an empty object."""
    with pytest.raises(GzipTruncated, match="empty"):
        unpacked(body)


def test_a_truncated_gzip_file_is_refused_at_the_end() -> None:
    """The end is handed through to the gzip parser."""
    with pytest.raises(GzipTruncated):
        unpacked(gzip.compress(TEXT)[:-1])


def test_only_one_layer_is_opened() -> None:
    """A gzip file inside gzip comes out as gzip."""
    inner = gzip.compress(TEXT)
    assert unpacked(gzip.compress(inner)) == inner


def test_limits_reach_the_gzip_parser() -> None:
    """The limits given are the ones that hold."""
    with pytest.raises(GzipCorrupt, match="larger than 9 bytes"):
        feed_all(Unpack(GunzipLimits(header=9)), iter([gzip.compress(TEXT)]))


def test_repr_says_what_was_decided() -> None:
    """One line."""
    parser = Unpack()
    assert repr(parser) == "<Unpack undecided>"
    list(parser.feed(TEXT))
    assert repr(parser) == "<Unpack length+json>"
