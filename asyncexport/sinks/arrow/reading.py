"""Blocks of rows read into the columns of their entity by Arrow, and the proof that nothing was left behind.

Contract: :meth:`Reader.read` gives the columns of a model and the extra column of the same rows, as
:func:`~asyncexport.sansio.tabular.fitting.fit_row` fits them one by one, or None where it cannot say. No text is
refused.

Plan: Arrow's reader in Rust takes a block at once, without an object for any value and without the interpreter's lock.
It passes over fields that it is not asked for. So what it has found is counted, and must be as many fields as the text
holds (:mod:`asyncexport.sinks.arrow.counting`). Two kinds of fields are looked at row by row, and they alone: *unknown*
ones that no column is for, and *odd* columns, in which something does not fit. Which those are is learnt from the first
block that does not come out even, and kept for the blocks of the export that follow.

What that reader takes another way is read as something else first and then cast: dates and moments as text, for it
takes numbers for them, and whole numbers as doubles, for it cuts fractions off. So a whole number beyond 2^53 and a
moment without an offset make their columns odd.

What it refuses it shows in the words of its error, and with U+0000 in them the bridge to Python aborts the process,
which nothing can catch. JSON has only one spelling of that character, so a block that holds it is never given to it.

Worst case: the text is read once more for each column when a value is met that Arrow refuses, and once more when
something is learnt; a block takes about three times its size in memory, and 8 MB for a million looks. What needs a look
is looked for in every row, so that no more than 64 unknown names are learnt: a block that has more of them is given
back, and so is one that would take more than a million looks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final, TypeAlias

import arro3.io
import pyarrow as pa
import pyarrow.compute as pc

from asyncexport.models import Entity
from asyncexport.sansio.tabular.columns import MODELS, Column, Fields, Many, Scalar
from asyncexport.sansio.tabular.fitting import Misfit, fit, load
from asyncexport.sansio.tabular.spelling import Spelt, columns_of, extra_texts, names_in
from asyncexport.sinks.arrow.counting import keys, keys_within, may_hold_nulls, nulls, nulls_within
from asyncexport.sinks.arrow.schema import model_schema, spelt_schema

Array: TypeAlias = Any
"""A ``pyarrow.ChunkedArray`` or ``pyarrow.Array``, which has no types to check by."""

_ROWS: Final = 8192
_EXACT: Final = 2**53
_MOST_LEARNT: Final = 64
_MOST_LOOKS: Final = 1_000_000
_FEW: Final = 4_000
_NUL: Final = rb"\u0000"
_FIRST_MOMENT: Final = datetime(1, 1, 1, tzinfo=UTC)
_LAST_MOMENT: Final = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)


class Reader:
    """Reads the blocks of one export, and remembers which fields need a look."""

    def __init__(self, entity: Entity) -> None:
        self._model: Fields = MODELS[entity]
        self._schema = model_schema(entity)
        self._spelt = spelt_schema(entity)
        self._odd: set[str] = set()
        self._unknown: set[str] = set()

    def __repr__(self) -> str:
        return f"<Reader of {len(self._model)} columns, odd {sorted(self._odd)}, unknown {sorted(self._unknown)}>"

    def read(self, text: bytes, count: int) -> list[Array] | None:
        """Return the columns of the model and the extra column of ``count`` rows, None where that is not certain."""
        if _holds_nul(text):
            return None
        try:
            return self._read(text, count)
        except RecursionError:
            return None

    def _read(self, text: bytes, count: int) -> list[Array] | None:
        while True:
            known = self._odd | self._unknown
            if len(known) * count > _MOST_LOOKS:
                return None
            columns = self._columns(text, count)
            if columns is None:
                return None
            spelt = columns_of(text, sorted(self._odd | self._unknown))
            if self._are_all(text, columns, spelt):
                return self._completed(columns, spelt, count)
            self._learn(text, columns)
            if self._odd | self._unknown == known:
                return None

    def _columns(self, text: bytes, count: int) -> dict[str, Array] | None:
        """Return the columns that are not odd; those that turn out to be are noted. None for other rows than told."""
        usual = [name for name in self._model if name not in self._odd]
        table = self._arrow(text, usual)
        if table is None:
            self._odd.update(name for name in usual if self._arrow(text, [name]) is None)
            usual = [name for name in usual if name not in self._odd]
            table = self._arrow(text, usual)
        if table is None or (usual and table.num_rows != count):
            return None
        columns = {name: self._cast(table.column(name), name) for name in usual}
        self._odd.update(name for name, column in columns.items() if column is None)
        return {name: column for name, column in columns.items() if column is not None}

    def _arrow(self, text: bytes, names: list[str]) -> Array | None:
        """Return the named columns as a table, None if Arrow refuses the text. Its words hold rows, so none is kept."""
        schema = pa.schema([self._spelt.field(name) for name in names])
        if not names:
            return schema.empty_table()
        try:
            found = arro3.io.read_json(text, schema, batch_size=_ROWS)
            return pa.RecordBatchReader.from_stream(found).read_all()
        except pa.ArrowInvalid:
            return None

    def _cast(self, column: Array, name: str) -> Array | None:
        """Return a column in its own type, None if something in it must be looked at."""
        try:
            column = column.cast(self._schema.field(name).type)
        except pa.ArrowInvalid:
            return None
        return column if all(_is_sound(chunk, self._model[name]) for chunk in column.chunks) else None

    def _are_all(self, text: bytes, columns: Mapping[str, Array], spelt: Mapping[str, Spelt]) -> bool:
        """Return whether no field of the text is in none of the columns."""
        found = sum(_fields_in(column, self._model[name]) for name, column in columns.items())
        found += sum(keys_within(column) - nulls_within(column) for column in spelt.values())
        total = keys(text)
        return found == total or (found == total - nulls(text) and self._are_nulls_ours(text, columns))

    def _are_nulls_ours(self, text: bytes, columns: Mapping[str, Array]) -> bool:
        """Return whether no field that is null, which Arrow shows like none, is in a place that no column has."""
        if not names_in(text) <= self._model.keys() | self._unknown:
            return False
        return not any(map(may_hold_nulls, columns_of(text, self._nested(columns)).values()))

    def _nested(self, columns: Mapping[str, Array]) -> list[str]:
        return [name for name in columns if not isinstance(self._model[name], Scalar)]

    def _learn(self, text: bytes, columns: Mapping[str, Array]) -> None:
        """Find out which fields are unknown, and if there is none more, which columns hold less than the text.

        Of a text with too many names nothing is learnt.
        """
        unknown = names_in(text) - self._model.keys()
        if not unknown <= self._unknown:
            if len(unknown | self._unknown) <= _MOST_LEARNT:
                self._unknown |= unknown
            return
        for name, spelt in columns_of(text, list(columns)).items():
            found = _fields_in(columns[name], self._model[name])
            if found != keys_within(spelt) - nulls_within(spelt) or may_hold_nulls(spelt):
                self._odd.add(name)

    def _completed(self, columns: dict[str, Array], spelt: Mapping[str, Spelt], count: int) -> list[Array]:
        """Return all columns and the extra one."""
        beyond: dict[str, Spelt] = {name: spelt[name] for name in self._unknown if name in spelt}
        for name in self._odd & spelt.keys():
            values, misfits = _fitted(spelt[name], self._model[name])
            columns[name] = pa.array(values, self._schema.field(name).type)
            beyond[name] = misfits
        extra = pa.array(extra_texts(beyond), pa.string()) if beyond else pa.nulls(count, pa.string())
        return [*(columns[name] for name in self._model), extra]


def _holds_nul(text: bytes) -> bool:
    """Return whether U+0000 may be in a text; while backslashes are few, going from one to the next is fastest."""
    at = -1
    for _ in range(_FEW):
        at = text.find(b"\\", at + 1)
        if at < 0:
            return False
        if text.startswith(_NUL, at):
            return True
    return text.find(_NUL, at) >= 0


def _fitted(column: Spelt, kind: Column) -> tuple[list[object], Spelt]:
    """Return the values of a column, and of the rows in which something did not fit how they are spelt."""
    values: list[object] = []
    misfits: list[Any] = []
    for spelt in column:
        misfit = None
        try:
            values.append(None if spelt is None else fit(load(spelt), kind))
        except Misfit as found:
            values.append(found.rest)
            misfit = spelt
        misfits.append(misfit)
    return values, misfits


def _fields_in(column: Array, kind: Column) -> int:
    """Return how many fields hold something: the column's own of each row, and all within it."""
    return sum(len(chunk) - chunk.null_count + _fields_within(chunk, kind) for chunk in column.chunks)


