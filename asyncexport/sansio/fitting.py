"""How the rows of an export fit the columns of a table, so that nothing is lost and nothing breaks.

Contract: of each row :func:`fit_row` gives the values of the columns, and as JSON what does not fit them. A value that
does not fit leaves its own place NULL, and the *whole field of the row* in which it stands goes, as it was spelt, into
the extra column; so does a field that no column is for. A new field, a changed type, a number beyond the range of its
column: each costs its place a NULL, never the row and never the field's other values. What fits:

- a number for text if it is whole (an id that lost its quotes), and text for a number if it spells one;
- a moment of any precision down to microseconds, with any offset (none: UTC), or a date alone (its midnight);
- null, and a field that is left out: both are NULL and neither is extra.

Numbers are doubles, as the API documents them: digits beyond what a double holds are rounded, as by every JSON reader.
Where a key stands twice the last one counts. Worst case: time and memory of parsing one row
three times.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import chain
from typing import Any, Final

import msgspec
import orjson

from asyncexport.sansio.columns import Column, Fields, Many, Scalar

PIECE: Final = 512 * 1024
"""Bytes of text that one step takes at most where steps keep the interpreter to themselves: a few milliseconds."""

_LARGEST: Final = 2**63
_EXACT: Final = 2.0**53
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,18})")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CLOCK = r"([01][0-9]|2[0-3])(:[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?)?"
_MOMENT = re.compile(rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}([T ]{_CLOCK}(Z|[+-]([01][0-9]|2[0-3])(:?[0-5][0-9])?)?)?")

_ABSENT: Final = msgspec.Raw(b"")
_NO_FIELD = re.compile(r'["\\\x00-\x1f]')

split_row: Callable[[bytes], dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
"""Return the fields of one row, as they are spelt."""


def quoted_number(model: Fields) -> re.Pattern[bytes]:
    """Return what finds numbers that came as text, to be replaced by its two groups: the name, and the bare number.

    Wherever such a name stands in a row; a text can hold no quote that is bare, so nothing within one is found.
    """
    names = b"|".join(sorted(name.encode() for name in _number_names(model)))
    return re.compile(rb'("(?:' + names + rb')"\s*:\s*)"(' + _NUMBER.pattern.encode() + rb')"')


def _number_names(column: Column) -> set[str]:
    if isinstance(column, Scalar):
        return set()
    if isinstance(column, Many):
        return _number_names(column.of)
    names = {name for name, each in column.items() if each is Scalar.NUMBER or each is Scalar.INTEGER}
    return names.union(*map(_number_names, column.values()))


class Misfit(ValueError):
    """Something is in a value that its column cannot hold. ``rest`` is what it can."""

    def __init__(self, rest: object = None) -> None:
        super().__init__()
        self.rest = rest


def fit_row(line: bytes, model: Fields) -> tuple[dict[str, Any], bytes | None]:
    """Return the row's values by column, and the JSON of what does not fit, None if everything does."""
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:  # JSON all the same: a number that no double can hold
        row = {name: _loaded(spelt) for name, spelt in split_row(line).items()}
    values: dict[str, Any] = {}
    misfits = []
    for name, value in row.items():
        column = model.get(name)
        if column is None:
            misfits.append(name)
            continue
        try:
            values[name] = fit(value, column)
        except Misfit as misfit:
            values[name] = misfit.rest
            misfits.append(name)
    if not misfits:
        return values, None
    spelt = split_row(line)
    return values, extra_text({name: spelt[name] for name in misfits})


class _Unreadable:
    """Stands for a value that fits nowhere."""


def _loaded(spelt: msgspec.Raw) -> object:
    try:
        return orjson.loads(memoryview(spelt))
    except orjson.JSONDecodeError:
        return _Unreadable()


def fields_of(text: bytes, names: Sequence[str]) -> Iterator[dict[str, msgspec.Raw]]:
    """Yield for each line of ``text`` those of the named fields that its row has, as they are spelt."""
    if any(map(_NO_FIELD.search, names)):
        for line in text.removesuffix(b"\n").split(b"\n"):
            row = split_row(line)
            yield {name: row[name] for name in names if name in row}
        return
    named = {f"f{at}": name for at, name in enumerate(names)}
    kind = msgspec.defstruct("Fields", [(key, msgspec.Raw, _ABSENT) for key in named], rename=named)
    decode = msgspec.json.Decoder(kind).decode_lines
    for found in chain.from_iterable(decode(piece) for piece in pieces(text, PIECE)):
        spelt = {name: getattr(found, key) for key, name in named.items()}
        yield {name: value for name, value in spelt.items() if value is not _ABSENT}


def pieces(text: bytes, size: int) -> Iterator[bytes]:
    """Cut lines into pieces of at least ``size`` bytes, but for the last; each ends with a line."""
    start = 0
    while start < len(text):
        end = text.find(b"\n", start + size) + 1 or len(text)
        yield text[start:end]
        start = end


def extra_text(fields: Mapping[str, msgspec.Raw]) -> bytes | None:
    """Return the fields as one JSON object by name, each value as it was spelt; None if there is none.

    The order is the names' own, so that a row has one text whatever rows it came with.
    """
    if not fields:
        return None
    return b"{" + b",".join(orjson.dumps(name) + b":" + bytes(spelt) for name, spelt in sorted(fields.items())) + b"}"


def fit(value: object, column: Column) -> object:
    """Return the value as the column holds it. Raises :class:`Misfit`."""
    if value is None:
        return None
    if isinstance(column, Scalar):
        return _SCALARS[column](value)
    if isinstance(column, Many):
        return _fit_list(value, column.of)
    return _fit_object(value, column)


def _fit_list(value: object, column: Column) -> list[object]:
    if not isinstance(value, list):
        raise Misfit
    fitted, misfits = [], False
    for each in value:
        try:
            fitted.append(fit(each, column))
        except Misfit as misfit:
            fitted.append(misfit.rest)
            misfits = True
    if misfits:
        raise Misfit(fitted)
    return fitted


def _fit_object(value: object, fields: Fields) -> dict[str, object]:
    if not isinstance(value, dict):
        raise Misfit
    fitted: dict[str, object] = {}
    misfits = not value.keys() <= fields.keys()
    for name, column in fields.items():
        try:
            fitted[name] = fit(value.get(name), column)
        except Misfit as misfit:
            fitted[name] = misfit.rest
            misfits = True
    if misfits:
        raise Misfit(fitted)
    return fitted


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if type(value) is int:
        return str(value)
    raise Misfit


def _number(value: object) -> float:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)
    if type(value) in {int, float} and math.isfinite(number := float(value)):  # type: ignore[arg-type]
        return number
    raise Misfit


def _integer(value: object) -> int:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        value = int(value)
    if type(value) is int and -_LARGEST <= value < _LARGEST:
        return value
    raise Misfit


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise Misfit


def _moment(value: object) -> datetime:
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        try:
            found = datetime.fromisoformat(value)
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise Misfit


def _date(value: object) -> date:
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise Misfit


_SCALARS: Final[Mapping[Scalar, Callable[[object], object]]] = {
    Scalar.TEXT: _text,
    Scalar.NUMBER: _number,
    Scalar.INTEGER: _integer,
    Scalar.BOOLEAN: _boolean,
    Scalar.MOMENT: _moment,
    Scalar.DATE: _date,
}
