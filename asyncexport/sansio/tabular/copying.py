r"""Rows as the lines that PostgreSQL's COPY reads in its text format, columns as they lie in :data:`COLUMNS`.

Contract: :meth:`Copying.of` takes text as a :class:`~asyncexport.batch.Batch` has it and gives a line for each row, in
order. What fits a column is said by :mod:`asyncexport.sansio.tabular.fitting`, with one difference: an object or a list
is a ``jsonb`` column, which any value fits, so that what Amazon adds inside of one is found where it belongs. What does
not fit, and what no column is for, stands in ``extra``. PostgreSQL holds no U+0000: a field with one is NULL, and
stands as it was spelt, as a text, under :data:`SPELT` in ``extra``. COPY is to be told :data:`DELIMITER` and
:data:`NULL`.

Plan: two parses of a piece, neither of which makes a row of Python's. One proves the types of the columns that hold
single values, the other cuts out each field as it is spelt; then everything is done to a whole piece at once. A value
goes as it came, because COPY undoes the escapes of JSON's strings but ``\u``, because ``null`` is NULL to it, and
because no JSON holds the control characters that separate fields and lines. A piece with ``\u`` has its texts spelt
anew; one whose types are not proved is cut into smaller ones, and only the smallest are fitted row by row. Names that
no column has are learnt from the rows that have them.

Text instead of the binary format: PostgreSQL reads binary values in two thirds of the time, but making them, a length
before each and instants as numbers, takes Python longer than all of this.

Worst case: a piece takes some six times its size in memory; one whose every row has a misfit takes ten times as long.

Source: PostgreSQL's documentation of COPY, "Text Format".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import date, datetime
from functools import cache
from operator import attrgetter
from typing import Any, Final

import msgspec
import orjson

from asyncexport.models import Entity
from asyncexport.sansio.tabular.columns import EXTRA, MODELS, Column, Scalar
from asyncexport.sansio.tabular.fitting import Misfit, fit, load
from asyncexport.sansio.tabular.spelling import PIECE, extra_text, pieces, split_row

DELIMITER: Final = "\x1f"
"""Between the fields of a line."""

NULL: Final = "null"
"""Stands for NULL."""

SPELT: Final = "$spelt"
"""Where in ``extra`` fields stand that hold U+0000: by name, the JSON of each as a text."""

_PROVED: Final[Mapping[Scalar, Any]] = {
    Scalar.TEXT: str | None,
    Scalar.MOMENT: datetime | None,
    Scalar.DATE: date | None,
    Scalar.BOOLEAN: bool | None,
}
_NOTHING: Final = msgspec.Raw(NULL)
_ABSENT: Final = msgspec.Raw(b"")
_MOST_LEARNT: Final = 64
_SMALLEST: Final = 16 * 1024
_FEWER: Final = 8
_FIELD, _LINE, _NULL = DELIMITER.encode(), b"\x1e", NULL.encode()
_BACKSLASH, _QUOTE = b"\x1c", b"\x1d"
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_TOO_PRECISE: Final = re.compile(rb"\.[0-9]{7}")
_TOO_FAR: Final = re.compile(rb'[+-](?:1[6-9]|2[0-9])(?::?[0-9]{2})?"|"(?:0001-01-01|9999-12-31)[^"]*[+-][0-9:]+"')
"""Offsets that PostgreSQL does not read, and instants that with theirs may be in no year from 1 to 9999."""

_NO_FIELD: Final = re.compile(r'["\\\x00-\x1f]')
_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n", "\r": r"\r", "\x1e": r"\x1e", DELIMITER: r"\x1f"})

_Getter = Callable[[Any], tuple[Any, ...]]


def columns_of(entity: Entity) -> tuple[str, ...]:
    """Return the fields in the order of a line: those of single values that JSON quotes, all others, ``extra``."""
    quoted, bare = _halves(entity)
    return (*quoted, *bare, EXTRA)


def _halves(entity: Entity) -> tuple[tuple[str, ...], tuple[str, ...]]:
    model = MODELS[entity]
    quoted = tuple(name for name, column in model.items() if _is_quoted(column))
    return quoted, tuple(name for name in model if name not in quoted)


def _is_quoted(column: Column) -> bool:
    return isinstance(column, Scalar) and column is not Scalar.BOOLEAN


class Copying:
    """Makes the lines of one export."""

    def __init__(self, entity: Entity) -> None:
        self._model = MODELS[entity]
        quoted, bare = _halves(entity)
        self._order = (*quoted, *bare)
        self._quoted, self._bare = _getter(quoted), _getter(bare)
        self._moments = _getter([name for name in quoted if self._model[name] is Scalar.MOMENT])
        self._prove = _prover(entity)
        self._learnt: tuple[str, ...] = ()
        self._cut = self._cutter()

    def of(self, text: bytes) -> bytes:
        """Return the lines of the rows, each a line of ``text``."""
        return b"".join(self._lines(piece) for piece in pieces(text, PIECE))

    def __repr__(self) -> str:
        return f"<Copying that has learnt {len(self._learnt)} names>"

    def _lines(self, text: bytes) -> bytes:
        if b"\\u0000" in text:
            lines = text.removesuffix(b"\n").split(b"\n")
            return b"".join(self._one(line) if b"\\u0000" in line else self._fitting(line + b"\n") for line in lines)
        return self._fitting(text)

    def _fitting(self, text: bytes) -> bytes:
        """Return the lines of a text without U+0000; one that nests deeper than msgspec follows is cut as well."""
        with suppress(RecursionError):
            lines = self._at_once(text)
            if lines is not None:
                return lines
        fewer = list(pieces(text, len(text) // _FEWER)) if len(text) > _SMALLEST else []
        if len(fewer) > 1:
            return b"".join(map(self._fitting, fewer))
        return b"".join(map(self._one, text.removesuffix(b"\n").split(b"\n")))

    def _at_once(self, text: bytes) -> bytes | None:
        """Return the lines, None if a value does not fit or if there are too many names."""
        try:
            proved = self._prove(text)
        except msgspec.ValidationError:
            return None
        cut = self._fields(text)
        if cut is None or not _are_usual(_joined(self._moments, cut)):
            return None
        quoted = _joined(self._quoted, cut)
        quoted = self._spelt(proved) if b"\\u" in quoted else _unquoted(quoted)
        bare, extra = _joined(self._bare, cut), _LINE.join(self._extras(cut))
        if b"\\" in text:
            bare, extra = bare.replace(b"\\", rb"\\"), extra.replace(b"\\", rb"\\")
        parts = (part.split(_LINE) for part in (quoted, bare, extra))
        return b"\n".join(map(_FIELD.join, zip(*parts, strict=True))) + b"\n"

    def _fields(self, text: bytes) -> list[Any] | None:
        """Return the rows as they are spelt, None if they have more names, or stranger ones, than are learnt."""
        try:
            return self._cut(text)
        except msgspec.ValidationError:  # of a name that is new: there is no other reason
            names = {name for row in _all_fields(text) for name in row}
        learnt = names.difference(self._model).union(self._learnt)
        if len(learnt) > _MOST_LEARNT or any(map(_NO_FIELD.search, learnt)):
            return None
        self._learnt = tuple(sorted(learnt))
        self._cut = self._cutter()
        return self._cut(text)

    def _cutter(self) -> Callable[[bytes], list[Any]]:
        """Return what cuts rows into fields: those of the model, and behind them those that were learnt."""
        fields = [(name, msgspec.Raw, _NOTHING) for name in self._order]
        names = {f"learnt{at}": name for at, name in enumerate(self._learnt)}
        fields += [(key, msgspec.Raw, _ABSENT) for key in names]
        row = msgspec.defstruct("Row", fields, rename=names, gc=False, forbid_unknown_fields=True)
        return msgspec.json.Decoder(row).decode_lines

    def _extras(self, cut: list[Any]) -> list[bytes]:
        if not self._learnt:
            return [_NULL] * len(cut)
        names = [orjson.dumps(name) + b":" for name in self._learnt]
        template = b"{" + b",".join(name.replace(b"%", b"%%") + b"%b" for name in names) + b"}"
        learnt = (map(attrgetter(f"learnt{at}"), cut) for at in range(len(names)))
        return [template % row if all(row) else _object(names, row) for row in zip(*learnt, strict=True)]

    def _spelt(self, proved: list[Any]) -> bytes:
        """Return the values that JSON quotes, spelt for COPY."""
        rows = (DELIMITER.join(map(_field, self._quoted(row))) for row in proved)
        return _LINE.decode().join(rows).encode()

    def _one(self, line: bytes) -> bytes:
        """Return the line of one row, whatever is in it."""
        extra: dict[str, msgspec.Raw] = {}
        spelt: dict[str, str] = {}
        fields = dict.fromkeys(self._order, NULL)
        for name, value in split_row(line).items():
            if _NUL.search(bytes(value)) or "\0" in name:
                spelt[name.replace("\0", r"\u0000")] = bytes(value).decode()
                continue
            try:
                fields[name] = self._fitted(name, value)
            except Misfit:
                extra[name] = value
        if spelt:
            if SPELT in extra:
                spelt[SPELT] = bytes(extra[SPELT]).decode()
            extra[SPELT] = msgspec.Raw(orjson.dumps(spelt))
        more = extra_text(extra)
        fields[EXTRA] = NULL if more is None else more.decode().replace("\\", r"\\")
        return DELIMITER.join(fields.values()).encode() + b"\n"

    def _fitted(self, name: str, spelt: msgspec.Raw) -> str:
        """Return the field for COPY. Raises :class:`Misfit` for what fits no column."""
        column = self._model.get(name)
        if column is None:
            raise Misfit
        if not isinstance(column, Scalar):
            return bytes(spelt).decode().replace("\\", r"\\")
        return _field(fit(load(spelt), column))


@cache
def _prover(entity: Entity) -> Callable[[bytes], list[Any]]:
    """Return what parses the single values of rows. Raises ``ValidationError`` if one is of another type."""
    columns = [(name, column) for name, column in MODELS[entity].items() if isinstance(column, Scalar)]
    row = msgspec.defstruct("Row", [(name, _PROVED[column], None) for name, column in columns], gc=False)
    return msgspec.json.Decoder(row).decode_lines


_all_fields: Callable[[bytes], list[dict[str, msgspec.Raw]]] = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode_lines


def _object(names: list[bytes], values: tuple[msgspec.Raw, ...]) -> bytes:
    """Return the values that are there as an object, NULL if there is none."""
    fields = [name + bytes(value) for name, value in zip(names, values, strict=True) if value]
    return b"{" + b",".join(fields) + b"}" if fields else _NULL


def _getter(names: Iterable[str]) -> _Getter:
    """Return what gets the named attributes as a tuple, however many they are."""
    every = tuple(names)
    if len(every) > 1:
        return attrgetter(*every)
    return lambda row: tuple(getattr(row, name) for name in every)


def _joined(getter: _Getter, cut: list[Any]) -> bytes:
    return _LINE.join(map(_FIELD.join, map(getter, cut)))


def _are_usual(moments: bytes) -> bool:
    """Whether instants that msgspec has read fit and are spelt for PostgreSQL: it takes small letters, more digits.

    Those that end in Z, as nearly all do, have no offset that could be too far.
    """
    if b"t" in moments or b"z" in moments or _TOO_PRECISE.search(moments):
        return False
    return moments.count(b'Z"') * 2 == moments.count(b'"') or not _TOO_FAR.search(moments)


def _unquoted(fields: bytes) -> bytes:
    """Return texts without the quotes around them; one that is the word for NULL is spelt so that it is not NULL."""
    escaped = b"\\" in fields
    if escaped:
        fields = fields.replace(rb"\\", _BACKSLASH).replace(rb"\"", _QUOTE)
    fields = fields.replace(b'"null"', rb'"\156ull"').translate(None, b'"')
    return fields.replace(_QUOTE, b'"').replace(_BACKSLASH, rb"\\") if escaped else fields


def _field(value: object) -> str:
    """Return a value spelt for COPY."""
    if value is None:
        return NULL
    if isinstance(value, str):
        return r"\156ull" if value == NULL else value.translate(_ESCAPES)
    return str(value).lower() if isinstance(value, bool) else str(value)