def _fields_within(array: Array, kind: Column) -> int:
    if isinstance(kind, Scalar):
        return 0
    if isinstance(kind, Many):
        return _fields_within(array.values, kind.of)
    fields = [(array.field(name), column) for name, column in kind.items()]
    return sum(len(field) - field.null_count + _fields_within(field, column) for field, column in fields)


def _is_sound(array: Array, kind: Column) -> bool:
    """Return whether every value is one that readers understand and that was not rounded."""
    if isinstance(kind, Many):
        return _is_sound(array.values, kind.of)
    if isinstance(kind, Mapping):
        return all(_is_sound(array.field(name), column) for name, column in kind.items())
    check = _CHECKS.get(kind)
    return check is None or check(array)


def _within(first: object, last: object) -> Callable[[Array], bool]:
    def check(array: Array) -> bool:
        bounds = pc.min_max(array)
        low, high = (pa.scalar(each, array.type) for each in (first, last))
        return not bounds["min"].is_valid or bool(
            pc.and_(pc.greater_equal(bounds["min"], low), pc.less_equal(bounds["max"], high)).as_py()
        )

    return check


def _is_finite(array: Array) -> bool:
    return pc.all(pc.is_finite(array)).as_py() is not False


_CHECKS: Final = {
    Scalar.NUMBER: _is_finite,
    Scalar.INTEGER: _within(1 - _EXACT, _EXACT - 1),
    Scalar.MOMENT: _within(_FIRST_MOMENT, _LAST_MOMENT),
    Scalar.DATE: _within(date.min, date.max),
}
