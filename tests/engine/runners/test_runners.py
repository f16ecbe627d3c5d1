"""What a transfer does is the same in the loop, in a worker and on a Dask cluster: rows, errors, questions, events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from asyncexport.adapters.clock import SystemClock
from asyncexport.engine.runners import InProcess
from asyncexport.engine.runners.carrying import Partner
from asyncexport.engine.runners.messages import Errand
from asyncexport.engine.transfers.border import GuardedSink
from asyncexport.engine.transfers.turns import Turns
from asyncexport.errors import (
    AsyncexportError,
    ConnectionLost,
    DiskFull,
    ExportExpired,
    GzipCorrupt,
    JsonSyntax,
    ServerError,
    SinkError,
)
from asyncexport.events import TransferProgressed, TransferResumed, TransferStarted, UrlRenewed
from asyncexport.models import Receipt, SignedUrl, TransferOrder
from asyncexport.sansio.pacing.backoff import Backoff
from asyncexport.testing import FakeTransport, Opening
from tests.engine.runners.dask.support import seats
from tests.engine.runners.support import Standing, Stopping, near
from tests.engine.support import FILE, JOB, ROWS, URL, Events, Shelf, cut, order, rest, s3_error, whole

LOST = ConnectionLost("gone")
HALF = len(FILE) // 2
FRESH = SignedUrl(f"{URL}&fresh=1")


class Bench:
    """What a transfer into the shelf ``name`` tells and asks, wherever it runs."""

    def __init__(self, name: str) -> None:
        Standing.shelves.pop(name, None)
        self.sink = Standing(name)
        self.events = Events()
        self.complaints = 0
        self.opened: list[tuple[SignedUrl, int, str | None]] = []
        self.answer: SignedUrl | AsyncexportError = FRESH

    @property
    def shelf(self) -> Shelf:
        """What the sink holds."""
        return self.sink.shelf

    async def renew(self) -> SignedUrl:
        """Give the answer."""
        if isinstance(self.answer, AsyncexportError):
            raise self.answer
        return self.answer

    def complain(self) -> None:
        """Count."""
        self.complaints += 1


async def in_the_loop(bench: Bench, *downloads: Opening) -> Receipt:
    """Run it in the loop."""
    transport, clock = FakeTransport(downloads=list(downloads)), SystemClock()
    bench.opened = transport.opened
    runner = InProcess(
        transport=transport,
        clock=clock,
        spread=lambda: 0.5,
        listener=bench.events,
        guard=partial(GuardedSink, clock=clock, seconds=600.0, listener=bench.events),
        renew=lambda _: bench.renew(),
        store_is_busy=bench.complain,
        turns=Turns(clock),
        backoff=Backoff(first=0.0),
    )
    return await runner.run(order(), bench.sink)


async def in_a_worker(bench: Bench, *downloads: Opening) -> Receipt:
    """Run it by way of messages."""
    async with near(*downloads) as worker:
        bench.opened = worker.transport.opened
        return await worker.carry(Errand.of(order(), bench.sink), Partner(bench.events, bench.renew, bench.complain))


async def in_a_seat(bench: Bench, *downloads: Opening) -> Receipt:
    """Run it in an office, whose loop is another thread's."""
    async with seats(*downloads) as (there, _, transport), there.place(0) as seat:
        bench.opened = transport.opened
        assert seat is not None
        return await seat.carry(Errand.of(order(), bench.sink), Partner(bench.events, bench.renew, bench.complain))


Move = Callable[..., Awaitable[Receipt]]


@pytest.fixture(params=[in_the_loop, in_a_worker, in_a_seat])
def move(request: pytest.FixtureRequest) -> Move:
    """Return each way to run a transfer."""
    moving: Move = request.param
    return moving


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Bench:
    """Return a bench with a shelf of its own."""
    return Bench(request.node.name)


async def test_a_whole_download_is_committed(bench: Bench, move: Move) -> None:
    """Rows, evidence and receipt; its first event and its last progress are told."""
    receipt = await move(bench, whole())
    assert bench.shelf.rows == ROWS
    assert bench.shelf.evidence is not None
    assert bench.shelf.evidence.integrity == "gzip"
    assert receipt.rows == len(ROWS)
    assert bench.events[0] == TransferStarted(JOB)
    assert isinstance(last := bench.events[-1], TransferProgressed)
    assert last.source_bytes == len(FILE)


async def test_a_broken_download_goes_on(bench: Bench, move: Move) -> None:
    """It is resumed at its offset within the same transaction, after the progress that went before."""
    await move(bench, cut(HALF, LOST), rest(HALF))
    assert bench.shelf.rows == ROWS
    assert [offset for _, offset, _ in bench.opened] == [0, HALF]
    told = [event for event in bench.events if isinstance(event, TransferResumed | TransferProgressed)]
    resumed = told.index(TransferResumed(JOB, HALF, "ConnectionLost"))
    sizes = [event.source_bytes for event in told if isinstance(event, TransferProgressed)]
    assert sizes == sorted(sizes)
    assert isinstance(before := told[resumed - 1], TransferProgressed)
    assert before.source_bytes == HALF


async def test_without_an_etag_it_starts_over(bench: Bench, move: Move) -> None:
    """Nothing of the first pass is committed."""
    await move(bench, cut(HALF, LOST, etag=None), whole(etag=None))
    assert bench.shelf.rows == ROWS
    assert bench.shelf.opened == 2
    assert len(bench.events.of("transfer.restarted")) == 1


