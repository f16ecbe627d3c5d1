"""One object's download over as many connections as it takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport.errors import (
    AsyncexportError,
    ConnectionLost,
    DownloadError,
    GzipTruncated,
    ObjectChanged,
    RangeMismatch,
    ServerError,
    Stalled,
    Throttled,
    TrailingGarbage,
    UrlExpired,
    UrlRefused,
)
from asyncexport.ports import Response
from asyncexport.sansio.transfers.downloads import BadSignature, FloorRate, NoSuchObject, Piecewise, is_end, refusal
from tests.support import steady

OBJECT = bytes(range(256)) * 4
SIZE = len(OBJECT)
ETAG = '"d41d8cd98f00b204e9800998ecf8427e"'


def whole(size: int = SIZE, etag: str = ETAG) -> dict[str, str]:
    return {"content-length": str(size), "etag": etag, "accept-ranges": "bytes"}


def piece(start: int, size: int = SIZE, etag: str = ETAG, **changes: str) -> dict[str, str]:
    head = {"content-range": f"bytes {start}-{size - 1}/{size}", "content-length": str(size - start), "etag": etag}
    return head | {name.replace("_", "-"): value for name, value in changes.items()}


def broken_at(offset: int, etag: str = ETAG) -> Piecewise:
    """Return a pass whose first connection broke at ``offset``."""
    state = Piecewise()
    state.open(200, whole(etag=etag))
    state.take(OBJECT[:offset])
    return state


CONNECTIONS = st.lists(st.tuples(st.booleans(), st.integers(0, 400), st.integers(1, 50)), max_size=8)
"""Whether each is answered with the missing piece, how many bytes come before it breaks, and in chunks of what size."""


@steady
@given(st.binary(min_size=1, max_size=400), CONNECTIONS)
def test_any_cutting_into_connections(content: bytes, connections: list[tuple[bool, int, int]]) -> None:
    """However the object is cut into connections and chunks, by 206 or 200, its bytes are handed on exactly once."""
    state, received = Piecewise(), b""
    for wants_piece, count, size in [*connections, (False, len(content), 64)]:
        is_piece = wants_piece and state.offset > 0
        state.open(*((206, piece(state.offset, len(content))) if is_piece else (200, whole(len(content)))))
        body = (content[state.offset :] if is_piece else content)[:count]
        for at in range(0, len(body), size):
            received += state.take(body[at : at + size])
            assert state.offset == len(received)
        if received == content:
            break
        with pytest.raises(ConnectionLost):
            state.close()

    state.close()
    assert received == content
    assert (state.offset, state.total, state.etag) == (len(content), len(content), ETAG)


@steady
@given(st.integers(1, SIZE - 1), st.integers(0, SIZE - 1), st.integers(1, 255))
def test_a_flipped_byte_in_what_is_skipped(offset: int, at: int, flip: int) -> None:
    """An object whose known part is not what came in before is noticed before a further byte is handed on."""
    state = broken_at(offset)
    state.open(200, whole())
    other = bytearray(OBJECT)
    other[at] ^= flip

    if at < offset:
        with pytest.raises(ObjectChanged, match="the beginning of the object is not what came in before"):
            state.take(bytes(other))
    else:
        assert state.take(bytes(other)) == bytes(other[offset:])


def test_a_whole_object() -> None:
    """A download in one go hands on every byte and ends without a word."""
    state = Piecewise()
    state.open(200, whole())

    assert state.take(OBJECT) == OBJECT
    state.close()
    assert repr(state) == f"<Piecewise {SIZE}/{SIZE} bytes, etag {ETAG}>"


def test_an_object_without_a_length() -> None:
    """A chunked answer has no length: its end is for the gzip trailer to prove, and it cannot be gone on with."""
    state = Piecewise()
    state.open(200, {"etag": ETAG})

    assert state.take(b"abc") == b"abc"
    state.close()
    assert (state.total, state.can_resume) == (None, False)


@pytest.mark.parametrize("etag", ["", 'W/"weak"', "bare", '"unfinished', '"a"b"', '"\r\nX: y"', '"é"'])
def test_an_object_without_a_strong_etag(etag: str) -> None:
    """An ETag that is missing, weak or malformed proves nothing: after a break there is no going on."""
    state = broken_at(10, etag=etag)

    assert state.etag is None
    assert not state.can_resume
    assert Piecewise().can_resume


def test_a_strong_etag() -> None:
    """A strong ETag and a known size are what going on takes."""
    assert broken_at(10).can_resume


@pytest.mark.parametrize("length", ["", "-1", "1e3", "12,12", "١٢", "9" * 19, "0x10", " 12"])
def test_a_length_that_is_none(length: str) -> None:
    """A Content-Length that is no plain number counts as not said."""
    state = Piecewise()
    state.open(200, {"content-length": length, "etag": ETAG})

    assert state.total is None


@pytest.mark.parametrize(("status", "headers"), [(204, {}), (200, {"content-length": "0"}), (205, whole())])
def test_an_answer_without_a_body(status: int, headers: dict[str, str]) -> None:
    """No bytes are no export: an empty one would be '[]'."""
    with pytest.raises(GzipTruncated, match=r"an empty export would be '\[\]'"):
        Piecewise().open(status, headers)


def test_a_body_that_ends_too_early() -> None:
    """A body shorter than promised is a lost connection, whoever closed it."""
    state = broken_at(10)

    with pytest.raises(ConnectionLost, match=f"the download ended at byte 10 of {SIZE}"):
        state.close()


def test_a_body_that_is_too_long() -> None:
    """A byte more than promised is refused, and none of its chunk is handed on or counted."""
    state = broken_at(10)

    with pytest.raises(TrailingGarbage, match="longer than its Content-Length") as caught:
        state.take(OBJECT[10:] + b"x")
    assert caught.value.offset == SIZE
    assert state.offset == 10


def test_an_end_within_what_is_skipped() -> None:
    """A connection that breaks before it brings anything new is a lost connection, and nothing is lost with it."""
    state = broken_at(100)
    state.open(200, whole())
    assert state.take(OBJECT[:50]) == b""

    with pytest.raises(ConnectionLost, match="ended at byte 100"):
        state.close()
    state.open(206, piece(100))
    assert state.take(OBJECT[100:]) == OBJECT[100:]
    state.close()


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        (piece(11), RangeMismatch),
        (piece(9), RangeMismatch),
        (piece(0), RangeMismatch),
        (piece(10, SIZE + 1), RangeMismatch),
        (piece(10, content_range=f"bytes 10-{SIZE - 2}/{SIZE}"), RangeMismatch),
        (piece(10, content_range=f"bytes 10-{SIZE - 1}/*"), RangeMismatch),
        (piece(10, content_range=f"bytes */{SIZE}"), RangeMismatch),
        (piece(10, content_range=f"items 10-{SIZE - 1}/{SIZE}"), RangeMismatch),
        (piece(10, content_range=f"bytes 10-{SIZE - 1}/{SIZE} "), RangeMismatch),
        (piece(10, content_range=f"bytes 10-{'9' * 19}/{SIZE}"), RangeMismatch),
        (piece(10, content_range=""), RangeMismatch),
        (piece(10, content_length=str(SIZE)), RangeMismatch),
        (piece(10, content_type="multipart/byteranges; boundary=x"), RangeMismatch),
        (piece(10, content_type="Multipart/ByteRanges"), RangeMismatch),
        (piece(10, etag='"other"'), ObjectChanged),
        (piece(10, etag=""), ObjectChanged),
        (piece(10, etag=f"W/{ETAG}"), ObjectChanged),
        (whole(), RangeMismatch),
    ],
)
def test_a_piece_that_was_not_asked_for(headers: dict[str, str], kind: type[AsyncexportError]) -> None:
    """A 206 that is not exactly the missing piece of the same object is never put together with what is there."""
    with pytest.raises(AsyncexportError) as caught:
        broken_at(10).open(206, headers)
    assert type(caught.value) is kind


def test_a_piece_of_an_unknown_object() -> None:
    """Before the first byte no piece was asked for."""
    with pytest.raises(RangeMismatch, match="a 206 that nobody asked for"):
        Piecewise().open(206, piece(0))


def test_a_piece_without_a_length() -> None:
    """A chunked piece is taken: its Content-Range says how long it has to be."""
    state = broken_at(10)
    headers = piece(10)
    del headers["content-length"]

    state.open(206, headers)
    state.take(OBJECT[10:-1])
    with pytest.raises(ConnectionLost):
        state.close()


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        (whole(etag='"other"'), ObjectChanged),
        (whole(etag=""), ObjectChanged),
        (whole(etag=f"W/{ETAG}"), ObjectChanged),
        (whole(SIZE + 1), ObjectChanged),
        ({"etag": ETAG}, ObjectChanged),
        (piece(10), RangeMismatch),
    ],
)
def test_a_whole_object_that_is_not_provably_the_same(headers: dict[str, str], kind: type[AsyncexportError]) -> None:
    """A 200 in answer to a Range is used only with the same ETag and length, and without a Content-Range."""
    with pytest.raises(AsyncexportError) as caught:
        broken_at(10).open(200, headers)
    assert type(caught.value) is kind


def test_another_object_before_the_first_byte() -> None:
    """As long as nothing was handed on, the object may be another one."""
    state = broken_at(0)
    state.open(200, whole(3, '"new"'))

    assert state.take(b"abc") == b"abc"
    assert (state.total, state.etag) == (3, '"new"')


S3 = "<Error><Code>{}</Code><Message>m Atza|canary</Message><Token-0>canary</Token-0></Error>"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, S3.format("ExpiredToken"), UrlExpired),
        (400, S3.format("InvalidToken"), UrlExpired),
        (400, S3.format("InvalidArgument"), DownloadError),
        (400, "", UrlExpired),
        (401, "", DownloadError),
        (403, S3.format("AccessDenied"), UrlExpired),
        (403, S3.format("RequestTimeTooSkewed"), UrlExpired),
        (403, S3.format("SignatureDoesNotMatch"), BadSignature),
        (403, "", UrlExpired),
        (404, S3.format("NoSuchKey"), NoSuchObject),
        (410, "", NoSuchObject),
        (408, "", ServerError),
        (412, S3.format("PreconditionFailed"), ObjectChanged),
        (416, S3.format("InvalidRange"), RangeMismatch),
        (429, "", Throttled),
        (500, S3.format("InternalError"), ServerError),
        (503, S3.format("SlowDown"), ServerError),
        (301, "", UrlRefused),
        (302, "", UrlRefused),
        (307, S3.format("TemporaryRedirect"), UrlRefused),
        (308, "", UrlRefused),
        (304, "", UrlRefused),
        (203, "", DownloadError),
    ],
)
def test_an_answer_that_is_no_object(status: int, body: str, kind: type[AsyncexportError]) -> None:
    """Each answer of the store is one error, in which nothing of the body stands but its code."""
    error = refusal(status, {}, body.encode())

    assert type(error) is kind
    assert str(error).startswith(f"the object store answered {status}")
    assert "canary" not in str(error)


def test_the_words_of_the_store() -> None:
    """Status and code are attributes, and the wait that the store asked for is kept."""
    busy = refusal(503, {"retry-after": "4"}, S3.format("SlowDown").encode())
    denied = refusal(403, {}, S3.format("AccessDenied").encode())

    assert isinstance(busy, ServerError)
    assert (busy.status, busy.code, busy.retry_after) == (503, "SlowDown", 4.0)
    assert isinstance(denied, DownloadError)
    assert (denied.status, denied.code) == (403, "AccessDenied")
    assert str(denied) == "the object store answered 403: AccessDenied"


@pytest.mark.parametrize(
    ("offset", "status", "content_range", "is_one"),
    [
        (SIZE, 416, f"bytes */{SIZE}", True),
        (SIZE - 1, 416, f"bytes */{SIZE}", False),
        (SIZE, 416, f"bytes */{SIZE + 1}", False),
        (SIZE, 416, "bytes */*", False),
        (SIZE, 416, "", False),
        (SIZE, 200, f"bytes */{SIZE}", False),
    ],
)
def test_a_range_beyond_the_end(offset: int, status: int, content_range: str, is_one: bool) -> None:
    """A 416 means that all is there only when the object is as long as what is there and as it was said to be."""
    assert is_end(broken_at(offset), Response(status, {"content-range": content_range})) is is_one


def test_a_drip() -> None:
    """A byte a second is refused after a minute of waiting."""
    floor = FloorRate()
    for _ in range(59):
        floor.add(1, 1.0)

    with pytest.raises(Stalled, match="the download delivered 60 bytes in 60 s"):
        floor.add(1, 1.0)


def test_a_drip_after_a_good_beginning() -> None:
    """Each window is judged by itself: what came quickly before does not pay for a drip."""
    floor = FloorRate(rate=1000.0, window=60.0)
    floor.add(10_000_000, 60.0)

    with pytest.raises(Stalled):
        floor.add(59_999, 60.0)


@steady
@given(st.lists(st.tuples(st.integers(0, 10**6), st.floats(0, 30)), max_size=50))
def test_any_pace_above_the_floor(chunks: list[tuple[int, float]]) -> None:
    """Who delivers at least the floor rate in every chunk is never refused."""
    floor = FloorRate(rate=1000.0)
    for size, seconds in chunks:
        floor.add(size + int(seconds * 1000) + 1, seconds)


def test_a_slow_sink() -> None:
    """Only waiting for the network counts: chunks that were there at once are never too slow."""
    floor = FloorRate()
    for _ in range(1000):
        floor.add(1, 0.0)
    with pytest.raises(Stalled):
        floor.add(1, 60.0)
