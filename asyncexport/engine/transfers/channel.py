"""Rows handed straight to the caller: a sink whose other end is an ``async for``.

The channel holds no batch, so the caller's pace is the download's pace. It cannot take rows back: once some have been
handed out, a download that can only begin again from byte 0 ends with an error instead. The parts of a job that is too
large for one export are handed out as they come.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio.streams.memory import MemoryObjectSendStream

from asyncexport.batch import Batch
from asyncexport.errors import SinkError
from asyncexport.models import Evidence, Receipt, TransferOrder
from asyncexport.ports import SinkWriter


class Channel:
    """A :class:`asyncexport.ports.Sink` for one job, which puts its batches into ``send``.

    ``wants_rows``: :class:`asyncexport.ports.WantsRows`; the text of such batches is neither counted nor hashed.
    """

    def __init__(self, send: MemoryObjectSendStream[Batch], *, wants_rows: bool = False) -> None:
        self.wants_rows = wants_rows
        self._send = send
        self._handed_out: Counter[int] = Counter()

    @asynccontextmanager
    async def open(self, order: TransferOrder) -> AsyncIterator[SinkWriter]:
        """Begin; refused once rows have been handed out."""
        if rows := self._handed_out[order.part]:
            raise SinkError(
                f"{order.job}: the download broke beyond resuming after {rows} rows had been handed out; "
                "discard them and ask again, or use a sink, which can take rows back"
            )
        yield _ChannelWriter(self, self._send, order)

    async def find(self, order: TransferOrder) -> Receipt | None:  # noqa: ARG002
        """Nothing is ever there."""
        return None

    def handed_out(self, part: int, rows: int) -> None:
        """Count rows of a part that the caller has."""
        self._handed_out[part] += rows


class _ChannelWriter:
    def __init__(self, channel: Channel, send: MemoryObjectSendStream[Batch], order: TransferOrder) -> None:
        self._channel = channel
        self._send = send
        self._order = order
        self._rows = 0
        self._bytes = 0
        self._hash = hashlib.sha256()
        self._evidence = Evidence(0, "")

    async def write(self, batch: Batch) -> None:
        await self._send.send(batch)
        self._channel.handed_out(self._order.part, batch.count)
        self._rows += batch.count
        if not self._channel.wants_rows:
            self._bytes += len(batch.text)
            self._hash.update(batch.text)

    def seal(self, evidence: Evidence) -> None:
        self._evidence = evidence

    @property
    def receipt(self) -> Receipt:
        return Receipt(
            export_id=self._order.export_id,
            rows=self._rows,
            bytes=self._bytes,
            sha256="" if self._channel.wants_rows else self._hash.hexdigest(),
            location="",
            source_bytes=self._evidence.source_bytes,
            integrity=self._evidence.integrity,
            notes=self._evidence.notes,
            generated_at=self._order.generated_at,
        )