async def test_an_expired_url_is_renewed(bench: Bench, move: Move) -> None:
    """The control plane is asked, and its answer used for the rest."""
    await move(bench, cut(HALF, LOST), s3_error(403, "ExpiredToken"), rest(HALF))
    assert bench.shelf.rows == ROWS
    assert [url for url, _, _ in bench.opened] == [SignedUrl(URL), SignedUrl(URL), FRESH]
    assert UrlRenewed(JOB) in bench.events


async def test_what_is_in_the_way_of_a_fresh_url_ends_the_transfer(bench: Bench, move: Move) -> None:
    """The error is the control plane's own."""
    bench.answer = ExportExpired("it is gone", export_id="export-1")
    with pytest.raises(ExportExpired, match="it is gone") as caught:
        await move(bench, s3_error(403, "ExpiredToken"))
    assert caught.value.export_id == "export-1"
    assert bench.shelf.committed is None


async def test_a_mistake_in_renewing_comes_out_as_itself(bench: Bench, move: Move) -> None:
    """It is no failure of the transfer, which ends with it and leaves nothing behind."""

    async def broken() -> SignedUrl:
        raise ZeroDivisionError

    bench.renew = broken  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        await move(bench, s3_error(403, "ExpiredToken"))
    assert bench.shelf.committed is None


async def test_a_busy_store_is_reported(bench: Bench, move: Move) -> None:
    """Who gives out the places for transfers learns of it, each time."""
    await move(bench, s3_error(503, "SlowDown"), s3_error(500, "InternalError"), whole())
    assert bench.complaints == 2
    assert bench.shelf.rows == ROWS


@pytest.mark.parametrize(
    ("body", "kind"), [(FILE[:-8] + b"12345678", GzipCorrupt), (b'[{"a": 1}, {"a": nul}]', JsonSyntax)]
)
async def test_an_error_keeps_its_fields(
    bench: Bench, move: Move, body: bytes, kind: type[GzipCorrupt | JsonSyntax]
) -> None:
    """Type, text and attributes are those of the place where it arose."""
    with pytest.raises(kind, match="byte") as caught:
        await move(bench, *(whole(body) for _ in range(5)))
    assert caught.value.offset > 0
    assert bench.shelf.committed is None


async def test_a_server_error_keeps_its_status(bench: Bench, move: Move) -> None:
    """The store's own words are there for the manifest."""
    with pytest.raises(ServerError) as caught:
        await move(bench, *(s3_error(503, "SlowDown") for _ in range(20)))
    assert (caught.value.status, caught.value.code) == (503, "SlowDown")


class Cracked(Exception):
    """Something of somebody's sink."""


class Twisted(SinkError):
    """An error that cannot be built from its arguments."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")


@pytest.mark.parametrize(
    ("raised", "kind", "text"),
    [
        (DiskFull("no space"), DiskFull, "^no space$"),
        (Cracked("open"), SinkError, "Shelf raised Cracked: open|Standing raised Cracked: open"),
        (Twisted("this", "that"), SinkError, "this and that"),
    ],
    ids=["ours", "foreign", "derived"],
)
async def test_what_a_sink_raises_ends_its_own_transfer(
    bench: Bench, move: Move, raised: Exception, kind: type[SinkError], text: str
) -> None:
    """As an error of ours, even one that its own class cannot build anew."""

    def fails(_: object) -> None:
        raise raised

    bench.shelf.open = fails  # type: ignore[method-assign, assignment]
    with pytest.raises(kind, match=text):
        await move(bench, whole())


async def test_a_mistake_of_ours_is_told_as_one(bench: Bench, move: Move) -> None:
    """What is no failure of an export ends the run, with a trace of where it happened."""
    with pytest.raises(Exception, match="no further download was expected") as caught:
        await move(bench)
    assert not isinstance(caught.value, AsyncexportError)


class Place(str):
    """A location that cannot be pickled."""

    __slots__ = ()

    def __reduce__(self) -> str:
        raise ValueError("I stay")


class Odd:
    """A receipt that is none."""

    def __reduce__(self) -> str:
        raise ValueError("I stay")


class Giving(Shelf):
    """A shelf whose writer gives a receipt of its own."""

    def __init__(self, receipt: object) -> None:
        super().__init__()
        self._receipt = receipt

    @asynccontextmanager
    async def open(self, order: TransferOrder) -> AsyncIterator[Any]:
        """Begin."""
        async with super().open(order) as writer:
            yield _Giving(writer, self._receipt)


class _Giving:
    def __init__(self, writer: Any, receipt: object) -> None:
        self.write, self.seal, self.receipt = writer.write, writer.seal, receipt


async def test_a_receipt_that_cannot_be_sent_says_what_every_receipt_does(bench: Bench, move: Move) -> None:
    """What is committed is committed, whatever a sink's own class is like."""
    Standing.shelves[bench.sink.name] = Giving(Receipt("export-1", 50, 7, "sha", Place("there")))
    receipt = await move(bench, whole())
    assert receipt == Receipt("export-1", 50, 7, "sha", "there")


@pytest.mark.parametrize("elsewhere", [in_a_worker, in_a_seat])
async def test_an_end_that_cannot_be_sent_is_told_as_a_mistake(elsewhere: Move) -> None:
    """Whoever waits for the end gets one."""
    bench = Bench("odd")
    Standing.shelves["odd"] = Giving(Odd())
    with pytest.raises(RuntimeError, match="'Odd' object has no attribute 'sha256'"):
        await elsewhere(bench, whole())


async def test_a_transfer_that_is_cancelled_leaves_nothing(bench: Bench, move: Move) -> None:
    """When the caller has its cancellation, the transaction has been rolled back."""
    left = asyncio.Event()

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            left.set()

    download = Stopping(hang)
    moving = asyncio.ensure_future(move(bench, download))
    await download.begun.wait()
    moving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await moving
    assert left.is_set()
    assert bench.shelf.committed is None
