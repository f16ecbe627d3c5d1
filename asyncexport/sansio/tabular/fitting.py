"""How the rows of an export fit the columns of a table, so that nothing is lost and nothing breaks.

Contract: of each row :func:`fit_row` gives the values of the columns, and as JSON what does not fit them. A value that
does not fit leaves its own place NULL, and the *whole field of the row* in which it stands goes, as it was spelt, into
the extra column; so does a field that no column is for. A new field, a changed type, a number beyond the range of its
column: each costs its place a NULL, never the row and never the field's other values. What fits:

- a number for text if it is whole (an id that lost its quotes), and text for a number if it spells one;
- a moment of any precision down to microseconds, with any offset (none: UTC), or a date alone (its midnight);
- null, and a field that is left out: both are NULL and neither is extra.

Numbers are doubles, as the API documents them: digits beyond what a double holds are rounded, as by every JSON reader.
Integers are exact where their column is: an id keeps all its digits. Where a key stands twice the last one counts.
Worst case: time and memory of parsing one row three times.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any, Final

import msgspec
import orjson

from asyncexport.sansio.tabular.columns import Column, Fields, Many, Scalar
from asyncexport.sansio.tabular.spelling import extra_text, split_row

_LARGEST: Final = 2**63
_EXACT: Final = 2.0**53
_MOST_DIGITS: Final = 1_000
_MANY_DIGITS = re.compile(rb"[0-9]{19}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,18})")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CLOCK = r"([01][0-9]|2[0-3])(:[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?)?"
_MOMENT = re.compile(rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}([T ]{_CLOCK}(Z|[+-]([01][0-9]|2[0-3])(:?[0-5][0-9])?)?)?")


class Misfit(ValueError):
    """Something is in a value that its column cannot hold. ``rest`` is what it can."""

    def __init__(self, rest: object = None) -> None:
        super().__init__()
        self.rest = rest


def fit_row(line: bytes, model: Fields) -> tuple[dict[str, Any], bytes | None]:
    """Return the row's values by column, and the JSON of what does not fit, None if everything does."""
    values: dict[str, Any] = {}
    misfits = []
    for name, value in _loaded_row(line).items():
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


def _loaded_row(line: bytes) -> dict[str, Any]:
    if _MANY_DIGITS.search(line) is None:
        with suppress(orjson.JSONDecodeError):
            row: dict[str, Any] = orjson.loads(line)
            return row
    return {name: load(spelt) for name, spelt in split_row(line).items()}


class _Unreadable:
    """Stands for a value that fits nowhere."""


def load(spelt: msgspec.Raw) -> object:
    """Return the value of a field; one that no reader could hold fits nowhere, but integers are exact at any size."""
    try:
        if _MANY_DIGITS.search(spelt) is None:
            return orjson.loads(memoryview(spelt))
        value = json.loads(bytes(spelt), parse_int=_exactly)
        json.dumps(value, ensure_ascii=False, default=str).encode()
    except (ValueError, RecursionError):  # JSON all the same: a number that no double can hold, half a character
        return _Unreadable()
    return value


def _exactly(digits: str) -> object:
    return int(digits) if len(digits) <= _MOST_DIGITS else _Unreadable()


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
    if type(value) in {int, float}:
        with suppress(OverflowError):
            number = float(value)  # type: ignore[arg-type]
            if math.isfinite(number):
                return number
    raise Misfit


def _integer(value: object) -> int:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = int(value) if _INTEGER.fullmatch(value) else float(value)
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
