"""gzip: whole or refused, bounded, at any chunking, whoever inflates."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport.errors import BombLimit, DecodeError, GzipCorrupt, GzipTruncated, TrailingGarbage
from asyncexport.sansio.decoding import gunzip as module
from asyncexport.sansio.decoding.gunzip import PIECE, Gunzip, GunzipLimits
from asyncexport.sansio.decoding.inflating import Backend
from tests.sansio.decoding.test_inflating import BACKENDS
from tests.support import feed_all, feed_every_way, steady

EMPTY_EXPORT = bytes.fromhex("1f8b08000000000000008b8e050029bb4c0d02000000")
TEXT = b'[{"campaignId":"1","name":"\xc3\xbcber"},{"campaignId":"2","name":"two"}]'


@pytest.fixture(params=BACKENDS, ids=lambda backend: backend.name, scope="module", autouse=True)
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """Run every test of this module with every library that inflates."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "FASTEST", request.param)
        yield request.param


def test_the_backend_under_test_is_the_one_that_works(backend: Backend) -> None:
    """Without another word the fastest library inflates; one that is named is taken."""
    assert Gunzip()._backend is backend
    assert all(Gunzip(backend=each)._backend is each for each in BACKENDS)


def member(data: bytes, *, flags: int = 0, fields: bytes = b"", method: int = 8) -> bytes:
    """Build one gzip member by hand."""
    deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
    body = deflate.compress(data) + deflate.flush()
    header = b"\x1f\x8b" + bytes([method, flags]) + b"\0\0\0\0\0\0" + fields
    trailer = zlib.crc32(data).to_bytes(4, "little") + (len(data) & 0xFFFF_FFFF).to_bytes(4, "little")
    return header + body + trailer


def gunzip(data: bytes, limits: GunzipLimits | None = None) -> bytes:
    return b"".join(feed_every_way(lambda: Gunzip(limits), data))


def test_the_empty_export_of_the_live_api_is_two_brackets() -> None:
    """The 22 bytes that were recorded from the live API inflate to an empty array."""
    assert gunzip(EMPTY_EXPORT) == b"[]"


@pytest.mark.parametrize("level", range(10))
def test_every_compression_level_is_read(level: int) -> None:
    """Stored, fixed and dynamic blocks all inflate."""
    assert gunzip(gzip.compress(TEXT * 50, level)) == TEXT * 50


@pytest.mark.parametrize("size", [PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 5])
def test_output_that_just_fills_a_piece_is_whole(size: int) -> None:
    """A piece that is exactly full does not hide that more, or the end, follows."""
    data = bytes(size)
    assert gunzip(gzip.compress(data)) == data


def test_members_are_joined() -> None:
    """Several members, empty ones among them, are one file."""
    assert gunzip(member(b"one") + member(b"") + member(b"two") + member(b"")) == b"onetwo"


def test_a_member_may_end_at_any_edge_of_a_chunk() -> None:
    """Wherever a file of several members is cut in two, it reads the same."""
    data = member(b"one", flags=0x08, fields=b"name\0") + member(b"") + member(b"two")
    for cut in range(len(data) + 1):
        assert b"".join(feed_all(Gunzip(), iter([data[:cut], data[cut:]]))) == b"onetwo"


def header_with_all_fields(*, spoil: int = 0) -> tuple[int, bytes]:
    flags = 0x1F
    fields = b"\x05\x00extra" + b"name\0" + b"a comment\0"
    start = b"\x1f\x8b\x08" + bytes([flags]) + b"\0\0\0\0\0\0"
    crc = zlib.crc32(start + fields) & 0xFFFF
    return flags, fields + (crc ^ spoil).to_bytes(2, "little")


def test_every_header_field_is_skipped() -> None:
    """Extra field, name, comment and header checksum are read over."""
    flags, fields = header_with_all_fields()
    assert gunzip(member(TEXT, flags=flags, fields=fields)) == TEXT


