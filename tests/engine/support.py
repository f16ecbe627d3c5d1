"""What the engine's tests share: an account, a job, an order, a place to keep events, and a memory-only sink."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

import orjson

from asyncexport.accounts import Account, Region
from asyncexport.batch import Batch
from asyncexport.emulator.records.data import rows as emulated_rows
from asyncexport.emulator.server import EmulatorServer
from asyncexport.events import Event
from asyncexport.models import Entity, Evidence, Job, Profile, Receipt, SignedUrl, TransferOrder
from asyncexport.notes import Habit, Known, Note
from asyncexport.ports import Response, SinkWriter
from asyncexport.testing import FakeDownload, json_response

API = "https://api.test"
ACCOUNT = Account(
    "acme",
    region="EU",
    client_id="client",
    client_secret="secret",
    refresh_token="refresh",
    api_url=API,
    token_url="https://token.test/auth/o2/token",
    download_hosts=(".store.test",),
)
PROFILE = Profile("acme", Region.EU, "1234567890", name="ACME", type="seller")
JOB = Job(PROFILE, Entity.CAMPAIGNS, snapshot="s")
OTHER_JOB = Job(PROFILE, Entity.ADS, snapshot="s")
URL = "https://b.store.test/CAMPAIGN/x?X-Amz-Signature=abc"
ROWS = [{"campaignId": str(at), "name": f"row {at}"} for at in range(50)]
FILE = gzip.compress(orjson.dumps(ROWS), mtime=0)
ETAG = '"e1"'
HEAD = {"content-length": str(len(FILE)), "etag": ETAG, "accept-ranges": "bytes"}


def order(url: str = URL, file_size: int | None = len(FILE)) -> TransferOrder:
    """Return an order for JOB."""
    return TransferOrder(JOB, "export-1", SignedUrl(url), file_size)


def token_response(access: str = "Atza|one", seconds: int = 3600) -> Response:
    """Return the token host's answer."""
    return json_response(f'{{"access_token":"{access}","refresh_token":"refresh","expires_in":{seconds}}}')


def export_response(status: str, *, url: str | None = None, error: str = "", export_id: str = "export-1") -> Response:
    """Return the API's answer about an export."""
    body: dict[str, object] = {"exportId": export_id, "status": status}
    if url is not None:
        body |= {"url": url, "fileSize": len(FILE), "urlExpiresAt": "2026-11-23T03:00:00Z"}
    if error:
        body["error"] = {"errorCode": error, "message": "it did not work"}
    return json_response(orjson.dumps(body), date="Mon, 23 Nov 2026 02:00:00 GMT")


