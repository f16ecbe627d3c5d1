"""One table of a configuration file, read key by key, refusing everything that is not understood.

Contract: a reader asks for each key it knows with the type it wants; :meth:`Table.close` then refuses the keys nobody
asked for, with the nearest known one as a suggestion. Every refusal is a :class:`ConfigError` of one line that names
the table and the key. A value is only quoted where it cannot be a secret; otherwise its TOML type is named.
"""

from __future__ import annotations

import datetime
import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NoReturn, TypeVar

from asyncexport.errors import ConfigError

Word = TypeVar("Word", bound=str)

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(s|m|h)")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_TIMES = (datetime.date, datetime.time)


class Table:
    """The keys and values of one TOML table; ``where`` is how messages call it (``[run]``, ``[[accounts]] 'acme'``)."""

    def __init__(self, values: Mapping[str, object], where: str) -> None:
        self._values = values
        self._known: set[str] = set()
        self.where = where

    def __repr__(self) -> str:
        return f"<Table {self.where} {len(self._values)} keys>"

    def get(self, key: str) -> object | None:
        """Return the value as it stands, None when the key is absent; the key counts as known from now on."""
        self._known.add(key)
        return self._values.get(key)

    def refuse(self, reason: str) -> NoReturn:
        """Raise the :class:`ConfigError` that tells where and why."""
        raise ConfigError(f"{self.where}: {reason}")

    def text(self, key: str, default: str | None = None) -> str | None:
        """Return a text that is not empty."""
        value = self.get(key)
        if value is None:
            return default
        if not isinstance(value, str):
            self.refuse(f"{key} must be a string, not {toml_type(value)}")
        if not value.strip():
            self.refuse(f"{key} must not be empty")
        return value

    def word(self, key: str, choices: Sequence[Word], default: Word | None = None) -> Word | None:
        """Return one of ``choices``."""
        value = self.text(key)
        if value is None:
            return default
        if value not in choices:
            self.refuse(f"{key}: {value!r} is none of {', '.join(choices)}{suggestion(value, choices)}")
        return choices[choices.index(value)]

    def integer(self, key: str, default: int, *, within: tuple[int, int] | None = None) -> int:
        """Return a whole number, from the first to the last ``within``."""
        value = self.get(key)
        if value is None:
            return default
        if not isinstance(value, int) or isinstance(value, bool):
            self.refuse(f"{key} must be a whole number, not {toml_type(value)}")
        if within is not None and not within[0] <= value <= within[1]:
            self.refuse(f"{key} must be from {within[0]:,} to {within[1]:,}, not {value}")
        return value

    def number(self, key: str, default: float, *, within: tuple[float, float] | None = None) -> float:
        """Return a finite number, from the first to the last ``within``."""
        value = self.get(key)
        if value is None:
            return default
        if not isinstance(value, int | float) or isinstance(value, bool):
            self.refuse(f"{key} must be a number, not {toml_type(value)}")
        if not math.isfinite(value):
            self.refuse(f"{key} must be a finite number")
        if within is not None and not within[0] <= value <= within[1]:
            self.refuse(f"{key} must be from {within[0]:g} to {within[1]:g}, not {value:g}")
        return float(value)

    def seconds(self, key: str, default: float, *, hours: float = math.inf) -> float:
        """Return a duration such as ``"90s"``, ``"30m"`` or ``"2h"`` in seconds; it is at most ``hours`` long."""
        value = self.text(key)
        if value is None:
            return default
        found = _DURATION.fullmatch(value.strip())
        if found is None or float(found[1]) == 0:
            self.refuse(f'{key}: {value!r} is no duration; write for example "90s", "30m" or "2h"')
        seconds = float(found[1]) * _SECONDS[found[2]]
        if seconds > hours * 3600.0:
            self.refuse(f"{key}: {value!r} is too long; at most {hours:g}h make sense")
        return seconds

    def words(self, key: str) -> tuple[str, ...] | None:
        """Return an array of texts without its repetitions; refuses an empty one. None when the key is absent."""
        value = self.get(key)
        if value is None:
            return None
        if not isinstance(value, list):
            self.refuse(f"{key} must be an array of strings, not {toml_type(value)}")
        for each in value:
            if not isinstance(each, str) or not each.strip():
                self.refuse(f"{key} must hold non-empty strings only, not {toml_type(each)}")
        if not value:
            self.refuse(f"{key} must not be empty; leave the key out for the default")
        return tuple(dict.fromkeys(value))

    def table(self, key: str) -> Table:
        """Return a table inside this one, empty when absent."""
        value = self.get(key)
        if value is not None and not isinstance(value, dict):
            self.refuse(f"{key} must be a table, not {toml_type(value)}; write [{key}]")
        return Table(value or {}, f"[{key}]")

    def tables(self, key: str) -> list[Mapping[str, object]]:
        """Return an array of tables, empty when absent."""
        value = self.get(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            self.refuse(f"{key} must be an array of tables, not {toml_type(value)}; write [[{key}]]")
        return value

    def close(self) -> None:
        """Refuse the first key that nobody asked for."""
        for key in self._values:
            if key not in self._known:
                self.refuse(f"unknown key {key!r}{suggestion(key, self._known)}")


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` when a known word is near, otherwise nothing.

    >>> suggestion("regoin", ["name", "region"])
    " (did you mean 'region'?)"
    """
    near = difflib.get_close_matches(word.lower(), {each.lower(): each for each in known}, n=1)
    spelt = {each.lower(): each for each in known}
    return f" (did you mean {spelt[near[0]]!r}?)" if near else ""


def toml_type(value: object) -> str:
    """Return what TOML calls the type of a value, with its article."""
    if isinstance(value, bool):
        return "a boolean"
    names: dict[type, str] = {str: "a string", int: "an integer", float: "a float", list: "an array", dict: "a table"}
    return names.get(type(value), "a date or time" if isinstance(value, _TIMES) else "something else")
