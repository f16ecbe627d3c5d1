"""Rows as no API should send them, seeded, and what a table must say of each: judged without the code that fits them.

:class:`Wild` draws rows of an entity from values at the edges of every kind of column, spelt in odd ways: blanks,
escapes in names, names that stand twice, unknown ones. :func:`faults_of` compares a row as it was spelt with the row of
a table, value for value: each field is said by its column, or stands whole in ``extra``, and nothing else is there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any, Final

from asyncexport.sansio.tabular.columns import EXTRA, Column, Fields, Many, Scalar

_TEXTS: Final = (
    *('""', '"a"', '":"', '":null"', r'"\":null"', r'"\\"', r'"\\ \":null"', r'"x\\\":null"', '" :x"', r'"\": null"'),
    *(r'"\ud83d\ude00"', '"null"', '"007"', '"1e3"', '"true"', r'"\n"', r'"a\",\"b\":1"', r'"\\\""', '"\u00e9"'),
    *(r'"\u0000"', r'"\\u0000"'),
)
_NUMBERS: Final = (
    *("0", "-0.0", "1", "1.0", "1.5", "1e2", "1E+2", "1e400", "-1e400", "1e-400", "0.1", "9" * 309, "-" + "9" * 400),
    *("9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "12345678901234567890"),
    *("123456789.123456789123456789", "18446744073709551616"),
)
_SPELT_NUMBERS: Final = (
    *(f'"{number}"' for number in _NUMBERS),
    *(
        '"+1"',
        '".5"',
        '"1."',
        '" 1"',
        '"inf"',
        '"NaN"',
        '"-Infinity"',
        '"0x10"',
        '"1_0"',
        '"1e"',
        '"-"',
        '"."',
        '"1,5"',
    ),
    *('"\u0661"', '"00"', '"1f"'),
)
_DAY: Final = '"2023-09-26'
_MOMENTS: Final = (
    *(
        f'{_DAY}{clock}"'
        for clock in ("", "T15:38", "T15:38:16", "T15:38:16Z", "T15:38:16.609Z", " 15:38:16+0200", "Z")
    ),
    *(
        f'{_DAY}T15:38:16{end}"'
        for end in (".123456789Z", ".1234567Z", "+02:00", "+02", ".Z", "-00:00", "+24:00", " Z")
    ),
    *(f'{_DAY}T{clock}"' for clock in ("24:00:00Z", "23:59:60Z", "15Z")),
    *('"0001-01-01T00:00:00+10:00"', '"9999-12-31T23:59:59-10:00"', '"2023-02-29T00:00:00Z"', '"2023-9-6T00:00:00Z"'),
    *(
        '"20230926T153816Z"',
        '"2023-W10-1T00:00:00Z"',
        '"2023-09-26t15:38:16z"',
        '"10000-01-01T00:00:00Z"',
        "1695742696",
    ),
)
_DATES: Final = (
    *(f'{_DAY}"', f'{_DAY}T00:00:00Z"', f'{_DAY} "', '"2023-9-6"', '"20230926"', '"2023-02-29"', '"0000-01-01"'),
    *('"0001-01-01"', '"9999-12-31"', '"10000-01-01"', "19000"),
)
_OTHERS: Final = (
    *("null", "true", "false", "{}", "[]", "[null]", "[{}]", '{"a":1}', '{"a":null}', r'{"\\":null}', r'{"\\ ":null}'),
    *('{"a ":{"b":[]}}', "[[1]]", '{"name":1}', '{"bid":null}', r'{"\u0000":null}'),
)
_ODD: Final = {
    Scalar.TEXT: _TEXTS,
    Scalar.NUMBER: _NUMBERS + _SPELT_NUMBERS,
    Scalar.INTEGER: _NUMBERS + _SPELT_NUMBERS,
    Scalar.BOOLEAN: ("true", "false"),
    Scalar.MOMENT: _MOMENTS,
    Scalar.DATE: _DATES,
}
_USUAL: Final = {**_ODD, Scalar.TEXT: ('"t1"', '"t 2"'), Scalar.MOMENT: _MOMENTS[4:5], Scalar.DATE: _DATES[:1]} | {
    Scalar.NUMBER: ("0.25", "7", "12.5"),
    Scalar.INTEGER: ("7", "30"),
}
_NAMES: Final = (
    "zz",
    "name",
    "na me",
    "bid",
    r"\\",
    r"x\\ ",
    r"x\"",
    ":",
    "",
    "a:",
    "percentage",
    r"\"",
    "\u00e9",
    "null",
)


class Wild:
    """Draws rows of one entity; how wild they are is drawn anew for each block."""

    def __init__(self, random: Random, model: Fields) -> None:
        self._random = random
        self._model = model

    def block(self, most: int) -> list[bytes]:
        """Return some rows, as they are spelt."""
        draw = self._random.choice
        self._nulls, self._oddity, self._escapes = draw((0, 0, 0.05, 0.3)), draw((0, 0.1, 0.4)), draw((0, 0, 0.02))
        self._kept, self._twice, self._unknown = draw((0.2, 0.6, 1)), draw((0, 0, 0.1)), draw((0, 0.03, 0.3))
        self._wildness, self._blanks = draw((0, 0, 0.02, 0.1)), draw((("",), ("",), ("", "", " ", "\t")))
        return [self._object(self._model).encode() for _ in range(draw((1, 1, 2, most)))]

    def _happens(self, chance: float) -> bool:
        return self._random.random() < chance

    def _value(self, kind: Column) -> str:
        if self._happens(self._wildness):
            return self._random.choice(self._random.choice((_TEXTS, _NUMBERS, _OTHERS)))
        if self._happens(self._nulls):
            return "null"
        if isinstance(kind, Scalar):
            return self._random.choice((_ODD if self._happens(self._oddity) else _USUAL)[kind])
        if isinstance(kind, Many):
            return f"[{','.join(self._between(self._value(kind.of)) for _ in range(self._random.randrange(3)))}]"
        return self._object(kind)

    def _object(self, fields: Fields) -> str:
        names = [name for name in fields if self._happens(self._kept)]
        names += names[:1] if self._happens(self._twice) else []
        spelt = [self._field(self._name(name), self._value(fields[name])) for name in names]
        if self._happens(self._unknown):
            spelt.append(self._field(self._random.choice(_NAMES), self._random.choice(_TEXTS + _NUMBERS + _OTHERS)))
        self._random.shuffle(spelt)
        return "{" + ",".join(spelt) + "}"

    def _name(self, name: str) -> str:
        return f"\\u{ord(name[0]):04x}{name[1:]}" if self._happens(self._escapes) else name

    def _field(self, name: str, value: str) -> str:
        return self._between(f'"{name}"') + ":" + self._between(value)

    def _between(self, token: str) -> str:
        return self._random.choice(self._blanks) + token + self._random.choice(self._blanks)


class _Number(str):
    """A number as it was spelt."""

    __slots__ = ()


def _parsed(line: str | bytes) -> Any:
    return json.loads(line, parse_int=_Number, parse_float=_Number)


def faults_of(line: bytes, row: dict[str, Any], model: Fields) -> Iterator[str]:
    """Yield the names of fields that a row of a table does not say as the line does."""
    sent, extra = _parsed(line), _parsed(row[EXTRA] or "{}")
    for name in sent.keys() | extra.keys() | model.keys():
        if name in extra:
            is_said = name in sent and extra[name] == sent[name]
        else:
            is_said = _says(row[name], sent.get(name), model[name]) if name in model else name not in sent
        if not is_said:
            yield name


def _says(held: Any, sent: Any, kind: Column) -> bool:
    """Return whether a value of a column says what was sent."""
    if held is None or sent is None:
        return held is sent
    if isinstance(kind, Many):
        return len(held) == len(sent) and all(_says(one, other, kind.of) for one, other in zip(held, sent, strict=True))
    if not isinstance(kind, Scalar):
        return sent.keys() <= kind.keys() and all(_says(held[name], sent.get(name), kind[name]) for name in kind)
    return bool(_SAME[kind](held, sent))


def _is_same_moment(held: datetime, sent: str) -> bool:
    moment = datetime.fromisoformat(sent)
    return held == (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment)


_SAME: Final[dict[Scalar, Callable[[Any, Any], bool]]] = {
    Scalar.TEXT: lambda held, sent: isinstance(sent, str) and held == sent,
    Scalar.NUMBER: lambda held, sent: held == float(sent),
    Scalar.INTEGER: lambda held, sent: held in {Decimal(sent), float(sent)},
    Scalar.BOOLEAN: lambda held, sent: held is sent,
    Scalar.MOMENT: _is_same_moment,
    Scalar.DATE: lambda held, sent: held.isoformat() == sent,
}
