"""One export's bytes: every way a download can break, and what stands in the sink afterwards."""

from __future__ import annotations

import gc
import gzip
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from asyncexport.batch import Batch
from asyncexport.engine.transfers.border import GuardedSink
from asyncexport.engine.transfers.transfer import Transfer
from asyncexport.engine.transfers.turns import Turns
from asyncexport.errors import (
    AsyncexportError,
    BombLimit,
    ConnectionLost,
    DownloadError,
    ExportExpired,
    GzipCorrupt,
    GzipTruncated,
    JsonSyntax,
    JsonTruncated,
    NotAnExport,
    ObjectChanged,
    RangeMismatch,
    ServerError,
    SinkError,
    Stalled,
    TlsError,
    TrailingGarbage,
    UrlExpired,
    UrlRefused,
)
from asyncexport.models import Receipt, SignedUrl, TransferOrder
from asyncexport.ports import Sink, SinkWriter
from asyncexport.sansio.decoding.decode import Decoder
from asyncexport.sansio.pacing.backoff import Backoff
from asyncexport.testing import FakeClock, FakeDownload, FakeTransport, Opening
from tests.engine.support import ETAG, FILE, HEAD, ROWS, URL, Events, Shelf, cut, order, rest, s3_error, whole

LOST = ConnectionLost("gone")
HALF = len(FILE) // 2


class Rows(Shelf):
    """A shelf that notes for each batch whether it came as objects."""

    def __init__(self, **wish: object) -> None:
        super().__init__()
        vars(self).update(wish)
        self.built: list[bool] = []

    @asynccontextmanager
    async def open(self, order: TransferOrder) -> AsyncIterator[SinkWriter]:
        """Begin."""
        async with super().open(order) as writer:
            write = writer.write

            async def noted(batch: Batch) -> None:
                self.built.append(batch._built is not None)
                await write(batch)

            writer.write = noted  # type: ignore[method-assign]
            yield writer


class Bench:
    """A transfer of FILE into a shelf, with scripted downloads."""

    def __init__(self, *downloads: Opening, file_size: int | None = len(FILE)) -> None:
        self.transport = FakeTransport(downloads=list(downloads))
        self.shelf = Shelf()
        self.clock = FakeClock()
        self.events = Events()
        self.renewals: list[SignedUrl] = []
        self.complaints: list[str] = []
        self.order = order(file_size=file_size)

    async def run(self, sink: Sink | None = None) -> Receipt:
        """Move it."""
        transfer = Transfer(
            self.order,
            GuardedSink(sink or self.shelf, clock=self.clock, seconds=600.0, listener=self.events),
            transport=self.transport,
            clock=self.clock,
            spread=lambda: 0.5,
            listener=self.events,
            renew=self._renew,
            backoff=Backoff(),
            store_is_busy=lambda: self.complaints.append("busy"),
            turns=Turns(self.clock),
        )
        return await transfer.run()

    async def fails(self) -> AsyncexportError:
        """Move it in vain: nothing may be committed."""
        with pytest.raises(AsyncexportError) as caught:
            await self.run()
        assert self.shelf.committed is None
        return caught.value

    async def _renew(self, _: TransferOrder) -> SignedUrl:
        self.renewals.append(SignedUrl(f"{URL}&fresh={len(self.renewals)}"))
        return self.renewals[-1]


async def test_a_whole_download_is_committed_with_its_evidence() -> None:
    """A download without faults is one transaction, and the seal says how it was proven."""
    bench = Bench(whole())
    receipt = await bench.run()
    assert receipt.rows == len(ROWS)
    assert bench.shelf.rows == ROWS
    assert bench.shelf.evidence is not None
    assert bench.shelf.evidence.integrity == "gzip"
    assert bench.shelf.evidence.source_bytes == len(FILE)
    assert bench.events[0].name == "transfer.started"


async def test_a_broken_download_goes_on_at_its_offset_with_the_same_transaction() -> None:
    """A break with a strong ETag is resumed by Range and If-Match, without opening the sink again."""
    bench = Bench(cut(HALF, LOST), rest(HALF))
    await bench.run()
    assert bench.shelf.rows == ROWS
    assert bench.shelf.opened == 1
    assert [(offset, etag) for _, offset, etag in bench.transport.opened] == [(0, None), (HALF, ETAG)]
    assert len(bench.events.of("transfer.resumed")) == 1


