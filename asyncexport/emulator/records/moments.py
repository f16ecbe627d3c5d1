"""Moments as the API writes them: ``Instant.toString`` of Java, which drops the fraction when it is zero.

So ``2019-02-07T07:58:58Z`` and ``2023-05-30T18:51:03.759Z`` stand in one file. Rows need millions of
them, so days, minutes and seconds come from tables, the largest made at its first use. All times are in UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from functools import cache, lru_cache

DAY = 86_400_000
"""Milliseconds of a day."""

_FIRST = datetime(2017, 1, 1, tzinfo=UTC)
FIRST_DAY = int(_FIRST.timestamp()) // 86_400
"""The day the tables begin with, counted from 1970; they end in 2028."""

_DAYS = [(_FIRST + timedelta(days=number)).strftime("%Y-%m-%d") for number in range(4_383)]
_MINUTES = [f"T{minute // 60:02d}:{minute % 60:02d}:" for minute in range(1_440)]


def stamp(milliseconds: int) -> str:
    """Write a moment of the years 2017 to 2028, given in milliseconds since 1970."""
    day, rest = divmod(milliseconds, DAY)
    return _DAYS[day - FIRST_DAY] + _MINUTES[rest // 60_000] + _seconds()[rest % 60_000]


@cache
def _seconds() -> list[str]:
    fractions = ["Z", *(f".{fraction:03d}Z" for fraction in range(1, 1_000))]
    return [f"{second:02d}{fraction}" for second in range(60) for fraction in fractions]


def date(milliseconds: int) -> str:
    """Write the day of a moment of the years 2017 to 2028."""
    return _DAYS[milliseconds // DAY - FIRST_DAY]


def instant(seconds: float) -> str:
    """Write any moment the way :func:`stamp` does, given in seconds since 1970."""
    moment = datetime.fromtimestamp(seconds, UTC)
    fraction = f".{moment.microsecond // 1000:03d}" if moment.microsecond >= 1000 else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def http_date(seconds: float) -> str:
    """Write the value of a ``Date`` header."""
    return _http_date(int(seconds))


@lru_cache(maxsize=64)
def _http_date(second: int) -> str:
    return formatdate(second, usegmt=True)


def amz_date(seconds: float) -> str:
    """Write the value of ``X-Amz-Date``."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%dT%H%M%SZ}"
