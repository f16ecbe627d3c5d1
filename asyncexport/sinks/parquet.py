"""Parquet files: rows as typed, nested columns, in the same tree as JSON Lines.

Contract: :mod:`asyncexport.sinks.files.tree` for the files, :mod:`asyncexport.sansio.tabular.fitting` for the columns:
what an entity is known to hold has a column, everything else stands in ``extra`` as JSON. Where a row is from stands in
columns of every file, so that the files say it wherever they are taken.

Plan: text is held until it is a block (:mod:`asyncexport.sinks.arrow.blocks`), which becomes a table in a thread,
mostly without the interpreter's lock. Tables of some :data:`GROUP` bytes of text, or of as many rows as a block may
have, are written as one row group.

Columns of few words have a dictionary; ids, names, amounts and times would only fill one: without it they are written a
sixth faster, and the files are a tenth smaller.

Worst case: one open export holds a row group as tables, and one block of text while it becomes one: about 40 MB.
"""

from __future__ import annotations

import io
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Final

from asyncexport.adapters.threads import in_thread
from asyncexport.batch import Batch
from asyncexport.models import TransferOrder
from asyncexport.sansio.tabular.columns import words_of
from asyncexport.sinks.arrow import blocks
from asyncexport.sinks.arrow.blocks import Block
from asyncexport.sinks.extras import require
from asyncexport.sinks.files.codecs import Compression, check_compression
from asyncexport.sinks.files.tree import Tree, TreeWriter

if TYPE_CHECKING:
    from collections.abc import Callable

GROUP: Final = 8 * 1024 * 1024
_TOGETHER: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Parquet(Tree):
    """A :class:`~asyncexport.ports.Sink` of Parquet files below ``path``; also keeps manifests.

    Needs the extra ``asyncexport[parquet]``. ``compression`` is ``"zstd"``, ``"gzip"`` or ``"none"``, ``level`` the
    strength (None: the usual one). ``overwrite`` lets it replace files that are not its own. Raises
    :class:`ConfigError` for what cannot work.
    """

    _: KW_ONLY
    compression: Compression = "zstd"
    level: int | None = None

    def __post_init__(self) -> None:
        Tree.__post_init__(self)
        check_compression(self.compression, self.level)
        require("arro3.io", extra="parquet")
        require("pyarrow", extra="parquet", by="asyncexport.sinks.arrow.tables")

    @property
    def suffix(self) -> str:
        """How the names of its data files end."""
        return ".parquet"

    def _writer(self, order: TransferOrder) -> ParquetWriter:
        return ParquetWriter(self, order)


class ParquetWriter(TreeWriter):
    """The open transaction for one export."""

    def __init__(self, sink: Parquet, order: TransferOrder) -> None:
        super().__init__(sink, order)
        from asyncexport.sinks.arrow.tables import Tables  # noqa: PLC0415 - needs the extra

        self._compression = {"compression": sink.compression, "compression_level": sink.level}
        self._tables = Tables(order)
        self._words = [".".join(path) for path in words_of(order.job.entity)]
        self._block = Block()
        self._group: list[Any] = []
        self._group_size = self._group_rows = 0
        self._stream = _Stream(self._append)
        self._made: Any = None

    def _open(self) -> None:
        super()._open()
        from pyarrow.parquet import ParquetWriter as Made  # noqa: PLC0415 - needs the extra

        with self._failing("opening"):
            self._made = Made(self._stream, self._tables.schema, use_dictionary=self._words, **self._compression)

    async def _store(self, batch: Batch) -> None:
        if self._block.add(batch):
            await in_thread(self._take_block)

    def _take_block(self) -> None:
        text, rows = self._block.take()
        self._group.append(self._tables.of(text, rows))
        self._group_size += len(text)
        self._group_rows += rows
        if self._group_size >= GROUP or self._group_rows >= blocks.ROWS:
            self._write_group()

    def _write_group(self) -> None:
        table = self._tables.joined(self._group)
        self._group, self._group_size, self._group_rows = [], 0, 0
        with self._failing("writing"):
            self._made.write_table(table, row_group_size=blocks.ROWS)

    def _flush(self) -> None:
        if self._block:
            self._take_block()
        if self._group:
            self._write_group()
        if self._made is not None:
            self._made.close()
        self._stream.flush()

    def _discard(self) -> None:
        self._stream.close()
        self._block.clear()
        self._group.clear()
        super()._discard()


class _Stream(io.RawIOBase):
    """What Arrow writes into, in many small pieces, which go on together.

    Closed it does nothing and says nothing, for Arrow ends a file that was given up, too.
    """

    def __init__(self, append: Callable[[bytes], None]) -> None:
        super().__init__()
        self._append = append
        self._pieces = bytearray()
        self._deaf = False

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:  # noqa: ANN401 - any buffer
        if not self._deaf:
            self._pieces += data
            if len(self._pieces) >= _TOGETHER:
                self.flush()
        return len(data)

    def flush(self) -> None:
        if not self._deaf:
            pieces, self._pieces = bytes(self._pieces), bytearray()
            self._append(pieces)

    def close(self) -> None:
        self._deaf = True
        self._pieces.clear()