async def test_a_200_in_answer_to_a_range_is_skipped_up_to_the_offset() -> None:
    """The same object from its beginning is usable: the known prefix is checked and dropped."""
    bench = Bench(cut(HALF, LOST), whole())
    await bench.run()
    assert bench.shelf.rows == ROWS
    assert bench.shelf.opened == 1


async def test_a_200_with_another_beginning_starts_over() -> None:
    """A prefix that differs from what came before is another object, even under the same ETag."""
    other = bytearray(FILE)
    other[HALF - 3] ^= 1
    bench = Bench(cut(HALF, LOST), whole(bytes(other)), whole())
    await bench.run()
    assert bench.shelf.rows == ROWS
    assert bench.shelf.opened == 2
    assert len(bench.events.of("transfer.restarted")) == 1


@pytest.mark.parametrize("etag", [None, 'W/"e1"'])
async def test_without_a_strong_etag_a_break_starts_over(etag: str | None) -> None:
    """Without a strong ETag nothing proves that the rest belongs to the beginning."""
    bench = Bench(cut(HALF, LOST, etag=etag), whole(etag=etag))
    await bench.run()
    assert bench.shelf.rows == ROWS
    assert bench.shelf.opened == 2
    assert bench.transport.opened[1][1:] == (0, None)


@pytest.mark.parametrize(
    "answer",
    [
        rest(HALF + 1),
        FakeDownload(206, {**HEAD, "content-range": f"bytes {HALF}-{len(FILE) - 1}/{len(FILE) + 1}"}, FILE[HALF:]),
        FakeDownload(206, {"etag": ETAG}, FILE[HALF:]),
        FakeDownload(206, {"etag": ETAG, "content-type": "multipart/byteranges"}, FILE[HALF:]),
        FakeDownload(200, {**HEAD, "content-range": f"bytes {HALF}-{len(FILE) - 1}/{len(FILE)}"}, FILE[HALF:]),
        rest(HALF, etag='"e2"'),
        s3_error(412, "PreconditionFailed"),
        s3_error(416, "InvalidRange", **{"content-range": "bytes */7"}),
    ],
    ids=["start", "total", "no-range", "multipart", "200-with-range", "etag", "412", "416"],
)
async def test_a_piece_that_is_not_the_missing_one_is_never_recombined(answer: FakeDownload) -> None:
    """Any answer to a Range but exactly the missing piece of the same object begins again at byte 0."""
    bench = Bench(cut(HALF, LOST), answer, whole())
    await bench.run()
    assert bench.shelf.rows == ROWS
    assert bench.shelf.opened == 2


async def test_mismatched_pieces_end_the_transfer_after_two_new_beginnings() -> None:
    """Starting over is bounded: the third mismatch is the error."""
    bench = Bench(*[answer for _ in range(3) for answer in (cut(HALF, LOST), rest(HALF + 1))])
    assert isinstance(await bench.fails(), RangeMismatch)
    assert bench.shelf.opened == 3


async def test_a_changed_object_ends_the_transfer_after_two_new_beginnings() -> None:
    """An object that never stays the same is the error."""
    bench = Bench(*[answer for _ in range(3) for answer in (cut(HALF, LOST), s3_error(412, "PreconditionFailed"))])
    assert isinstance(await bench.fails(), ObjectChanged)


async def test_416_at_the_end_means_complete() -> None:
    """A connection that broke after the last byte needs no further one: 416 with the total is the end."""
    bench = Bench(
        FakeDownload(200, HEAD, FILE, LOST), s3_error(416, "InvalidRange", **{"content-range": f"bytes */{len(FILE)}"})
    )
    await bench.run()
    assert bench.shelf.rows == ROWS


async def test_progress_forgives_any_number_of_breaks() -> None:
    """A download that gains a byte on every connection is allowed to go on."""
    steps = [FakeDownload(200, HEAD, FILE[:1], LOST)]
    for at in range(1, 40):
        part = rest(at)
        steps.append(FakeDownload(206, part.headers, FILE[at : at + 1], LOST))
    bench = Bench(*steps, rest(40))
    await bench.run()
    assert bench.shelf.rows == ROWS
    assert bench.shelf.opened == 1