def test_an_empty_extra_field_is_skipped() -> None:
    """An extra field may be announced with length zero."""
    assert gunzip(member(TEXT, flags=0x04, fields=b"\0\0")) == TEXT


def test_a_wrong_header_checksum_is_refused() -> None:
    """The header's own checksum counts."""
    flags, fields = header_with_all_fields(spoil=1)
    with pytest.raises(GzipCorrupt, match="header's checksum"):
        gunzip(member(TEXT, flags=flags, fields=fields))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"PK\x03\x04", id="another format"),
        pytest.param(b"\x1f\x00", id="half the magic"),
        pytest.param(member(TEXT, method=7), id="another method"),
        pytest.param(member(TEXT, flags=0x20), id="a reserved flag"),
        pytest.param(
            member(TEXT)[:10] + b"\xff\xff\xff\xff" + member(TEXT)[14:], id="a block type that does not exist"
        ),
        pytest.param(member(TEXT)[:-8] + b"\0\0\0\0" + member(TEXT)[-4:], id="a wrong checksum"),
        pytest.param(member(TEXT)[:-4] + b"\0\0\0\0", id="a wrong length"),
    ],
)
def test_damage_is_refused(data: bytes) -> None:
    """Magic, header, codes, checksum and length are all verified."""
    with pytest.raises(GzipCorrupt):
        gunzip(data)


@pytest.mark.parametrize("garbage", [b"\0", bytes(512), b"x", b"\x1f\x00", TEXT])
def test_garbage_behind_the_end_is_refused(garbage: bytes) -> None:
    """Behind the last member stands nothing, not even the padding that other tools forgive; the offset is named."""
    data = gzip.compress(TEXT)
    with pytest.raises(TrailingGarbage) as caught:
        gunzip(data + garbage)
    assert caught.value.offset == len(data)


@pytest.mark.parametrize(
    "data", [b"", gzip.compress(TEXT), member(b"one") + member(b"two" * 99)], ids=["nothing", "one", "two"]
)
def test_every_proper_prefix_is_refused(data: bytes) -> None:
    """Half a file is never a file, except where a member ends."""
    whole_members = {len(member(b"one"))} if data.startswith(member(b"one")) else set()
    for end in range(len(data)):
        if end not in whole_members:
            with pytest.raises(GzipTruncated):
                feed_all(Gunzip(), iter([data[:end]]))


def test_an_empty_file_is_refused() -> None:
    """No member is not an empty export."""
    with pytest.raises(GzipTruncated, match="first byte"):
        gunzip(b"")


