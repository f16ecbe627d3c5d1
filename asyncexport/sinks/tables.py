"""Rows as Arrow tables with the columns of their entity. Needs pyarrow; loaded by the sinks that do.

Contract: :meth:`Tables.of` takes text as a :class:`~asyncexport.batch.Batch` has it and gives one table with the schema
of :func:`~asyncexport.sinks.schema.schema_of`, a row for each line, in order. What fits which column is said by
:mod:`asyncexport.sansio.fitting`, and no text is refused.

Plan: Arrow's own reader of JSON Lines takes a block of text at once, without an object for any value and without the
interpreter's lock. What it finds besides the model's fields tells which rows must be looked at for their extra column.
It refuses a block with a value that does not fit. Then numbers that came as text, as the API sends some, lose their
quotes; a block that is refused all the same is cut into pieces, and only the smallest of those are fitted value by
value. All ways agree, which a test holds for any rows.

What keeps the interpreter's lock is done in pieces of some milliseconds, so that a loop beside it is not held.

Worst case: a block takes about five times its size in memory; one whose every row has a misfit takes some eight times
as long as one that fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, Final, TypeAlias

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from asyncexport.models import TransferOrder
from asyncexport.sansio.columns import EXTRA, MODELS, PROVENANCE, Fields, Scalar
from asyncexport.sansio.fitting import PIECE, Misfit, extra_text, fields_of, fit, fit_row, pieces, quoted_number
from asyncexport.sinks.schema import model_schema, schema_of, spelt_schema

Table: TypeAlias = Any
"""A ``pyarrow.Table``, which has no types to check by."""

_SMALLEST: Final = 128 * 1024
_FEWER: Final = 8
_FIRST_MOMENT: Final = datetime(1, 1, 1, tzinfo=UTC)
_LAST_MOMENT: Final = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
_FIRST_DATE: Final = date(1, 1, 1)


class Tables:
    """Makes the tables of one export."""

    def __init__(self, order: TransferOrder) -> None:
        self._entity = order.job.entity
        self._model: Fields = MODELS[self._entity]
        self.schema = schema_of(self._entity)
        self._spelt = spelt_schema(self._entity)
        self._dates = [name for name, column in self._model.items() if column is Scalar.DATE]
        self._moments = [name for name, column in self._model.items() if column is Scalar.MOMENT]
        self._quoted_number = quoted_number(self._model)
        self._quoted = self._unknown = False
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
        if not self._quoted and (table := self._at_once(text, count, text)) is not None:
            return table
        bare = b"".join(self._quoted_number.sub(rb"\1\2", piece) for piece in pieces(text, PIECE))
        if (len(bare) < len(text) or self._quoted) and (table := self._at_once(text, count, bare)) is not None:
            self._quoted = True
            return table
        fewer = list(pieces(text, len(text) // _FEWER)) if len(text) > _SMALLEST else []
        if len(fewer) > 1:
            return pa.concat_tables([self._rows(piece, piece.count(b"\n")) for piece in fewer])
        return self._one_by_one(text)

    def _at_once(self, text: bytes, count: int, spelling: bytes) -> Table | None:
        """Return the table as Arrow reads the text in another ``spelling``, None where it cannot.

        That a field has no column is found out by being refused, until it has happened once.
        """
        found = None if self._unknown else self._read(spelling, unexpected="error")
        return self._completed(found, count, ()) if found is not None else self._with_extra(text, count, spelling)

    def _with_extra(self, text: bytes, count: int, spelling: bytes) -> Table | None:
        found = self._read(spelling, unexpected="infer")
        if found is None:
            return None
        unknown = [name for name in found.schema.names if name not in self._model]
        changed = [each.name for each in self._spelt if found.schema.field(each.name).type != each.type]
        self._unknown = True
        if changed:
            found = self._read(spelling, unexpected="ignore")
        return self._completed(found, count, self._extras(text, unknown, changed))

    def _completed(self, found: Table, count: int, extras: Sequence[str | None]) -> Table | None:
        """Return the model's table of what Arrow has read; None for what no reader would understand."""
        try:
            columns = self._checked(found)
        except pa.ArrowInvalid:
            return None
        if found.num_rows != count:
            return None
        extra = pa.array(extras, pa.string()) if extras else pa.nulls(count, pa.string())
        return pa.Table.from_arrays([*columns, extra], schema=model_schema(self._entity))

    def _read(self, text: bytes, *, unexpected: str) -> Table | None:
        options = pj.ParseOptions(explicit_schema=self._spelt, unexpected_field_behavior=unexpected)
        whole = pj.ReadOptions(use_threads=False, block_size=len(text) + 1)
        try:
            return pj.read_json(pa.BufferReader(text), whole, options)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return None

    def _checked(self, found: Table) -> list[Any]:
        """Return the model's columns, dates as dates. Raises ``ArrowInvalid`` for what no reader would understand."""
        columns = {name: found.column(name) for name in self._model}
        for name in self._dates:
            columns[name] = pc.cast(columns[name], pa.date32())
            _refuse_beyond(columns[name], _FIRST_DATE, date.max)
        for name in self._moments:
            _refuse_beyond(columns[name], _FIRST_MOMENT, _LAST_MOMENT)
        return list(columns.values())

    def _extras(self, text: bytes, unknown: list[str], changed: list[str]) -> list[str | None]:
        """Return the extra column: fields that are ``unknown``, and ``changed`` ones that do not fit in their row."""
        column: list[str | None] = []
        for row in fields_of(text, [*unknown, *changed]):
            fields = {name: spelt for name, spelt in row.items() if name not in changed or self._is_extra(name, spelt)}
            extra = extra_text(fields)
            column.append(None if extra is None else extra.decode())
        return column

    def _is_extra(self, name: str, spelt: Any) -> bool:  # noqa: ANN401 - a msgspec.Raw
        try:
            fit(orjson.loads(memoryview(spelt)), self._model[name])
        except Misfit:
            return True
        return False

    def _one_by_one(self, text: bytes) -> Table:
        rows = []
        for line in _lines(text):
            values, extra = fit_row(line, self._model)
            rows.append({**values, EXTRA: None if extra is None else extra.decode()})
        return pa.Table.from_pylist(rows, schema=model_schema(self._entity))


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


def _refuse_beyond(column: Any, first: object, last: object) -> None:  # noqa: ANN401 - a pyarrow.ChunkedArray
    bounds = pc.min_max(column)
    kind = column.type
    low, high = bounds["min"], bounds["max"]
    if low.is_valid and (
        pc.less(low, pa.scalar(first, kind)).as_py() or pc.greater(high, pa.scalar(last, kind)).as_py()
    ):
        raise pa.ArrowInvalid("a date that readers do not understand")


def _lines(text: bytes) -> list[bytes]:
    return text.removesuffix(b"\n").split(b"\n")