async def test_progress_is_forgiven_for_six_hours_and_no_longer() -> None:
    """A store that gives a byte a connection cannot hold a transfer for ever."""

    class Slow(FakeDownload):
        async def chunks(self) -> AsyncGenerator[bytes]:
            async for chunk in super().chunks():
                yield chunk
                bench.clock.advance(1000.0)

    steps: list[Opening] = [Slow(200, HEAD, FILE[:1], LOST)]
    steps += [Slow(206, rest(at).headers, FILE[at : at + 1], LOST) for at in range(1, 40)]
    bench = Bench(*steps)
    assert isinstance(await bench.fails(), ConnectionLost)
    assert 21_600 < bench.clock.now() < 23_000


async def test_five_breaks_without_a_new_byte_are_the_error() -> None:
    """Without progress a lost connection is endured four times; the waits between grow."""
    bench = Bench(cut(HALF, LOST), *[ConnectionLost("again") for _ in range(5)])
    assert isinstance(await bench.fails(), ConnectionLost)
    assert bench.clock.now() == 0.5 + 0.5 + 1 + 2 + 4 - 0.5


async def test_a_certificate_error_is_not_retried() -> None:
    """Asking an impostor again makes it no more trustworthy."""
    bench = Bench(TlsError("who are you"))
    assert isinstance(await bench.fails(), TlsError)
    assert len(bench.transport.opened) == 1


@pytest.mark.parametrize(
    ("status", "code"), [(400, "ExpiredToken"), (403, "AccessDenied"), (403, "RequestTimeTooSkewed")]
)
async def test_an_expired_url_is_renewed_and_the_download_goes_on_there(status: int, code: str) -> None:
    """A fresh URL of the same object resumes at the offset."""
    bench = Bench(cut(HALF, LOST), s3_error(status, code), rest(HALF))
    await bench.run()
    assert bench.shelf.rows == ROWS
    assert bench.shelf.opened == 1
    assert [str(url.reveal()) for url, _, _ in bench.transport.opened] == [URL, URL, f"{URL}&fresh=0"]
    assert len(bench.events.of("url.renewed")) == 1


async def test_urls_that_are_always_expired_end_the_transfer() -> None:
    """Three fresh URLs without a byte are enough."""
    bench = Bench(*[s3_error(400, "ExpiredToken") for _ in range(4)])
    assert isinstance(await bench.fails(), UrlExpired)
    assert len(bench.renewals) == 3


async def test_a_refused_signature_gets_one_fresh_url_and_one_new_beginning() -> None:
    """A signature may be stale, or the Range may break it; after both it is the error."""
    bench = Bench(
        cut(HALF, LOST),
        *[s3_error(403, "SignatureDoesNotMatch") for _ in range(2)],
        s3_error(403, "SignatureDoesNotMatch"),
    )
    error = await bench.fails()
    assert isinstance(error, DownloadError)
    assert error.code == "SignatureDoesNotMatch"
    assert len(bench.renewals) == 1
    assert bench.transport.opened[3][1] == 0


async def test_an_object_that_is_gone_means_that_the_export_is() -> None:
    """404 after a fresh URL is told as an expired export, which can be asked for again."""
    bench = Bench(s3_error(404, "NoSuchKey"), s3_error(404, "NoSuchKey"))
    assert isinstance(await bench.fails(), ExportExpired)
    assert len(bench.renewals) == 1


async def test_a_busy_store_is_waited_for_and_its_retry_after_obeyed() -> None:
    """503 SlowDown is tried again, not before it says so."""
    bench = Bench(s3_error(503, "SlowDown", **{"retry-after": "30"}), whole())
    await bench.run()
    assert bench.clock.now() >= 30


async def test_a_store_that_stays_busy_is_the_error() -> None:
    """Eight answers in a row are enough."""
    bench = Bench(*[s3_error(503, "SlowDown") for _ in range(8)])
    assert isinstance(await bench.fails(), ServerError)