def whole(body: bytes = FILE, *, etag: str | None = ETAG, pieces: int = 3) -> FakeDownload:
    """Return a 200 with the whole body in so many chunks."""
    headers = {"content-length": str(len(body))} | ({"etag": etag} if etag else {})
    step = -(-len(body) // pieces)
    return FakeDownload(200, headers, *(body[at : at + step] for at in range(0, len(body), step)))


def cut(after: int, error: Exception, body: bytes = FILE, *, etag: str | None = ETAG) -> FakeDownload:
    """Return a 200 that breaks with ``error`` after so many bytes."""
    headers = {"content-length": str(len(body))} | ({"etag": etag} if etag else {})
    return FakeDownload(200, headers, body[:after], error)


def rest(start: int, body: bytes = FILE, *, etag: str = ETAG) -> FakeDownload:
    """Return the 206 that a Range from ``start`` deserves."""
    headers = {
        "content-range": f"bytes {start}-{len(body) - 1}/{len(body)}",
        "content-length": str(len(body) - start),
        "etag": etag,
    }
    return FakeDownload(206, headers, body[start:])


def s3_error(status: int, code: str, **headers: str) -> FakeDownload:
    """Return the store's XML error."""
    return FakeDownload(status, headers, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())


class Events(list[Event]):
    """A listener that keeps what it hears."""

    def __call__(self, event: Event) -> None:
        """Hear."""
        self.append(event)

    def of(self, name: str) -> list[Event]:
        """Return the events of that name."""
        return [event for event in self if event.name == name]


class Shelf:
    """A sink for one job: what is committed stands in ``committed``; ``opened`` counts transactions."""

    def __init__(self) -> None:
        self.committed: bytes | None = None
        self.opened = 0
        self.evidence: Evidence | None = None

    @asynccontextmanager
    async def open(self, order: TransferOrder) -> AsyncIterator[SinkWriter]:
        """Begin."""
        self.opened += 1
        writer = _ShelfWriter(order)
        yield writer
        assert writer.evidence is not None, "left cleanly without a seal"
        self.committed, self.evidence = writer.text, writer.evidence

    async def find(self, order: TransferOrder) -> Receipt | None:
        """Find what was committed."""
        if self.committed is None:
            return None
        return Receipt(order.export_id, self.committed.count(b"\n"), len(self.committed), "", "shelf")

    @property
    def rows(self) -> list[object]:
        """Parse what was committed."""
        assert self.committed is not None, "nothing was committed"
        return [orjson.loads(line) for line in self.committed.splitlines()]


class _ShelfWriter:
    def __init__(self, order: TransferOrder) -> None:
        self.order = order
        self.text = b""
        self.evidence: Evidence | None = None

    async def write(self, batch: Batch) -> None:
        self.text += batch.text

    def seal(self, evidence: Evidence) -> None:
        self.evidence = evidence

    @property
    def receipt(self) -> Receipt:
        return Receipt(self.order.export_id, self.text.count(b"\n"), len(self.text), "", "shelf")


class Library:
    """A sink for many jobs: what is committed stands in ``committed`` by job key, ``opened`` counts transactions."""

    def __init__(self) -> None:
        self.committed: dict[tuple[str, ...], bytes] = {}
        self.opened: Counter[tuple[str, ...]] = Counter()

    @asynccontextmanager
    async def open(self, order: TransferOrder) -> AsyncIterator[SinkWriter]:
        """Begin."""
        self.opened[order.job.key] += 1
        writer = _ShelfWriter(order)
        yield writer
        assert writer.evidence is not None, "left cleanly without a seal"
        self.committed[order.job.key] = writer.text

    async def find(self, order: TransferOrder) -> Receipt | None:
        """Find what was committed."""
        text = self.committed.get(order.job.key)
        return None if text is None else Receipt(order.export_id, text.count(b"\n"), len(text), "", "library")


def true_text(server: EmulatorServer, job: Job) -> bytes:
    """Return what a job's export must hold, one row a line, from the emulator's own books."""
    world = server.state.world
    rows = emulated_rows(world.profiles[job.profile.profile_id], job.entity, job.filters, world.seed)
    return b"".join(row + b"\n" for row in rows)


class Notebook:
    """A journal in memory: ``notes`` in the order in which they were written."""

    def __init__(self) -> None:
        self.notes: list[tuple[Job, Note]] = []
        self.known: dict[tuple[str, ...], Known] = {}
        self.learned: dict[tuple[str, ...], Habit] = {}

    async def recall(self, jobs: Iterable[Job]) -> Mapping[tuple[str, ...], Known]:
        """Return what the test has put into ``known``."""
        return {job.key: self.known[job.key] for job in jobs if job.key in self.known}

    async def habits(self, jobs: Iterable[Job]) -> Mapping[tuple[str, ...], Habit]:
        """Return what the test has put into ``learned``."""
        return {job.subject: self.learned[job.subject] for job in jobs if job.subject in self.learned}

    async def note(self, job: Job, note: Note) -> None:
        """Keep it."""
        self.notes.append((job, note))

    @property
    def kinds(self) -> list[str]:
        """The kinds of notes."""
        return [type(note).__name__ for _, note in self.notes]
