"""One object's download over as many connections as it takes: what each answer of the store means.

The object store is S3 behind signed URLs. A broken download goes on where it stopped only when that is provably the
same object: a strong ETag, a known total, ``Range`` with ``If-Match``, and a ``206`` that is exactly the missing
piece. A ``200`` to a Range is the object from its beginning: it is usable when ETag and length are the same, and then
the bytes already handed on are skipped while their CRC-32 is compared. Anything else starts over, a bounded number of
times.

Worst case: every connection breaks. Without a new byte that is endured five times in a row; with progress each time,
for as long as it takes. Sources: RFC 9110 chapters 13 and 14, the S3 user guide on error responses, and what clients
of this API observed about expired URLs (400 ExpiredToken is the usual answer, 403 the textbook one).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

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
from asyncexport.sansio.decoding.inflating import FASTEST
from asyncexport.sansio.failures import complaint, retry_after

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")
_UNSATISFIED = re.compile(r"bytes \*/(\d{1,18})")
_EXPIRED_CODES = {"ExpiredToken", "RequestTimeTooSkewed", "InvalidToken"}
_STRONG_ETAG = re.compile(r'"[!#-~]*"')


class BadSignature(DownloadError):
    """The store does not accept the URL's signature."""


class NoSuchObject(DownloadError):
    """The store does not have the object (any more)."""


class Piecewise:
    """The state of one pass over the object, from byte 0 to its end.

    ``offset`` counts the bytes handed on; ``total`` is the object's size once an answer has told it. Feed it with the
    head of each answer (:meth:`open`), then every chunk (:meth:`take`), then the end (:meth:`close`).
    """

    def __init__(self) -> None:
        self.offset = 0
        self.total: int | None = None
        self.etag: str | None = None
        self._crc = 0
        self._to_skip = 0
        self._skipped_crc = 0
        self._ends_at: int | None = None

    @property
    def can_resume(self) -> bool:
        """Whether going on after a break is provably the same object."""
        return self.offset == 0 or (self.etag is not None and self.total is not None)

    def open(self, status: int, headers: Mapping[str, str]) -> None:
        """Judge the head of a successful answer; the body may be fed if nothing is raised.

        Raises :class:`RangeMismatch`, :class:`ObjectChanged` or :class:`GzipTruncated` (an empty answer).
        """
        self._to_skip, self._skipped_crc = 0, 0
        if status == 206:
            self._open_piece(headers)
        elif status == 200:
            self._open_whole(headers)
        else:
            raise GzipTruncated(f"the object store answered {status} without a body; an empty export would be '[]'")

    def take(self, chunk: bytes) -> bytes:
        """Return what of ``chunk`` is new: all of it, or nothing of a prefix that is already known."""
        if self._to_skip:
            chunk = self._skip(chunk)
        end = self.offset + len(chunk)
        if self._ends_at is not None and end > self._ends_at:
            raise TrailingGarbage("the download is longer than its Content-Length", offset=self._ends_at)
        self.offset = end
        self._crc = FASTEST.crc32(chunk, self._crc)
        return chunk

    def close(self) -> None:
        """The connection ended the body. Raises :class:`ConnectionLost` if it did so too early."""
        if self._to_skip or (self._ends_at is not None and self.offset < self._ends_at):
            raise ConnectionLost(f"the download ended at byte {self.offset} of {self._ends_at}")

    def _open_piece(self, headers: Mapping[str, str]) -> None:
        match = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
        if match is None or self.offset == 0 or self.total is None:
            raise RangeMismatch("a 206 that nobody asked for, or without a readable Content-Range", status=206)
        start, last, total = map(int, match.groups())
        if (start, last, total) != (self.offset, self.total - 1, self.total):
            raise RangeMismatch(
                f"asked for bytes {self.offset}-{self.total - 1}/{self.total}, got {match[0]}", status=206
            )
        if headers.get("content-type", "").lower().startswith("multipart/"):
            raise RangeMismatch("asked for one piece, got several", status=206)
        if _length(headers) not in {None, total - start}:
            raise RangeMismatch("the piece is not as long as its Content-Range says", status=206)
        if _strong_etag(headers) != self.etag:
            raise ObjectChanged("the object changed while it was downloaded", status=206)
        self._ends_at = total

    def _open_whole(self, headers: Mapping[str, str]) -> None:
        if "content-range" in headers:
            raise RangeMismatch("a 200 with a Content-Range", status=200)
        length, etag = _length(headers), _strong_etag(headers)
        if length == 0:
            raise GzipTruncated("the object store sent an empty object; an empty export would be '[]'")
        if self.offset:
            if etag is None or etag != self.etag or length is None or length != self.total:
                raise ObjectChanged("the object is not provably the one the download began with", status=200)
            self._to_skip = self.offset
        self.total, self.etag, self._ends_at = length, etag, length

    def _skip(self, chunk: bytes) -> bytes:
        known, new = chunk[: self._to_skip], chunk[self._to_skip :]
        self._to_skip -= len(known)
        self._skipped_crc = FASTEST.crc32(known, self._skipped_crc)
        if self._to_skip == 0 and self._skipped_crc != self._crc:
            raise ObjectChanged("the beginning of the object is not what came in before")
        return new

    def __repr__(self) -> str:
        return f"<Piecewise {self.offset}/{self.total} bytes, etag {self.etag}>"


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> AsyncexportError:
    """Return the error that an unsuccessful answer of the store stands for.

    A 400 that does not say why is taken for an expired URL: that is what it means in practice, and a fresh one costs
    one call.
    """
    said = complaint(body)
    words = f"the object store answered {status}{': ' + said.code if said.code else ''}"
    if 300 <= status < 400:
        return UrlRefused(f"{words}: redirects are not followed", status=status)
    if status == 412:
        return ObjectChanged(words, status=status, code=said.code)
    if status == 416:
        return RangeMismatch(words, status=status, code=said.code)
    if status in {408, 429} or status >= 500:
        kind = Throttled if status == 429 else ServerError
        wait = retry_after(headers)
        return kind(words, status=status, code=said.code, retry_after=wait)
    return _by_code(status, said.code, words)


