"""The object store's answers."""

from __future__ import annotations

import pytest

from asyncexport.accounts import Region
from asyncexport.emulator.records.words import Met
from asyncexport.emulator.store.objects import ObjectKey, StoredObject
from asyncexport.emulator.store.s3 import (
    StoreAnswer,
    StorePaper,
    Wish,
    byte_range,
    plain_answer,
    store_instead,
    weathered,
)
from asyncexport.emulator.store.store_errors import StoreRefusal, by_store_status
from asyncexport.emulator.store.urls import Signer
from asyncexport.models import Entity, Filters

KEY = ObjectKey.of("7", Entity.ADS, Filters())
ETAG = "0123456789abcdef0123456789abcdef"
STORED = StoredObject(1_000, 9_000, ETAG)
WALL = 1_695_742_322.0


def answer(met: Met | None = None, **headers: str) -> StoreAnswer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return weathered(plain_answer(Wish(KEY, STORED, named, WALL), {}, met or {}), met or {}, WALL)


def test_an_object_comes_whole_with_the_headers_of_s3() -> None:
    """200, a quoted ETag, ranges accepted, and a type that says nothing."""
    whole = answer()
    assert (whole.status, whole.start, whole.stop, whole.key, whole.size) == (200, 0, 1_000, KEY, 1_000)
    assert whole.headers == {
        "Last-Modified": "Tue, 26 Sep 2023 15:32:02 GMT",
        "ETag": f'"{ETAG}"',
        "Accept-Ranges": "bytes",
        "Content-Type": "binary/octet-stream",
    }


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-", 0, 1_000),
        ("bytes=400-", 400, 1_000),
        ("bytes=400-499", 400, 500),
        ("bytes=400-99999", 400, 1_000),
        ("bytes=-100", 900, 1_000),
        ("bytes=-99999", 0, 1_000),
        ("bytes=999-999", 999, 1_000),
    ],
)
def test_a_range_is_answered_with_that_piece(asked: str, start: int, stop: int) -> None:
    """206 with Content-Range for each form of one range."""
    piece = answer(range=asked)
    assert (piece.status, piece.start, piece.stop) == (206, start, stop)
    assert piece.headers["Content-Range"] == f"bytes {start}-{stop - 1}/1000"


@pytest.mark.parametrize("asked", ["bytes=", "bytes=-", "bytes=9-3", "bytes=0-1,5-6", "items=0-5", "bytes=x-"])
def test_a_range_that_cannot_be_read_is_ignored(asked: str) -> None:
    """The whole object comes instead."""
    assert answer(range=asked).status == 200