async def test_a_retry_after_beyond_the_patience_fails_now() -> None:
    """A store that wants to be left alone for thirty years is not waited for."""
    bench = Bench(s3_error(503, "SlowDown", **{"retry-after": "999999999"}))
    assert isinstance(await bench.fails(), ServerError)
    assert bench.clock.now() < 60


async def test_a_busy_store_is_told_of() -> None:
    """Whoever gives out the places for transfers hears that there are too many."""
    bench = Bench(s3_error(503, "SlowDown"), s3_error(429, "SlowDown"), cut(HALF, LOST), rest(HALF))
    await bench.run()
    assert bench.complaints == ["busy", "busy"]


async def test_an_error_body_that_drips_is_cut() -> None:
    """The floor rate holds for bad answers too."""

    class Drip(FakeDownload):
        async def chunks(self) -> AsyncGenerator[bytes]:
            for _ in range(10_000):
                bench.clock.advance(29.0)
                yield b"<"

    bench = Bench(*[Drip(503) for _ in range(5)])
    assert isinstance(await bench.fails(), Stalled)
    assert bench.clock.now() < 5 * 120


async def test_a_discarded_pass_is_let_go_of() -> None:
    """What a pass had decoded is not kept by the error that ended it."""
    torn = gzip.compress(b'[{"a":1}', mtime=0)
    bench = Bench(whole(torn), whole(torn))
    gc.collect()
    before = sum(isinstance(each, Decoder) for each in gc.get_objects())
    error = await bench.fails()
    gc.collect()
    assert sum(isinstance(each, Decoder) for each in gc.get_objects()) - before <= 1
    assert isinstance(error, JsonTruncated)


async def test_a_redirect_is_refused_without_following() -> None:
    """Nothing may send us elsewhere."""
    bench = Bench(FakeDownload(302, {"location": "https://evil.test/"}))
    assert isinstance(await bench.fails(), UrlRefused)
    assert len(bench.transport.opened) == 1


@pytest.mark.parametrize("at", [12, len(FILE) - 2])
async def test_bytes_changed_on_the_way_are_downloaded_again_and_never_accepted(at: int) -> None:
    """The checksum catches a flipped bit; a clean pass afterwards is accepted, three bad ones are the error."""
    flipped = bytearray(FILE)
    flipped[at] ^= 4
    bench = Bench(whole(bytes(flipped)), whole())
    await bench.run()
    assert bench.shelf.rows == ROWS
    worse = Bench(*[whole(bytes(flipped)) for _ in range(3)])
    assert isinstance(await worse.fails(), GzipCorrupt | GzipTruncated)


async def test_a_truncated_file_with_honest_headers_is_never_accepted() -> None:
    """HTTP is content with half a file when Content-Length says half; gzip is not."""
    bench = Bench(*[whole(FILE[:HALF]) for _ in range(3)])
    assert isinstance(await bench.fails(), GzipTruncated)


@pytest.mark.parametrize("status", [200, 204])
async def test_an_empty_answer_is_no_empty_export(status: int) -> None:
    """An empty export is '[]'; no bytes at all are a fault."""
    bench = Bench(*[FakeDownload(status, {"content-length": "0"}) for _ in range(3)])
    assert isinstance(await bench.fails(), GzipTruncated)


async def test_an_empty_export_is_a_success_with_no_rows() -> None:
    """The API's 22-byte file is an answer."""
    empty = bytes.fromhex("1f8b08000000000000008b8e050029bb4c0d02000000")
    bench = Bench(whole(empty), file_size=22)
    assert (await bench.run()).rows == 0
    assert bench.shelf.committed == b""


async def test_bytes_after_the_end_are_the_error() -> None:
    """Garbage behind the last gzip member is not skipped over."""
    bench = Bench(*[whole(FILE + b"garbage") for _ in range(2)])
    assert isinstance(await bench.fails(), TrailingGarbage)


async def test_a_page_instead_of_an_export_is_tried_once_more() -> None:
    """A captive portal may go away; then it is the error."""
    page = b"<html>log in</html>"
    bench = Bench(whole(page), whole(page))
    assert isinstance(await bench.fails(), NotAnExport)


