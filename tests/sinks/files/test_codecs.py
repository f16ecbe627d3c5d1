"""How text is stored: readable by others, the same bytes for the same text."""

from __future__ import annotations

import gzip
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport.errors import ConfigError
from asyncexport.sinks.files.codecs import SUFFIXES, _Zstd, check_compression, encoder, zstd
from tests.support import steady

TEXT = b"".join(b'{"campaignId":"%d","name":"Campaign %d"}\n' % (number * 7919, number) for number in range(12_000))


def stored(compression: str, text: bytes, cuts: list[int], level: int | None = None) -> bytes:
    stream = encoder(compression, level)
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    return b"".join(stream.compress(text[start:end]) for start, end in pairwise(edges)) + stream.flush()


def read(compression: str, data: bytes) -> bytes:
    match compression:
        case "zstd":
            return zstd.decompress(data)
        case "gzip":
            return gzip.decompress(data)
        case _:
            return data


@steady
@given(st.lists(st.integers(0, len(TEXT)), max_size=8), st.sampled_from(list(SUFFIXES)))
def test_the_same_text_is_stored_as_the_same_bytes(cuts: list[int], compression: str) -> None:
    """However the text was cut into batches, the file is the same, and holds the text."""
    data = stored(compression, TEXT, cuts)
    assert data == stored(compression, TEXT, [])
    assert read(compression, data) == TEXT


@pytest.mark.parametrize("compression", SUFFIXES)
def test_no_rows_are_stored_as_an_empty_text(compression: str) -> None:
    """An empty export is a file too."""
    assert read(compression, stored(compression, b"", [])) == b""


def test_a_compressor_that_is_used_again_knows_nothing_of_what_was_before() -> None:
    """Frames that were made by one compressor, one after the other or one left unfinished, are those of new ones."""
    first = encoder("zstd", 3)
    expected = first.compress(TEXT) + first.flush()
    encoder("zstd", 3).compress(b"left unfinished")
    again = [encoder("zstd", 3) for _ in range(10)]

    assert [each.compress(TEXT) + each.flush() for each in again] == [expected] * 10
    assert zstd.decompress(expected) == TEXT


@pytest.mark.parametrize(("level", "kept"), [(1, 4), (3, 4), (4, 0), (22, 0)])
def test_only_cheap_compressors_are_kept(level: int, kept: int) -> None:
    """The hundreds of megabytes of a high level are given back with the frame; of a low one a few are kept."""
    frames = [encoder("zstd", level) for _ in range(6)]
    for frame in frames:
        frame.flush()

    assert len(_Zstd._spare[level]) == kept


def test_a_frame_ends_once() -> None:
    """Whoever has ended a frame cannot write into what somebody else compresses."""
    ended = encoder("zstd", None)
    ended.flush()

    with pytest.raises(ValueError, match="the frame has ended"):
        ended.flush()
    with pytest.raises(ValueError, match="the frame has ended"):
        ended.compress(b"more")


def test_a_zstd_frame_carries_a_checksum() -> None:
    """Damage in the archive is found by whoever reads it."""
    data = bytearray(stored("zstd", TEXT, []))
    data[-1] ^= 1
    with pytest.raises(zstd.ZstdError):
        zstd.decompress(bytes(data))


def test_a_gzip_header_has_no_time() -> None:
    """The clock does not reach the file."""
    assert stored("gzip", TEXT, [])[4:8] == b"\0\0\0\0"


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_a_level_is_obeyed(compression: str) -> None:
    """Levels make different files of the same text; none means the usual one."""
    made = {level: stored(compression, TEXT, [], level) for level in (1, 3, 6, 9, None)}
    assert {read(compression, data) for data in made.values()} == {TEXT}
    assert made[1] != made[9]
    assert made[None] == made[3 if compression == "zstd" else 6]


@pytest.mark.parametrize("args", [("zstd", None), ("zstd", 22), ("gzip", 1), ("none", None)])
def test_what_exists_is_allowed(args: Any) -> None:
    """Names and levels that can be done pass, and make an encoder."""
    check_compression(*args)
    made = encoder(*args)
    assert made.compress(b"row\n") + made.flush()


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (("brotli", None), "none of zstd, gzip, none"),
        (("zstd", 23), "from 1 to 22"),
        (("gzip", 0), "from 1 to 9"),
        (("none", 1), "not to be given"),
    ],
)
def test_what_does_not_exist_is_a_mistake_in_the_settings(args: Any, reason: str) -> None:
    """The message says what there is."""
    with pytest.raises(ConfigError, match=reason):
        check_compression(*args)