def test_no_flipped_bit_changes_what_is_read() -> None:
    """Each single-bit flip is a typed error or, in the fields that say nothing about the data, the same data."""
    data = gzip.compress(TEXT, mtime=0)
    harmless = set()
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            assert b"".join(feed_all(Gunzip(), iter([bytes(damaged)]))) == TEXT
            harmless.add(bit // 8)
        except DecodeError:
            pass
    text_flag_time_level_and_system, last_byte_of_deflate = set(range(3, 10)), len(data) - 9
    assert harmless - {last_byte_of_deflate} == text_flag_time_level_and_system


def test_a_bomb_is_given_up_within_one_piece_of_the_ratio() -> None:
    """Beyond the first bytes that are free, output may not be more than so many times the input."""
    bomb = gzip.compress(bytes(8 * 1024 * 1024))
    parser = Gunzip(GunzipLimits(ratio=100, ratio_after=1024 * 1024))
    with pytest.raises(BombLimit, match="100 times") as caught:
        feed_all(parser, iter([bomb]))
    assert parser.bytes_out <= 1024 * 1024 + PIECE
    assert caught.value.offset == parser.bytes_in


def test_a_high_ratio_is_no_bomb_while_it_is_small() -> None:
    """An export of a few megabytes may compress as well as it likes."""
    data = bytes(2 * 1024 * 1024)
    assert b"".join(feed_all(Gunzip(), iter([gzip.compress(data)]))) == data


def test_the_output_limit_counts_over_all_members() -> None:
    """Many small members cannot add up to more than the limit."""
    with pytest.raises(BombLimit, match="more than 100 bytes"):
        gunzip(member(bytes(60)) * 2, GunzipLimits(output=100))


def test_two_hundred_thousand_empty_members_are_refused_early() -> None:
    """Members cost work without output, so they are counted; what lies behind the limit is not looked at."""
    empty = member(b"")
    parser = Gunzip()
    with pytest.raises(BombLimit, match="4096 members"):
        feed_all(parser, iter([empty * 200_000]))
    assert parser.bytes_in <= 4097 * len(empty)


def test_as_many_members_as_allowed_are_read() -> None:
    """The limit itself is still allowed."""
    assert gunzip(member(b"a") * 3, GunzipLimits(members=3)) == b"aaa"


@pytest.mark.parametrize(("flag", "start"), [(0x08, b""), (0x10, b""), (0x04, b"\xff\xff")])
def test_an_endless_header_is_refused_at_its_limit(flag: int, start: bytes) -> None:
    """A header field that never ends costs no more than the limit."""
    parser = Gunzip(GunzipLimits(header=1000))
    head = b"\x1f\x8b\x08" + bytes([flag]) + b"\0\0\0\0\0\0" + start
    with pytest.raises(GzipCorrupt, match="larger than 1000 bytes"):
        feed_all(parser, iter([head, *[b"x" * 100] * 10_000]))
    assert parser.bytes_in <= 1100


def test_nothing_is_inflated_before_it_is_asked_for() -> None:
    """Output is made piece by piece, so a bomb cannot grow ahead of who reads it."""
    parser = Gunzip()
    pieces = parser.feed(gzip.compress(bytes(10 * PIECE)))
    assert parser.bytes_out == 0
    assert len(next(pieces)) == PIECE
    assert parser.bytes_out == PIECE


def test_an_iterator_that_was_dropped_loses_nothing() -> None:
    """What was fed and not read comes out with what is fed next."""
    data = gzip.compress(bytes(5 * PIECE))
    parser = Gunzip()
    first = next(parser.feed(data[:-4]))
    rest = b"".join(parser.feed(data[-4:]))
    parser.close()
    assert first + rest == bytes(5 * PIECE)


@pytest.mark.parametrize("data", [member(TEXT)[:-8] + bytes(8), member(TEXT) + b"x", b"no gzip at all"])
def test_after_an_error_the_end_is_still_refused(data: bytes) -> None:
    """Who swallows the error of feed() does not get a success from close()."""
    parser = Gunzip()
    with pytest.raises(GzipCorrupt):
        list(parser.feed(data))
    with pytest.raises(GzipTruncated):
        parser.close()


def test_repr_says_where_it_is() -> None:
    """One line: stage, bytes and members."""
    parser = Gunzip()
    list(parser.feed(gzip.compress(b"abc")))
    assert repr(parser) == "<Gunzip in a header, 23 bytes in, 3 out, 1 members>"


@steady
@given(
    st.lists(st.tuples(st.binary(max_size=300), st.integers(0, 9)), min_size=1, max_size=4),
    st.lists(st.integers(0, 1500), max_size=6),
)
def test_what_gzip_wrote_is_read_at_any_chunking(members: list[tuple[bytes, int]], cuts: list[int]) -> None:
    """Round trip: members of any content and level, cut anywhere."""
    data = b"".join(gzip.compress(content, level) for content, level in members)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    chunks = (data[start:end] for start, end in pairwise(edges))
    assert b"".join(feed_all(Gunzip(), chunks)) == b"".join(content for content, _ in members)


@steady
@given(st.binary(max_size=200))
def test_arbitrary_bytes_end_in_a_typed_error(data: bytes) -> None:
    """Nothing but our own errors comes out, whatever is fed; what is taken, the standard library takes too."""
    file = b"\x1f\x8b\x08\x00" + data
    try:
        made = gunzip(file)
    except (GzipCorrupt, GzipTruncated, BombLimit):
        return
    assert made == gzip.decompress(file)