async def test_plain_json_is_accepted_and_said_so() -> None:
    """Some stores decode on the way; the closing bracket is then the proof."""
    bench = Bench(whole(gzip.decompress(FILE)))
    await bench.run()
    assert bench.shelf.rows == ROWS
    assert bench.shelf.evidence is not None
    assert bench.shelf.evidence.integrity == "length+json"
    assert bench.shelf.evidence.notes == (
        f"fileSize promised {len(FILE)} bytes, the object has {len(gzip.decompress(FILE))}",
    )


async def test_a_chunked_answer_needs_no_length() -> None:
    """Without Content-Length the gzip trailer proves the end."""
    bench = Bench(FakeDownload(200, {}, FILE), file_size=None)
    await bench.run()
    assert bench.shelf.rows == ROWS


async def test_an_open_array_behind_a_good_checksum_is_tried_once_more() -> None:
    """The server made half a document: hardly the network's fault."""
    torn = gzip.compress(b'[{"a":1}', mtime=0)
    bench = Bench(whole(torn), whole(torn))
    assert isinstance(await bench.fails(), JsonTruncated)


async def test_bad_json_that_comes_again_is_final() -> None:
    """Bad JSON is met before the checksum: the same fault in the same place a second time is the server's."""
    bad = gzip.compress(b'[{"a":1},,{"b":2}]', mtime=0)
    bench = Bench(whole(bad), whole(bad))
    assert isinstance(await bench.fails(), JsonSyntax)
    assert bench.shelf.opened == 2


@pytest.mark.parametrize("at", range(11, len(FILE), 7))
async def test_a_flipped_bit_anywhere_costs_one_more_pass_and_no_row(at: int) -> None:
    """Whatever damage on the way looks like first, bad gzip or bad JSON, a clean pass after it is accepted."""
    flipped = bytearray(FILE)
    flipped[at] ^= 4
    bench = Bench(whole(bytes(flipped)), whole())
    await bench.run()
    assert bench.shelf.rows == ROWS


async def test_a_bomb_is_refused() -> None:
    """Growth beyond the limits ends the transfer at once."""
    bomb = gzip.compress(b"[" + b" " * (40 << 20) + b"]", mtime=0)
    assert isinstance(await Bench(whole(bomb, pieces=1)).fails(), BombLimit)


async def test_a_dripping_connection_is_cut_and_resumed() -> None:
    """Fewer than a thousand bytes a second over a minute are a stall, whatever the socket says."""

    class Drip(FakeDownload):
        async def chunks(self) -> AsyncGenerator[bytes]:
            async for chunk in super().chunks():
                for at in range(len(chunk)):
                    bench.clock.advance(1.0)
                    yield chunk[at : at + 1]

    bench = Bench(Drip(200, HEAD, FILE), rest(59))
    await bench.run()
    assert bench.shelf.rows == ROWS
    assert bench.transport.opened[1][1] == 59
    assert [event for event in bench.events.of("transfer.resumed") if Stalled.__name__ in repr(event)]


async def test_a_sink_that_raises_ends_the_transfer_as_a_sink_error_with_its_cause() -> None:
    """Foreign code fails its own export; what it raised stays visible as the cause."""

    class Broken(Shelf):
        def open(self, order: TransferOrder) -> AbstractAsyncContextManager[object]:  # type: ignore[override]
            raise ZeroDivisionError(f"no room for {order.export_id}")

    with pytest.raises(SinkError, match=r"Broken raised ZeroDivisionError: no room for export-1") as caught:
        await Bench(whole()).run(Broken())  # type: ignore[arg-type]
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(("wish", "built"), [({}, False), ({"wants_rows": False}, False), ({"wants_rows": True}, True)])
async def test_a_sink_that_wants_rows_gets_them_built(wish: dict[str, object], built: bool) -> None:
    """All but the first and the last; the others get text, whoever says nothing too. Every row is there either way."""
    bench, sink = Bench(whole()), Rows(**wish)
    await bench.run(sink)
    assert sink.rows == ROWS
    assert any(sink.built) is built


async def test_a_sink_that_cannot_say_what_it_wants_fails_its_export() -> None:
    """As by any other fault of its own."""

    class Undecided(Shelf):
        @property
        def wants_rows(self) -> bool:
            raise ZeroDivisionError

    with pytest.raises(SinkError, match="Undecided raised ZeroDivisionError"):
        await Bench(whole()).run(Undecided())
