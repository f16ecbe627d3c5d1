"""JSON Lines in files: rows are stored as the API spelt them, one a line, compressed.

Contract: :mod:`asyncexport.sinks.files.tree`. Worst case: compressing and writing a batch happen in the loop (about a
millisecond).
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

from asyncexport.batch import Batch
from asyncexport.models import TransferOrder
from asyncexport.sinks.files.codecs import SUFFIXES, Compression, check_compression, encoder
from asyncexport.sinks.files.tree import Tree, TreeWriter


@dataclass(frozen=True, slots=True)
class JsonLines(Tree):
    """A :class:`~asyncexport.ports.Sink` of JSON Lines files below ``path``; also keeps manifests.

    ``compression`` is ``"zstd"``, ``"gzip"`` or ``"none"``, ``level`` the strength (None: the usual one). ``overwrite``
    lets it replace files that are not its own. Raises :class:`ConfigError` for what cannot work.
    """

    _: KW_ONLY
    compression: Compression = "zstd"
    level: int | None = None

    def __post_init__(self) -> None:
        Tree.__post_init__(self)
        check_compression(self.compression, self.level)

    @property
    def suffix(self) -> str:
        """How the names of its data files end."""
        return SUFFIXES[self.compression]

    def _writer(self, order: TransferOrder) -> JsonLinesWriter:
        return JsonLinesWriter(self, order)


class JsonLinesWriter(TreeWriter):
    """The open transaction for one export."""

    def __init__(self, sink: JsonLines, order: TransferOrder) -> None:
        super().__init__(sink, order)
        self._encoder = encoder(sink.compression, sink.level)

    async def _store(self, batch: Batch) -> None:
        with self._failing("writing"):
            self._append(self._encoder.compress(batch.text))
        await self._caught_up()

    def _flush(self) -> None:
        self._append(self._encoder.flush())
