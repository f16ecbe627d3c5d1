"""Rows as Arrow tables with the columns of their entity. Needs pyarrow and arro3; loaded by the sinks that do.

Contract: :meth:`Tables.of` takes text as a :class:`~asyncexport.batch.Batch` has it and gives one table with the schema
of :func:`~asyncexport.sinks.arrow.schema.schema_of`, a row for each line, in order. What fits which column is said by
:mod:`asyncexport.sansio.tabular.fitting`, and no text is refused.

Plan: :mod:`asyncexport.sinks.arrow.reading` reads a block at once. What it is not certain of is cut into pieces, and
only the smallest of those are fitted row by row. Both ways agree, which a test holds for any rows.

What keeps the interpreter's lock is done in pieces of some milliseconds, so that a loop beside it is not held.

Worst case: a block takes about five times its size in memory; rows that are fitted one by one take some ten times as
long as those that are read at once.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import pyarrow as pa

from asyncexport.models import TransferOrder
from asyncexport.sansio.tabular.columns import EXTRA, MODELS, PROVENANCE, Fields, Scalar
from asyncexport.sansio.tabular.fitting import Misfit, fit, fit_row
from asyncexport.sansio.tabular.spelling import pieces
from asyncexport.sinks.arrow.reading import Reader
from asyncexport.sinks.arrow.schema import model_schema, schema_of

Table: TypeAlias = Any
"""A ``pyarrow.Table``, which has no types to check by."""

_SMALLEST: Final = 128 * 1024
_FEWER: Final = 8


class Tables:
    """Makes the tables of one export."""

    def __init__(self, order: TransferOrder) -> None:
        self._model: Fields = MODELS[order.job.entity]
        self._rows_schema = model_schema(order.job.entity)
        self._reader = Reader(order.job.entity)
        self.schema = schema_of(order.job.entity)
        known = _where_from(order)
        self._provenance = [pa.scalar(known[name], self.schema.field(name).type) for name in PROVENANCE]

    def of(self, text: bytes, count: int) -> Table:
        """Return the table of ``count`` rows, each a line of ``text``."""
        rows = self._rows(text, count)
        where_from = [pa.repeat(value, count) for value in self._provenance]
        return pa.Table.from_arrays([*where_from, *rows.columns], schema=self.schema)

    def joined(self, tables: list[Table]) -> Table:
        """Return tables of the export as one."""
        return pa.concat_tables(tables)

    def _rows(self, text: bytes, count: int) -> Table:
        columns = self._reader.read(text, count)
        if columns is not None:
            return pa.Table.from_arrays(columns, schema=self._rows_schema)
        fewer = list(pieces(text, len(text) // _FEWER)) if len(text) > _SMALLEST else []
        if len(fewer) > 1:
            return pa.concat_tables([self._rows(piece, piece.count(b"\n")) for piece in fewer])
        return self._one_by_one(text)

    def _one_by_one(self, text: bytes) -> Table:
        rows = []
        for line in _lines(text):
            values, extra = fit_row(line, self._model)
            rows.append({**values, EXTRA: None if extra is None else extra.decode()})
        return pa.Table.from_pylist(rows, schema=self._rows_schema)


def _where_from(order: TransferOrder) -> dict[str, Any]:
    job = order.job
    return {
        "account": job.profile.account,
        "region": job.profile.region.value,
        "profile_id": job.profile.profile_id,
        "entity": job.entity.value,
        "snapshot": job.snapshot,
        "export_id": order.export_id,
        "generated_at": _moment_or_none(order.generated_at),
    }


def _moment_or_none(text: str) -> object:
    try:
        return fit(text, Scalar.MOMENT)
    except Misfit:
        return None


def _lines(text: bytes) -> list[bytes]:
    return text.removesuffix(b"\n").split(b"\n")
