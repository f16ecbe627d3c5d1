"""What is sent between an exporter and a worker can be read there, whatever somebody's code put into it."""

from __future__ import annotations

import enum
import logging
import pickle
from typing import Any

import pytest

from asyncexport.engine.runners.portable import portable_entry, portable_error, travels
from asyncexport.errors import AsyncexportError, DiskFull


class Twisted(AsyncexportError):
    """An error that is pickled and cannot be unpickled."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")


class Mute:
    """Something that cannot even be shown."""

    def __str__(self) -> str:
        raise ValueError


class Level(enum.IntEnum):
    """Somebody's own levels."""

    LOUD = 35


def entry(level: int = logging.WARNING, **extra: object) -> logging.LogRecord:
    """Return a log entry."""
    record = logging.Logger("x").makeRecord("x", level, __file__, 1, "text", (), None, extra=extra)  # noqa: LOG001
    record.args = None
    return record


def test_what_travels_is_itself() -> None:
    """With all its fields."""
    error = DiskFull("full", committed=("a",))
    assert portable_error(error, AsyncexportError) is error


def test_an_error_that_does_not_travel_keeps_class_and_text() -> None:
    """In an error that does."""
    error = portable_error(Twisted("this", "that"), DiskFull)
    assert repr(pickle.loads(pickle.dumps(error))) == repr(DiskFull("Twisted: this and that"))  # noqa: S301  our own


@pytest.mark.parametrize(
    ("extra", "sent"),
    [
        (Twisted("this", "that"), "this and that"),
        (Mute(), "a Mute that cannot be shown: ValueError"),
        (["a", 1], "['a', 1]"),
        (7, 7),
        (None, None),
    ],
)
def test_what_is_extra_in_a_log_entry_becomes_its_text(extra: object, sent: object) -> None:
    """Numbers and texts stay what they are; the entry that others handle is not touched."""
    record = entry(extra=extra)
    plain: Any = portable_entry(record)
    assert travels(plain)
    assert (plain.extra, plain.getMessage()) == (sent, "text")
    assert vars(record)["extra"] is extra


def test_a_level_stays_a_number() -> None:
    """Also one of somebody's own enumeration."""
    plain = portable_entry(entry(Level.LOUD))
    assert (type(plain.levelno), plain.levelno) == (int, 35)
