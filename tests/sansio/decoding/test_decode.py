"""One export from bytes to batches: the whole chain, for whole and damaged objects."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

import pytest

from asyncexport.batch import Batch
from asyncexport.errors import (
    AsyncexportError,
    BombLimit,
    GzipTruncated,
    JsonSyntax,
    JsonTruncated,
    NotAnExport,
    RowTooLarge,
)
from asyncexport.sansio.decoding.decode import Decoder
from asyncexport.sansio.decoding.gunzip import GunzipLimits
from asyncexport.sansio.decoding.rows import RowLimits
from tests.support import feed_all, feed_every_way, pieces_of

ROWS = [{"campaignId": str(number), "name": f"Campaign {number} ü", "bid": number / 8} for number in range(5)]
TEXT = json.dumps(ROWS).encode()


def decode(data: bytes) -> list[object]:
    return [row for batch in feed_every_way(Decoder, data) for row in batch.rows()]


def test_gzip_and_plain_give_the_same_rows() -> None:
    """Packed or not, the rows are the same."""
    assert decode(gzip.compress(TEXT)) == decode(TEXT) == ROWS


def test_the_empty_export_of_the_live_api_has_no_rows() -> None:
    """The 22 bytes that were recorded from the live API are a success."""
    assert decode(bytes.fromhex("1f8b08000000000000008b8e050029bb4c0d02000000")) == []


def test_it_knows_how_many_rows_came_and_how_the_end_is_known() -> None:
    """Rows count when they are whole; the first bytes tell how wholeness is known."""
    data, decoder = gzip.compress(TEXT), Decoder()
    assert (decoder.rows, decoder.integrity, repr(decoder)) == (0, "", "<Decoder undecided, 0 rows>")
    feed_all(decoder, pieces_of(data, 10))
    assert (decoder.rows, decoder.integrity, repr(decoder)) == (5, "gzip", "<Decoder gzip, 5 rows>")


@pytest.mark.parametrize("data", [gzip.compress(TEXT, mtime=0), TEXT], ids=["gzip", "plain"])
def test_every_proper_prefix_is_refused(data: bytes) -> None:
    """Half an object is never an export."""
    for end in range(len(data)):
        with pytest.raises((GzipTruncated, JsonTruncated)):
            feed_all(Decoder(), iter([data[:end]]))


def test_no_flipped_bit_of_a_gzip_file_changes_a_row() -> None:
    """Each single-bit flip is a typed error or changes nothing."""
    data = gzip.compress(TEXT, mtime=0)
    whole, refused = feed_all(Decoder(), iter([data])), 0
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            assert feed_all(Decoder(), iter([bytes(damaged)])) == whole
        except AsyncexportError:
            refused += 1
    assert refused > 8 * (len(data) - 9)


@pytest.mark.parametrize(
    "tail",
    [b"\0", b"[]", b"\n", gzip.compress(b"[]"), gzip.compress(b"x")],
    ids=["nul", "array", "newline", "member", "member of no JSON"],
)
def test_nothing_may_follow_a_gzip_file(tail: bytes) -> None:
    """Bytes behind the end, or a second document in a second member, are refused."""
    with pytest.raises(AsyncexportError):
        decode(gzip.compress(TEXT) + tail)


def test_a_blank_member_at_the_end_is_still_one_document() -> None:
    """Members are one file, so blanks in a last member are blanks behind the array."""
    assert decode(gzip.compress(TEXT) + gzip.compress(b" \n")) == ROWS


def test_gzip_inside_gzip_is_refused() -> None:
    """Only one layer is opened, however good the inner file is."""
    with pytest.raises(JsonSyntax, match="gzip inside gzip"):
        decode(gzip.compress(gzip.compress(TEXT)))


def test_an_error_page_is_refused_with_its_first_bytes() -> None:
    """What is no export does not wait for its end."""
    with pytest.raises(NotAnExport):
        Decoder().feed(b"<?xml")


def test_limits_reach_both_parsers() -> None:
    """The limits given are the ones that hold."""
    with pytest.raises(BombLimit):
        feed_all(Decoder(gunzip=GunzipLimits(output=10)), iter([gzip.compress(TEXT)]))
    with pytest.raises(RowTooLarge):
        feed_all(Decoder(rows=RowLimits(row=10)), iter([gzip.compress(TEXT)]))


def test_a_bomb_of_rows_is_read_one_piece_at_a_time() -> None:
    """Output appears batch by batch while it is asked for, not before."""
    decoder = Decoder()
    batches: Iterator[Batch] = decoder.feed(gzip.compress(b"[" + b"{}," * 100_000 + b"{}]"))
    first = next(batches)
    assert first.count <= decoder.rows <= 32_768
    assert sum(batch.count for batch in batches) + sum(b.count for b in decoder.close()) == 100_001 - first.count


@pytest.mark.parametrize(
    "data",
    [gzip.compress(b'[{"a":1}')[:-1] + b"\xff", gzip.compress(b'[{"a":1},]'), b"[] x"],
    ids=["another size", "a comma too many", "something behind"],
)
def test_after_an_error_the_end_is_still_refused(data: bytes) -> None:
    """Who swallows the error of feed() does not get a success from close()."""
    decoder = Decoder()
    with pytest.raises(AsyncexportError):
        feed_all(decoder, iter([data]))
    with pytest.raises(AsyncexportError):
        decoder.close()