@pytest.mark.parametrize("asked", ["bytes=1000-", "bytes=5000-6000", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused_with_the_size(asked: str) -> None:
    """416 names what was asked for and how long the object is."""
    with pytest.raises(StoreRefusal) as caught:
        answer(range=asked)
    assert (caught.value.status, caught.value.code) == (416, "InvalidRange")
    assert caught.value.more == {"RangeRequested": asked, "ActualObjectSize": "1000"}
    assert StorePaper(1, WALL).refusal(0.0, caught.value).headers["Content-Range"] == "bytes */1000"


@pytest.mark.parametrize("etag", [f'"{ETAG}"', "*", f'"other", "{ETAG}"'])
def test_the_expected_object_is_given(etag: str) -> None:
    """If-Match with this ETag, any, or a list that holds it passes."""
    assert answer(range="bytes=5-", if_match=etag).status == 206


@pytest.mark.parametrize("etag", ['"other"', ETAG, f'W/"{ETAG}"'])
def test_another_object_than_expected_is_refused(etag: str) -> None:
    """412 for any ETag that is not exactly this one."""
    with pytest.raises(StoreRefusal) as caught:
        answer(if_match=etag)
    assert caught.value.status == 412


def test_a_changed_object_has_another_etag_and_fails_the_expectation() -> None:
    """The word makes the object another one for this call."""
    assert answer({"change-etag": ()}).headers["ETag"] == f'"{ETAG[::-1]}"'
    with pytest.raises(StoreRefusal, match="412"):
        answer({"change-etag": ()}, if_match=f'"{ETAG}"')
    palindrome = Wish(KEY, StoredObject(1, 1, "a" * 32), {}, WALL)
    assert plain_answer(palindrome, {}, {"change-etag": ()}).headers["ETag"] == f'"{"0" * 32}"'


@pytest.mark.parametrize(
    ("met", "header", "value"),
    [
        ({"no-etag": ()}, "ETag", None),
        ({"weak-etag": ()}, "ETag", f'W/"{ETAG}"'),
        ({"content-encoding": ("gzip",)}, "Content-Encoding", "gzip"),
        ({"media-type": ("text/html",)}, "Content-Type", "text/html"),
        ({"wrong-range": ()}, "Content-Range", "bytes 401-1000/1001"),
        ({"ignore-range": ()}, "Content-Range", None),
        ({"content-range": ("none",)}, "Content-Range", None),
        ({"content-range": ("items 0-1/2",)}, "Content-Range", "items 0-1/2"),
        ({"retry-after": ("5",)}, "Retry-After", "5"),
    ],
)
def test_the_weather_changes_one_header(met: Met, header: str, value: str | None) -> None:
    """Each word changes its header."""
    assert answer(met, range="bytes=400-").headers.get(header) == value


def test_an_ignored_range_brings_the_whole_object() -> None:
    """200 from byte 0."""
    ignored = answer({"ignore-range": ()}, range="bytes=400-")
    assert (ignored.status, ignored.start) == (200, 0)


def test_plain_json_is_another_form_of_the_object() -> None:
    """Identity has the size of the text and its own type."""
    plain = answer({"identity": ()})
    assert (plain.plain, plain.size, plain.headers["Content-Type"]) == (True, 9_000, "application/json")


@pytest.mark.parametrize(("word", "start"), [("html-body", b"<html>"), ("garbage-body", b"\x00"), ("empty-body", b"")])
def test_the_body_can_be_something_else(word: str, start: bytes) -> None:
    """No object, but bytes that are no export."""
    spoilt = answer({word: ()})
    assert spoilt.key is None
    assert spoilt.body.startswith(start)
    assert spoilt.size == len(spoilt.body)
    assert (spoilt.headers["Content-Type"] == "text/html") == (word == "html-body")


def test_the_status_can_be_another() -> None:
    """The true answer under another status."""
    assert answer({"status": ("203",)}).status == 203


@pytest.mark.parametrize(
    ("met", "status", "code"),
    [
        ({"return": ("500",)}, 500, "InternalError"),
        ({"slow-down": ()}, 503, "SlowDown"),
        ({"not-found": ()}, 404, "NoSuchKey"),
        ({"expire-url": ()}, 400, "ExpiredToken"),
        ({"expire-url-403": ()}, 403, "AccessDenied"),
        ({"signature-mismatch": ()}, 403, "SignatureDoesNotMatch"),
        ({"skewed": ()}, 403, "RequestTimeTooSkewed"),
        ({"redirect": ("https://evil/",)}, 307, "TemporaryRedirect"),
        ({"reset": ()}, 503, "SlowDown"),
    ],
)
def test_some_words_keep_the_object_back(met: Met, status: int, code: str) -> None:
    """The caller gets the word's own error."""
    signer = Signer(seed=1, epoch=0.0, url_seconds=1.0, credentials_seconds=1.0)
    refusal = store_instead(met, signer, signer.mint("", "/ADS/x", Region.EU, 0.0), 0.0)
    assert refusal is not None
    assert (refusal.status, refusal.code) == (status, code)


def test_other_words_do_not() -> None:
    """Damage on the way leaves the object there."""
    signer = Signer(seed=1, epoch=0.0, url_seconds=1.0, credentials_seconds=1.0)
    assert store_instead({"flip-bit": ("3",)}, signer, signer.mint("", "/ADS/x", Region.EU, 0.0), 0.0) is None


def test_a_redirect_says_where_to() -> None:
    """The place stands in Location."""
    refused = StorePaper(1, 0.0).refusal(0.0, by_store_status(307))
    assert weathered(refused, {"redirect": ("https://evil/",)}, 0.0).headers["Location"] == "https://evil/"


def test_errors_have_no_etag_to_weaken() -> None:
    """Words about ETags and ranges leave an error as it is."""
    refused = StorePaper(1, 0.0).refusal(0.0, by_store_status(412))
    changed = weathered(refused, {"weak-etag": (), "wrong-range": ()}, 0.0)
    assert changed.headers == refused.headers


def test_the_paper_bears_the_marks_of_s3() -> None:
    """Both ids, the date and the server's name; the answer to HEAD has no body."""
    paper = StorePaper(1, WALL)
    refused = paper.refusal(0.0, by_store_status(404))
    assert set(refused.headers) == {"x-amz-id-2", "x-amz-request-id", "Date", "Server", "Content-Type"}
    assert refused.headers["x-amz-request-id"].encode() in refused.body
    assert paper.refusal(0.0, by_store_status(404), "HEAD").body == b""


def test_an_empty_object_has_no_range() -> None:
    """Every range of nothing lies beyond its end."""
    with pytest.raises(StoreRefusal, match="416"):
        byte_range("bytes=0-", 0)


@pytest.mark.parametrize("total", [1, 2, 10])
def test_every_range_is_inside_the_object(total: int) -> None:
    """Whatever is asked for that begins inside, the piece is not empty and lies within."""
    headers = [f"bytes={first}-{last}" for first in range(total) for last in range(12)]
    for header in headers + [f"bytes=-{count}" for count in range(1, 12)]:
        piece = byte_range(header, total)
        assert piece is None or 0 <= piece[0] < piece[1] <= total
