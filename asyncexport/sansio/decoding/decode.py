"""One export, from the bytes of its object to batches of rows.

Contract: :class:`Decoder` is :class:`~asyncexport.sansio.decoding.unpack.Unpack` and
:class:`~asyncexport.sansio.decoding.rows.Rows` in one: bytes in at any chunking, batches out, and ``close()`` that
raises unless the object was whole. After an error it is spent: whatever is fed, ``close()`` never succeeds. Memory and
time: the worst of the two.
"""

from __future__ import annotations

from collections.abc import Iterator

from asyncexport.batch import Batch
from asyncexport.sansio.decoding.gunzip import GunzipLimits
from asyncexport.sansio.decoding.rows import RowLimits, Rows
from asyncexport.sansio.decoding.unpack import Unpack


class Decoder:
    """The push parser of one object. Iterators it gave are read to their end before more is fed.

    Who is going to ask every batch for its rows, and not for its text, says so by ``objects``.
    """

    def __init__(
        self, *, gunzip: GunzipLimits | None = None, rows: RowLimits | None = None, objects: bool = False
    ) -> None:
        self._unpack = Unpack(gunzip)
        self._rows = Rows(rows, objects=objects)

    @property
    def rows(self) -> int:
        """Whole rows so far."""
        return self._rows.count

    @property
    def integrity(self) -> str:
        """How wholeness is known: ``"gzip"``, ``"length+json"``, or empty while the first bytes have not come."""
        return self._unpack.integrity

    def __repr__(self) -> str:
        return f"<Decoder {self.integrity or 'undecided'}, {self.rows} rows>"

    def feed(self, data: bytes) -> Iterator[Batch]:
        """Take the next bytes of the object; return an iterator of batches.

        This or the iterating raises :class:`~asyncexport.errors.NotAnExport` or a
        :class:`~asyncexport.errors.DecodeError`.
        """
        return self._batches(self._unpack.feed(data))

    def close(self) -> list[Batch]:
        """State that the object ends here; return the batches that are left.

        Raises as :meth:`feed` does, above all :class:`~asyncexport.errors.GzipTruncated` and
        :class:`~asyncexport.errors.JsonTruncated`.
        """
        self._unpack.close()
        return self._rows.close()

    def _batches(self, pieces: Iterator[bytes]) -> Iterator[Batch]:
        for piece in pieces:
            yield from self._rows.feed(piece)
