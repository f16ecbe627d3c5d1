"""gzip or plain JSON: decided on the first two bytes, never on headers, and one layer only.

Contract: the bytes of the object go in, JSON text comes out. ``1f 8b`` is gzip; blanks and then ``[`` are plain JSON,
passed on as they are; anything else is no export (an error page, a JSON error, another format). A gzip file inside the
gzip file is not opened: the JSON parser behind refuses it.

Worst case: two bytes are held back.
"""

from __future__ import annotations

from collections.abc import Iterator

from asyncexport.errors import GzipTruncated, NotAnExport
from asyncexport.sansio.decoding.gunzip import Gunzip, GunzipLimits
from asyncexport.sansio.decoding.gzip_header import MAGIC

_BLANKS = b" \t\r\n"


class Unpack:
    """The push parser. Iterators it gave are read to their end before more is fed."""

    def __init__(self, limits: GunzipLimits | None = None) -> None:
        self._gunzip = Gunzip(limits)
        self._held = b""
        self._blanks = 0
        self._integrity = ""

    @property
    def integrity(self) -> str:
        """How wholeness is known: ``"gzip"``, ``"length+json"``, or empty while the first bytes have not come."""
        return self._integrity

    def __repr__(self) -> str:
        return f"<Unpack {self._integrity or 'undecided'}>"

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next bytes of the object; return an iterator of JSON text.

        Raises :class:`NotAnExport`; iterating raises what :class:`Gunzip` does.
        """
        if not self._integrity:
            data = self._held + data
            self._held = b"" if self._decide(data) else data[:1]
            data = data[len(self._held) :]
        return self._gunzip.feed(data) if self._integrity == "gzip" else iter((data,) if data else ())

    def close(self) -> None:
        """State that the object ends here. Raises :class:`GzipTruncated` or :class:`NotAnExport` unless it may."""
        if self._integrity == "gzip":
            self._gunzip.close()
        elif not self._integrity and self._blanks:
            raise NotAnExport("the object holds nothing but blanks; an empty export would be []")
        elif not self._integrity:
            raise GzipTruncated("the object is empty or ends within its first two bytes; an empty export would be []")

    def _decide(self, data: bytes) -> bool:
        """Return whether everything in ``data`` may go on; False keeps the first byte until the second has come."""
        if not self._blanks and MAGIC.startswith(data[:2]):
            self._integrity = "gzip" if len(data) >= len(MAGIC) else ""
            return bool(self._integrity)
        text = data.lstrip(_BLANKS)
        self._blanks += len(data) - len(text)
        if text and not text.startswith(b"["):
            raise NotAnExport(f"the object begins with {_looks_like(text)}; an export is gzip or a JSON array")
        self._integrity = "length+json" if text else ""
        return True


def _looks_like(text: bytes) -> str:
    match text[:1]:
        case b"<":
            return "'<', like an XML or HTML page"
        case b"{":
            return "'{', like a JSON error message"
        case _:
            return f"the bytes {text[:2].hex(' ')}"