def _by_code(status: int, code: str, words: str) -> AsyncexportError:
    if code == "SignatureDoesNotMatch":
        return BadSignature(words, status=status, code=code)
    if code in _EXPIRED_CODES or status == 403 or (status == 400 and not code):
        return UrlExpired(words, status=status, code=code)
    if status in {404, 410}:
        return NoSuchObject(words, status=status, code=code)
    return DownloadError(words, status=status, code=code)


def is_end(state: Piecewise, response: Response) -> bool:
    """Tell whether a 416 says that the object ends exactly where we are."""
    match = _UNSATISFIED.fullmatch(response.headers.get("content-range", ""))
    return response.status == 416 and match is not None and int(match[1]) == state.offset == state.total


class FloorRate:
    """Refuses a connection that only drips: fewer than ``rate`` bytes a second over ``window`` seconds of waiting.

    Only the time spent waiting for the network counts, so that a slow sink never looks like a slow server.
    """

    def __init__(self, rate: float = 1000.0, window: float = 60.0) -> None:
        self._rate = rate
        self._window = window
        self._waited = 0.0
        self._received = 0

    def add(self, size: int, seconds: float) -> None:
        """Count a chunk of ``size`` bytes that was ``seconds`` in coming. Raises :class:`Stalled`."""
        self._received += size
        self._waited += seconds
        if self._waited < self._window:
            return
        if self._received < self._rate * self._waited:
            raise Stalled(f"the download delivered {self._received} bytes in {self._waited:.0f} s")
        self._waited, self._received = 0.0, 0


def _length(headers: Mapping[str, str]) -> int | None:
    text = headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _strong_etag(headers: Mapping[str, str]) -> str | None:
    etag = headers.get("etag", "")
    return etag if _STRONG_ETAG.fullmatch(etag) else None
